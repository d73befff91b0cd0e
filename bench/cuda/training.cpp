// The step of gradient descent on every convolution's and linear layer's weights, with and without the limit
// to a filter's root mean square. Bytes: weights and velocity read and written, the gradient read. It does
// not depend on the batch, so it is measured for the first one only.
#include "deconv/ops/sgd_update.hpp"
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
});

}  // namespace
}  // namespace deconv::bench
