// Pools and their ways back. Bytes: maxima read the plane and write the outputs and one byte a switch;
// unpooling reads signals and switches and writes the plane; averages move plane and outputs.
#include "deconv/ops/average_pool2d.hpp"
#include "deconv/ops/max_pool2d.hpp"
#include "deconv/ops/max_unpool2d.hpp"
#include "deconv/ops/unpool2d.hpp"
#include "layers.hpp"
#include "peers.hpp"

namespace deconv::bench {
namespace {

/// Planes, outputs and switches of one pooling layer.
template <class T>
struct Pooled {
  Shape src, dst;
  MaxPool2dParams params;
  double plain = bytes_of<T>(src.count() + dst.count());
  double with_switches = plain + static_cast<double>(dst.count());
};
using HeldSwitches = std::shared_ptr<Switches<Cuda>>;

HeldSwitches make_switches(const Room& room, const Shape& dst, const MaxPool2dParams& params) {
  return std::make_shared<Switches<Cuda>>(
      Switches<Cuda>::make(dst, Layout::nhwc, params.window.taps(), room.context().workspace()));
}

template <class T>
void add_max_pool(Jobs& jobs, const Layer<node::MaxPool2d>& layer, Index batch) {
  const Pooled<T> p{layer.src.with(0, batch), layer.dst.with(0, batch), layer.node.params};
  const Window2d w = p.params.window;
  const auto add = [&](const char* op, double bytes, std::function<Ways(Room&)> prepare) {
    jobs.all.push_back({op, layer.name, batch, dtype_of<T>, bytes, 0, {p.src, 0, 1, w}, std::move(prepare)});
  };
  for (const bool switched : {true, false})
    add(switched ? "max_pool2d_switches" : "max_pool2d", switched ? p.with_switches : p.plain,
        [=](Room& room) {
          const auto x = room.random<T>(p.src, Layout::nhwc), y = room.result<T>(p.dst, Layout::nhwc);
          const auto s = make_switches(room, p.dst, p.params);
          return beside({"ours",
                         [=, &room] {
                           max_pool2d_forward<T, Cuda>(
                               room.context(), *x, p.params, y->view(),
                               switched ? s->view() : SwitchesView<std::byte, Cuda>());
                         }},
                        pool_peers(room, dtype_of<T>, Pass::forward, Pool::maximum, p.src, w));
        });
  for (const OverlapRule rule : {OverlapRule::sum, OverlapRule::last})
    add(rule == OverlapRule::sum ? "unpool2d_sum" : "unpool2d_last", p.with_switches, [=](Room& room) {
      const auto x = room.random<T>(p.src, Layout::nhwc), y = room.result<T>(p.dst, Layout::nhwc);
      const auto s = make_switches(room, p.dst, p.params);
      max_pool2d_forward<T, Cuda>(room.context(), *x, p.params, y->view(), s->view());
      // cuDNN's gradient of the maximum is the sum's rival; nobody else has the last window's rule.
      return beside(
          {"ours",
           [=, &room] { unpool2d<T, Cuda>(room.context(), *y, s->view(), p.params, rule, x->view()); }},
          rule == OverlapRule::sum ? pool_peers(room, dtype_of<T>, Pass::reverse, Pool::maximum, p.src, w)
                                   : Ways{});
    });
  const AveragePool2dParams average{w};
  add("average_pool2d", p.plain, [=](Room& room) {
    const auto x = room.random<T>(p.src, Layout::nhwc), y = room.result<T>(p.dst, Layout::nhwc);
    return beside(
        {"ours", [=, &room] { average_pool2d_forward<T, Cuda>(room.context(), *x, average, y->view()); }},
        pool_peers(room, dtype_of<T>, Pass::forward, Pool::average, p.src, w));
  });
  add("average_pool2d_reverse", p.plain, [=](Room& room) {
    const auto x = room.result<T>(p.src, Layout::nhwc), y = room.random<T>(p.dst, Layout::nhwc);
    return beside(
        {"ours", [=, &room] { average_pool2d_reverse<T, Cuda>(room.context(), *y, average, x->view()); }},
        pool_peers(room, dtype_of<T>, Pass::reverse, Pool::average, p.src, w));
  });
}

/// Maxima known by int64 indices, as ONNX and PyTorch hand them over, in the layout that those use.
template <class T>
void add_indices(Jobs& jobs, const Layer<node::MaxPool2d>& layer, Index batch) {
  const Pooled<T> p{layer.src.with(0, batch), layer.dst.with(0, batch), layer.node.params};
  const double index_bytes = bytes_of<std::int64_t>(p.dst.count());
  const auto add = [&](const char* op, double bytes, std::function<Ways(Room&)> prepare) {
    jobs.all.push_back(
        {op, layer.name, batch, dtype_of<T>, bytes, 0, {p.src, 0, 1, p.params.window}, std::move(prepare)});
  };
  const auto pooled = [=](Room& room) {
    const auto x = room.random<T>(p.src, Layout::nhwc), y = room.result<T>(p.dst, Layout::nhwc);
    const auto s = make_switches(room, p.dst, p.params);
    max_pool2d_forward<T, Cuda>(room.context(), *x, p.params, y->view(), s->view());
    return s;
  };
  add("switches_to_indices", index_bytes + static_cast<double>(p.dst.count()), [=](Room& room) {
    const auto s = pooled(room);
    return Ways{{"ours", [=, &room] {
                   (void)switches_to_indices<Cuda>(room.context(), s->view(), p.params, p.src);
                 }}};
  });
  for (const bool back : {false, true})
    add(back ? "max_unpool2d_reverse" : "max_unpool2d", p.plain + index_bytes, [=](Room& room) {
      const auto x = room.random<T>(p.src), y = room.random<T>(p.dst);
      const auto indices = std::make_shared<Tensor<std::int64_t, Cuda>>(
          switches_to_indices<Cuda>(room.context(), pooled(room)->view(), p.params, p.src));
      return Ways{{"ours", [=, &room] {
                     if (back)
                       max_unpool2d_reverse<T, Cuda>(room.context(), *x, *indices, y->view());
                     else
                       max_unpool2d<T, Cuda>(room.context(), *y, *indices, x->view());
                   }}};
    });
}

template <class T>
void add_global_pool(Jobs& jobs, const std::string& name, const Shape& planes, Index batch) {
  const Shape src = planes.with(0, batch), dst{batch, src[1], 1, 1};
  const double bytes = bytes_of<T>(src.count() + dst.count());
  Window2d whole;
  whole.kernel_y = src[2];
  whole.kernel_x = src[3];
  jobs.all.push_back(
      {"global_average_pool", name, batch, dtype_of<T>, bytes, 0, {src}, [=](Room& room) {
         const auto x = room.random<T>(src, Layout::nhwc), y = room.result<T>(dst, Layout::nhwc);
         return beside(
             {"ours", [=, &room] { global_average_pool_forward<T, Cuda>(room.context(), *x, y->view()); }},
             pool_peers(room, dtype_of<T>, Pass::forward, Pool::average, src, whole));
       }});
  jobs.all.push_back(
      {"global_average_pool_reverse", name, batch, dtype_of<T>, bytes, 0, {src}, [=](Room& room) {
         const auto x = room.result<T>(src, Layout::nhwc), y = room.random<T>(dst, Layout::nhwc);
         return beside(
             {"ours", [=, &room] { global_average_pool_reverse<T, Cuda>(room.context(), *y, x->view()); }},
             pool_peers(room, dtype_of<T>, Pass::reverse, Pool::average, src, whole));
       }});
}

const Family family([](Jobs& jobs) {
  for (const auto& layer : max_pools(jobs.tiny))
    jobs.each([&]<class T>(Index batch) {
      add_max_pool<T>(jobs, layer, batch);
      add_indices<T>(jobs, layer, batch);
    });
  // Class-activation networks pool the last convolution's planes; there is one of those a network.
  for (const auto& layer : max_pools(jobs.tiny))
    if (layer.name.ends_with("pool5"))
      jobs.each([&]<class T>(Index batch) { add_global_pool<T>(jobs, layer.name, layer.src, batch); });
});

}  // namespace
}  // namespace deconv::bench
