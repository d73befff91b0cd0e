#include "unpool2d.cuh"

#include "common/launch.cuh"
#include "deconv/ops/cuda/unpool2d.hpp"
#include "deconv/ops/window_taps.hpp"

namespace deconv::cuda {
namespace {

/// What every unpooling is told.
template <class T, class S>
struct Task {
  Planes planes;
  Geometry g;
  bool last;
  const T* diff_dst;
  const S* switches;
  T* diff_src;
  [[nodiscard]] Index read() const { return Index{g.y.outputs} * g.x.outputs * planes.inner; }
  [[nodiscard]] Index written() const { return Index{g.y.extent} * g.x.extent * planes.inner; }
};

template <int Kernel, int Stride, int N, int Wide, class T>
void run_square(const Context<Cuda>& context, const Task<T, std::uint8_t>& task) {
  const auto block = [](Index place) { return deconv::detail::floor_div(place, Stride); };
  const Axis &y = task.g.y, &x = task.g.x;
  const Index top = block(y.before), rows = block(Index{y.extent} - 1 + y.before) - top + 1;
  const Index left = block(x.before), across = block(Index{x.extent} - 1 + x.before) - left + 1;
  const BlockOrigin origin{static_cast<int>(top), static_cast<int>(left)};
  const auto run = [&](auto kernel) {
    over_planes(task.planes.count, rows, Wide == 1 ? x.extent : across, task.planes.inner / N,
                [&](Index first, const Box& box) {
                  launch(context, kernel, grid_of(box), box_threads, 0, box, task.g, origin,
                         task.planes.inner, task.diff_dst + first * task.read(),
                         task.switches + first * task.read(), task.diff_src + first * task.written());
                });
  };
  if (task.last)
    run(&unpool_square<T, N, Kernel, Stride, Wide, true>);
  else
    run(&unpool_square<T, N, Kernel, Stride, Wide, false>);
}

template <int N, class T, class S>
void run_any(const Context<Cuda>& context, const Task<T, S>& task) {
  over_planes(task.planes.count, task.g.y.extent, task.g.x.extent, task.planes.inner / N,
              [&](Index first, const Box& box) {
                launch(context, &unpool_any<T, N, S>, grid_of(box), box_threads, 0, box, task.g,
                       task.planes.inner, task.last, task.diff_dst + first * task.read(),
                       task.switches + first * task.read(), task.diff_src + first * task.written());
              });
}

}  // namespace

template <class T>
void unpool2d(const Context<Cuda>& context, TensorView<const T, Cuda> diff_dst,
              SwitchesView<const std::byte, Cuda> switches, const Window2d& window, OverlapRule overlap,
              TensorView<T, Cuda> diff_src) {
  switches.visit([&]<class S>(TensorView<const S, Cuda> taps) {
    const Task<T, S> task{Planes(diff_src.shape(), diff_src.layout()),
                          geometry_of(window, diff_src.shape(), diff_dst.shape()),
                          overlap == OverlapRule::last,
                          diff_dst.data(),
                          taps.data(),
                          diff_src.data()};
    constexpr int width = vector_width<T>;
    const bool aligned = vector_aligned<width>(task.diff_src, task.planes.inner) &&
                         vector_aligned<width>(task.diff_dst, 0) && vector_aligned<width>(task.switches, 0);
    if constexpr (sizeof(S) == 1) {
      if (is_square<3, 2>(window))
        return aligned ? run_square<3, 2, width, 2>(context, task) : run_square<3, 2, 1, 1>(context, task);
      if (is_square<2, 2>(window))
        return aligned ? run_square<2, 2, width, 2>(context, task) : run_square<2, 2, 1, 1>(context, task);
    }
    aligned ? run_any<width>(context, task) : run_any<1>(context, task);
  });
}

#define DECONV_INSTANCE(T)                                                                     \
  template void unpool2d<T>(const Context<Cuda>&, TensorView<const T, Cuda>,                   \
                            SwitchesView<const std::byte, Cuda>, const Window2d&, OverlapRule, \
                            TensorView<T, Cuda>);
DECONV_INSTANCE(float)
DECONV_INSTANCE(half)
DECONV_INSTANCE(bfloat16)
#undef DECONV_INSTANCE

}  // namespace deconv::cuda
