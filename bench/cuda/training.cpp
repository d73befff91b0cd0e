// The step of gradient descent on every convolution's and linear layer's weights, with and without the limit
// to a filter's root mean square. Bytes: weights and velocity read and written, the gradient read. It does
// not depend on the batch, so it is measured for the first one only. Then gradient and step in one op, beside
// the two ops that it replaces: flops of the gradient; bytes: operands once, weights and velocity twice.
#include "deconv/ops/sgd_update.hpp"
#include "deconv/ops/update_weights.hpp"
#include "layers.hpp"
#include "measure.hpp"

namespace deconv::bench {
namespace {

template <class T>
void add_step(Jobs& jobs, const std::string& name, const Shape& weights, Index batch) {
  for (const bool limited : {false, true}) {
    SgdParams params;
    params.decay = 5e-4f;
    params.largest_rms = limited ? 0.1f : 0.0f;
    const Layout layout = weights.rank() == 4 ? Layout::nhwc : Layout::nchw;
    jobs.all.push_back({limited ? "sgd_update_limited" : "sgd_update",
                        name,
                        batch,
                        dtype_of<T>,
                        5 * bytes_of<T>(weights.count()),
                        0,
                        {weights},
                        [=](Room& room) {
                          const auto gradient = room.random<T>(weights, layout),
                                     velocity = room.random<T>(weights, layout),
                                     values = room.random<T>(weights, layout);
                          return Ways{{"ours", [=, &room] {
                                         sgd_update<T, Cuda>(room.context(), params, *gradient,
                                                             velocity->view(), values->view());
                                       }}};
                        }});
  }
}

/// What a step in place of a gradient works on.
template <class T>
struct Stepped {
  Held<float> velocity, weights;
  Held<T> gradient, rounded;

  Stepped(Room& room, const Shape& shape, Layout layout)
      : velocity(room.random<float>(shape, layout)),
        weights(room.random<float>(shape, layout)),
        gradient(room.result<T>(shape, layout)),
        rounded(room.result<T>(shape, layout)) {}
  [[nodiscard]] WeightStep<T, Cuda> step() const {
    SgdParams params;
    params.decay = 5e-4f;
    WeightStep<T, Cuda> step{params, velocity->view(), weights->view(), {}};
    if constexpr (!std::is_same_v<T, float>) step.rounded = rounded->view();
    return step;
  }
};

template <class T>
double bytes_with_step(const Shape& src, const Shape& dst, const Shape& weights) {
  const double rounded = std::is_same_v<T, float> ? 0 : bytes_of<T>(weights.count());
  return bytes_of<T>(src.count() + dst.count()) + 4 * bytes_of<float>(weights.count()) + rounded;
}

template <class T>
void add_update(Jobs& jobs, const Layer<node::Conv2d>& layer, Index batch, std::optional<Maths> maths) {
  const Shape src = layer.src.with(0, batch), dst = layer.dst.with(0, batch);
  const Conv2dParams params = layer.node.params;
  const Shape weights{dst[1], src[1] / params.groups, params.window.kernel_y, params.window.kernel_x};
  const double flops = 2.0 * static_cast<double>(dst.count()) * static_cast<double>(weights.count() / dst[1]);
  jobs.all.push_back(
      {"conv2d_update_weights",
       layer.name,
       batch,
       dtype_of<T>,
       bytes_with_step<T>(src, dst, weights),
       flops,
       {src, dst[1], params.groups, params.window},
       [=](Room& room) {
         const auto context = room.context().with(maths.value_or(Maths::float32));
         const auto x = room.random<T>(src, Layout::nhwc), y = room.random<T>(dst, Layout::nhwc);
         const Stepped<T> there(room, weights, Layout::nhwc);
         return Ways{
             {"ours", [=] { conv2d_update_weights<T, Cuda>(context, *x, *y, params, there.step(), {}); }},
             {"ours, op by op", [=] {
                conv2d_reverse_weights<T, Cuda>(context, *x, *y, params, there.gradient->view(), {});
                take_step<T, Cuda>(context, *there.gradient, there.step());
              }}};
       },
       maths});
}

template <class T>
void add_update(Jobs& jobs, const Layer<node::Linear>& layer, Index batch, std::optional<Maths> maths) {
  const Shape src{batch, layer.src[1]}, dst{batch, layer.dst[1]}, weights{layer.dst[1], layer.src[1]};
  const double flops = 2.0 * static_cast<double>(batch) * static_cast<double>(weights.count());
  jobs.all.push_back(
      {"linear_update_weights",
       layer.name,
       batch,
       dtype_of<T>,
       bytes_with_step<T>(src, dst, weights),
       flops,
       {src, dst[1]},
       [=](Room& room) {
         const auto context = room.context().with(maths.value_or(Maths::float32));
         const auto x = room.random<T>(src), y = room.random<T>(dst);
         const Stepped<T> there(room, weights, Layout::nchw);
         return Ways{{"ours", [=] { linear_update_weights<T, Cuda>(context, *x, *y, there.step(), {}); }},
                     {"ours, op by op", [=] {
                        linear_reverse_weights<T, Cuda>(context, *x, *y, there.gradient->view(), {});
                        take_step<T, Cuda>(context, *there.gradient, there.step());
                      }}};
       },
       maths});
}

const Family family([](Jobs& jobs) {
  Jobs once = jobs;
  once.batches.resize(1);
  once.all.clear();
  for (const auto& layer : convolutions(jobs.tiny)) {
    const Window2d& w = layer.node.params.window;
    const Shape weights{layer.node.out_channels, layer.src[1] / layer.node.params.groups, w.kernel_y,
                        w.kernel_x};
    once.each([&]<class T>(Index batch) { add_step<T>(jobs, layer.name, weights, batch); });
  }
  for (const auto& layer : linears(jobs.tiny))
    once.each([&]<class T>(Index batch) {
      add_step<T>(jobs, layer.name, {layer.dst[1], layer.src[1]}, batch);
    });
  for (const auto& layer : convolutions(jobs.tiny))
    jobs.each_maths(
        [&]<class T>(Index batch, std::optional<Maths> maths) { add_update<T>(jobs, layer, batch, maths); });
  for (const auto& layer : linears(jobs.tiny))
    jobs.each_maths(
        [&]<class T>(Index batch, std::optional<Maths> maths) { add_update<T>(jobs, layer, batch, maths); });
});

}  // namespace
}  // namespace deconv::bench
