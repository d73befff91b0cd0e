// What follows each other in networks and wants to be one kernel: a convolution with its rectifier and pool,
// with switches; and its way back, unpooling, rectifying and the transposed filters. Bytes: what enters and
// leaves the whole, the planes in between not counted; flops: the convolution's.
#include "deconv/ops/conv2d.hpp"
#include "deconv/ops/conv2d_pool.hpp"
#include "deconv/ops/max_pool2d.hpp"
#include "deconv/ops/relu.hpp"
#include "deconv/ops/unpool2d.hpp"
#include "deconv/ops/unpool_conv2d.hpp"
#include "layers.hpp"
#include "peers.hpp"

namespace deconv::bench {
namespace {

/// Operands of both directions for one layer and batch.
template <class T>
struct Operands {
  Shape src, between, dst, filters;
  Conv2dParams convolution;
  MaxPool2dParams pool;
  Maths maths = Maths::float32;

  [[nodiscard]] std::shared_ptr<Switches<Cuda>> switches(const Room& room) const {
    return std::make_shared<Switches<Cuda>>(
        Switches<Cuda>::make(dst, Layout::nhwc, pool.window.taps(), room.context().workspace()));
  }
};

template <class T>
Ways forward_ways(Room& room, const Operands<T>& o) {
  const auto context = room.context().with(o.maths);
  const auto x = room.random<T>(o.src, Layout::nhwc), f = room.random<T>(o.filters, Layout::nhwc),
             bias = room.random<T>({o.between[1]}), y = room.result<T>(o.between, Layout::nhwc),
             z = room.result<T>(o.dst, Layout::nhwc);
  const auto s = o.switches(room);
  auto peers = beside({"ours, op by op",
                       [=] {
                         conv2d_forward<T, Cuda>(context, *x, *f, *bias, o.convolution, y->view(), 0.0f);
                         max_pool2d_forward<T, Cuda>(context, *y, o.pool, z->view(), s->view());
                       }},
                      pooled_convolution_peers(room, dtype_of<T>, o.maths, o.src, o.between[1], o.convolution,
                                               o.pool.window));
  return beside({"ours",
                 [=] {
                   conv2d_pool_forward<T, Cuda>(context, *x, *f, *bias, o.convolution, 0.0f, o.pool,
                                                z->view(), s->view());
                 }},
                std::move(peers));
}

template <class T>
Ways reverse_ways(Room& room, const Operands<T>& o) {
  const auto context = room.context().with(o.maths);
  const auto x = room.result<T>(o.src, Layout::nhwc), f = room.random<T>(o.filters, Layout::nhwc),
             y = room.random<T>(o.between, Layout::nhwc), z = room.random<T>(o.dst, Layout::nhwc);
  const auto s = o.switches(room);
  max_pool2d_forward<T, Cuda>(context, *y, o.pool, z->view(), s->view());
  const auto unpooled = [=] {
    unpool2d<T, Cuda>(context, *z, s->view(), o.pool, OverlapRule::sum, y->view());
    relu_reverse<T, Cuda>(context, RectifierRule::deconvnet, *y, {}, 0, y->view());
  };
  Ways peers;
  for (const Way& theirs : convolution_peers(room, dtype_of<T>, o.maths, ConvolutionPass::reverse_data, o.src,
                                             o.between[1], o.convolution))
    peers.push_back({"our unpooling, then " + theirs.name, [=] {
                       unpooled();
                       theirs.run();
                     }});
  peers = beside({"ours, op by op",
                  [=] {
                    unpooled();
                    conv2d_reverse_data<T, Cuda>(context, *y, *f, o.convolution, x->view());
                  }},
                 std::move(peers));
  return beside({"ours",
                 [=] {
                   unpool_conv2d_reverse_data<T, Cuda>(context, *z, s->view(), o.pool, OverlapRule::sum, 0.0f,
                                                       o.between, *f, o.convolution, x->view());
                 }},
                std::move(peers));
}

template <class T>
void add_pair(Jobs& jobs, const PooledConvolution& layer, Index batch, std::optional<Maths> maths) {
  const Conv2dParams& params = layer.convolution.params;
  const Operands<T> o{
      layer.src.with(0, batch),
      layer.between.with(0, batch),
      layer.dst.with(0, batch),
      {layer.between[1], layer.src[1] / params.groups, params.window.kernel_y, params.window.kernel_x},
      params,
      layer.pool.params,
      maths.value_or(Maths::float32)};
  const double flops =
      2.0 * static_cast<double>(o.between.count()) * static_cast<double>(o.filters.count() / o.filters[0]);
  const double bytes =
      bytes_of<T>(o.src.count() + o.filters.count() + o.dst.count()) + bytes_of<std::uint8_t>(o.dst.count());
  const Geometry geometry{o.src, o.between[1], params.groups, params.window};
  jobs.all.push_back({"conv2d_pool_switches", layer.name, batch, dtype_of<T>, bytes, flops, geometry,
                      [=](Room& room) { return forward_ways(room, o); }, maths});
  jobs.all.push_back({"unpool_conv2d_reverse_data", layer.name, batch, dtype_of<T>, bytes, flops, geometry,
                      [=](Room& room) { return reverse_ways(room, o); }, maths});
}

const Family family([](Jobs& jobs) {
  for (const auto& layer : pooled_convolutions(jobs.tiny))
    jobs.each_maths(
        [&]<class T>(Index batch, std::optional<Maths> maths) { add_pair<T>(jobs, layer, batch, maths); });
});

}  // namespace
}  // namespace deconv::bench
