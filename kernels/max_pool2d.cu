#include "max_pool2d.cuh"

#include "common/launch.cuh"
#include "deconv/ops/cuda/max_pool2d.hpp"

namespace deconv::cuda {
namespace {

template <int Kernel, int Stride, int N, class T, class S>
void run_square(const Context<Cuda>& context, const Planes& planes, const Geometry& g, const T* src, T* dst,
                S* switches) {
  const Index read = Index{g.y.extent} * g.x.extent * planes.inner,
              written = Index{g.y.outputs} * g.x.outputs * planes.inner;
  over_planes(planes.count, parts_of(g.y.outputs, max_pool_rows), g.x.outputs, planes.inner / N,
              [&](Index first, const Box& box) {
                S* taps = nullptr;
                if constexpr (!std::is_void_v<S>) taps = switches + first * written;
                launch(context, &max_pool_square<T, N, S, Kernel, Stride>, grid_of(box), box_threads, 0, box,
                       g, planes.inner, src + first * read, dst + first * written, taps);
              });
}

template <int N, class T, class S>
void run_any(const Context<Cuda>& context, const Planes& planes, const Geometry& g, const T* src, T* dst,
             S* switches) {
  const Index read = Index{g.y.extent} * g.x.extent * planes.inner,
              written = Index{g.y.outputs} * g.x.outputs * planes.inner;
  over_planes(planes.count, g.y.outputs, g.x.outputs, planes.inner / N, [&](Index first, const Box& box) {
    S* taps = nullptr;
    if constexpr (!std::is_void_v<S>) taps = switches + first * written;
    launch(context, &max_pool_any<T, N, S>, grid_of(box), box_threads, 0, box, g, planes.inner,
           src + first * read, dst + first * written, taps);
  });
}

template <int N, class T, class S>
void run(const Context<Cuda>& context, const Window2d& window, const Planes& planes, const Geometry& g,
         const T* src, T* dst, S* switches) {
  if constexpr (std::is_void_v<S> || sizeof(std::conditional_t<std::is_void_v<S>, char, S>) == 1) {
    if (is_square<3, 2>(window)) return run_square<3, 2, N>(context, planes, g, src, dst, switches);
    if (is_square<2, 2>(window)) return run_square<2, 2, N>(context, planes, g, src, dst, switches);
  }
  run_any<N>(context, planes, g, src, dst, switches);
}

}  // namespace

template <class T>
void max_pool2d_forward(const Context<Cuda>& context, TensorView<const T, Cuda> src, const Window2d& window,
                        TensorView<T, Cuda> dst, SwitchesView<std::byte, Cuda> switches) {
  const Planes planes(src.shape(), src.layout());
  const Geometry g = geometry_of(window, src.shape(), dst.shape());
  const auto with_switches = [&]<class S>(S* taps) {
    constexpr int width = vector_width<T>;
    bool aligned = vector_aligned<width>(src.data(), planes.inner) && vector_aligned<width>(dst.data(), 0);
    if constexpr (!std::is_void_v<S>) aligned = aligned && vector_aligned<width>(taps, 0);
    if (aligned)
      run<width>(context, window, planes, g, src.data(), dst.data(), taps);
    else
      run<1>(context, window, planes, g, src.data(), dst.data(), taps);
  };
  if (switches.empty())
    with_switches(static_cast<void*>(nullptr));
  else
    switches.visit([&](auto view) { with_switches(view.data()); });
}

void switches_to_indices(const Context<Cuda>& context, SwitchesView<const std::byte, Cuda> switches,
                         const Window2d& window, Index height, Index width, bool column_major,
                         TensorView<std::int64_t, Cuda> indices) {
  const Index channels = indices[1];
  const Geometry g = geometry_of(window, {indices[0], channels, height, width}, indices.shape());
  switches.visit([&]<class S>(TensorView<const S, Cuda> taps) {
    over_planes(indices[0], channels * indices[2], indices[3], 1, [&](Index first, const Box& box) {
      launch(context, &indices_of_switches<S>, grid_of(box), box_threads, 0, box, Divider(indices[2]),
             Divider(window.kernel_x), g, channels, taps.layout() == Layout::nhwc, column_major, first,
             taps.data(), indices.data());
    });
  });
}

#define DECONV_INSTANCE(T)                                                                              \
  template void max_pool2d_forward<T>(const Context<Cuda>&, TensorView<const T, Cuda>, const Window2d&, \
                                      TensorView<T, Cuda>, SwitchesView<std::byte, Cuda>);
DECONV_INSTANCE(float)
DECONV_INSTANCE(half)
DECONV_INSTANCE(bfloat16)
#undef DECONV_INSTANCE

}  // namespace deconv::cuda
