// Convolutions and linear layers in every maths mode: flops 2 N K P Q R S C/groups for each of the three
// passes; bytes: operands once. Where one image is asked for, linear layers are measured at 8 as well: both
// are bound by the weights' bytes.
#include <algorithm>

#include "deconv/ops/conv2d.hpp"
#include "deconv/ops/linear.hpp"
#include "layers.hpp"
#include "peers.hpp"

namespace deconv::bench {
namespace {

/// Each kind of tensor cores by its name, beside what is chosen for the shape and the GPU at hand.
struct NamedUnits {
  const char* name;
  cuda::TileChoice choice;
};
constexpr NamedUnits named_units[] = {{"ours, mma.sync alone", {-1, 0, cuda::Units::matrix}},
                                      {"ours, wgmma alone", {-1, 0, cuda::Units::warpgroup}}};

/// Adds a pass on each of them that serves it.
void add_named_units(std::vector<Way>& ways, const std::function<void(cuda::TileChoice)>& pass) {
  for (const NamedUnits& units : named_units) {
    try {
      pass(units.choice);
    } catch (const ArgumentError&) {
      continue;  // the GPU or the shape is not for them
    }
    ways.push_back({units.name, [=] { pass(units.choice); }});
  }
}

/// Whether products are on tensor cores with numbers as they come.
template <class T>
bool on_tensor_cores(Maths maths) {
  return !std::same_as<T, float> || maths == Maths::tf32;
}

template <class T>
void add_convolution(Jobs& jobs, const Layer<node::Conv2d>& layer, Index batch, std::optional<Maths> maths) {
  const Shape src = layer.src.with(0, batch), dst = layer.dst.with(0, batch);
  const Conv2dParams params = layer.node.params;
  const Window2d& w = params.window;
  const Shape filters{dst[1], src[1] / params.groups, w.kernel_y, w.kernel_x};
  const double flops = 2.0 * static_cast<double>(dst.count()) * static_cast<double>(filters.count() / dst[1]);
  const double bytes = bytes_of<T>(src.count() + filters.count() + dst.count());
  const Geometry geometry{src, dst[1], params.groups, w};
  const Maths how = maths.value_or(Maths::float32);
  const auto peers = [=](Room& room, ConvolutionPass pass, Way ours,
                         const std::function<void(cuda::TileChoice)>& on_units) {
    auto others = convolution_peers(room, dtype_of<T>, how, pass, src, dst[1], params);
    if (on_tensor_cores<T>(how)) add_named_units(others, on_units);
    return beside(std::move(ours), std::move(others));
  };
  jobs.all.push_back(
      {"conv2d_forward", layer.name, batch, dtype_of<T>, bytes, flops, geometry,
       [=](Room& room) {
         const auto context = room.context().with(how);
         const auto x = room.random<T>(src, Layout::nhwc), f = room.random<T>(filters, Layout::nhwc),
                    bias = room.random<T>({dst[1]}), y = room.result<T>(dst, Layout::nhwc);
         return peers(room, ConvolutionPass::forward,
                      {"ours", [=] { conv2d_forward<T, Cuda>(context, *x, *f, *bias, params, y->view()); }},
                      [=](cuda::TileChoice choice) {
                        cuda::conv2d_forward<T>(context, x->view(), f->view(), bias->data(), params,
                                                y->view(), {}, choice);
                      });
       },
       maths});
  jobs.all.push_back(
      {"conv2d_reverse_data", layer.name, batch, dtype_of<T>, bytes, flops, geometry,
       [=](Room& room) {
         const auto context = room.context().with(how);
         const auto y = room.random<T>(dst, Layout::nhwc), f = room.random<T>(filters, Layout::nhwc),
                    x = room.result<T>(src, Layout::nhwc);
         return peers(room, ConvolutionPass::reverse_data,
                      {"ours", [=] { conv2d_reverse_data<T, Cuda>(context, *y, *f, params, x->view()); }},
                      [=](cuda::TileChoice choice) {
                        cuda::conv2d_reverse_data<T>(context, y->view(), f->view(), nullptr, params,
                                                     x->view(), choice);
                      });
       },
       maths});
  jobs.all.push_back(
      {"conv2d_reverse_weights", layer.name, batch, dtype_of<T>, bytes, flops, geometry,
       [=](Room& room) {
         const auto context = room.context().with(how);
         const auto x = room.random<T>(src, Layout::nhwc), y = room.random<T>(dst, Layout::nhwc),
                    f = room.result<T>(filters, Layout::nhwc);
         return peers(
             room, ConvolutionPass::reverse_weights,
             {"ours", [=] { conv2d_reverse_weights<T, Cuda>(context, *x, *y, params, f->view(), {}); }},
             [=](cuda::TileChoice choice) {
               cuda::conv2d_reverse_weights<T>(context, x->view(), y->view(), params, f->view(), choice);
             });
       },
       maths});
}

template <class T>
void add_linear(Jobs& jobs, const Layer<node::Linear>& layer, Index batch, std::optional<Maths> maths) {
  const Shape src{batch, layer.src[1]}, dst{batch, layer.dst[1]}, weights{layer.dst[1], layer.src[1]};
  const double flops = 2.0 * static_cast<double>(batch) * static_cast<double>(weights.count());
  const double bytes = bytes_of<T>(src.count() + weights.count() + dst.count());
  const Geometry geometry{src, dst[1]};
  const Maths how = maths.value_or(Maths::float32);
  const auto peers = [=](Room& room, ProductPass pass, Way ours) {
    return beside(std::move(ours), product_peers(room, dtype_of<T>, how, pass, batch, src[1], dst[1]));
  };
  jobs.all.push_back({"linear_forward", layer.name, batch, dtype_of<T>, bytes, flops, geometry,
                      [=](Room& room) {
                        const auto context = room.context().with(how);
                        const auto x = room.random<T>(src), w = room.random<T>(weights),
                                   bias = room.random<T>({dst[1]}), y = room.result<T>(dst);
                        return peers(
                            room, ProductPass::forward,
                            {"ours", [=] { linear_forward<T, Cuda>(context, *x, *w, *bias, y->view()); }});
                      },
                      maths});
  jobs.all.push_back(
      {"linear_reverse_data", layer.name, batch, dtype_of<T>, bytes, flops, geometry,
       [=](Room& room) {
         const auto context = room.context().with(how);
         const auto y = room.random<T>(dst), w = room.random<T>(weights), x = room.result<T>(src);
         return peers(room, ProductPass::reverse_data,
                      {"ours", [=] { linear_reverse_data<T, Cuda>(context, *y, *w, x->view()); }});
       },
       maths});
  jobs.all.push_back(
      {"linear_reverse_weights", layer.name, batch, dtype_of<T>, bytes, flops, geometry,
       [=](Room& room) {
         const auto context = room.context().with(how);
         const auto x = room.random<T>(src), y = room.random<T>(dst), w = room.result<T>(weights);
         return peers(room, ProductPass::reverse_weights,
                      {"ours", [=] { linear_reverse_weights<T, Cuda>(context, *x, *y, w->view(), {}); }});
       },
       maths});
}

const Family family([](Jobs& jobs) {
  for (const auto& layer : convolutions(jobs.tiny))
    jobs.each_maths([&]<class T>(Index batch, std::optional<Maths> maths) {
      add_convolution<T>(jobs, layer, batch, maths);
    });
  // Up to 8 images linear layers are bound by their weights: beside 1 also 8.
  Jobs batches = jobs;
  batches.all.clear();
  const auto has = [&](Index batch) {
    return std::find(jobs.batches.begin(), jobs.batches.end(), batch) != jobs.batches.end();
  };
  if (has(1) && !has(8)) batches.batches.push_back(8);
  for (const auto& layer : linears(jobs.tiny))
    batches.each_maths(
        [&]<class T>(Index batch, std::optional<Maths> maths) { add_linear<T>(jobs, layer, batch, maths); });
});

}  // namespace
}  // namespace deconv::bench
