#include "batch_norm.cuh"

#include <algorithm>

#include "common/launch.cuh"
#include "deconv/ops/cuda/batch_norm.hpp"
#include "deconv/ops/operands.hpp"

namespace deconv::cuda {
namespace {

constexpr unsigned threads = 256;

template <int N, class T>
void scale_units(const Context<Cuda>& context, const T* src, const float* factors, const float* shifts,
                 T* dst, const deconv::detail::AxisSpan& span) {
  const Index image = span.extent * span.inner;
  require<ShapeError>(image <= divider_limit, "batch normalisation: an image of ", image,
                      " elements is too large for this op on a GPU");
  // Whole images (pixels, for nhwc), as many as 31 bits count.
  const Index at_once = divider_limit / image;
  for (Index first = 0; first < span.outer; first += at_once) {
    const Index units = std::min(at_once, span.outer - first) * image / N;
    const dim3 grid = grid_for(parts_of<Index>(units, loads_in_flight), threads);
    const auto count = static_cast<std::uint32_t>(units);
    const T* from = src + first * image;
    T* to = dst + first * image;
    if (span.inner == 1)
      launch(context, &scale_woven<T, N>, grid, threads, 0, from, factors, shifts, to,
             Divider(span.extent / N), count);
    else
      launch(context, &scale_planes<T, N>, grid, threads, 0, from, factors, shifts, to,
             Divider(span.inner / N), Divider(span.extent), count);
  }
}

template <class T>
void scale_channels(const Context<Cuda>& context, TensorView<const T, Cuda> src, const T* scale,
                    const T* bias, const T* mean, const T* variance, float epsilon, TensorView<T, Cuda> dst) {
  const auto span = deconv::detail::axis_span(src.shape(), src.layout(), 1);
  auto values = context.make<float>({2, span.extent});
  float* factors = values.data();
  float* shifts = factors + span.extent;
  launch(context, &channel_factors<T>, dim3(static_cast<unsigned>(parts_of<Index>(span.extent, threads))),
         threads, 0, scale, bias, mean, variance, epsilon, factors, shifts, span.extent);
  constexpr int width = vector_width<T>;
  const Index run = span.inner == 1 ? span.extent : span.inner;
  if (vector_aligned<width>(src.data(), run) && vector_aligned<width>(dst.data(), run))
    scale_units<width>(context, src.data(), factors, shifts, dst.data(), span);
  else
    scale_units<1>(context, src.data(), factors, shifts, dst.data(), span);
}

}  // namespace

template <class T>
void batch_norm_forward(const Context<Cuda>& context, TensorView<const T, Cuda> src, const T* scale,
                        const T* bias, const T* mean, const T* variance, float epsilon,
                        TensorView<T, Cuda> dst) {
  scale_channels(context, src, scale, bias, mean, variance, epsilon, dst);
}

template <class T>
void batch_norm_reverse(const Context<Cuda>& context, TensorView<const T, Cuda> diff_dst, const T* scale,
                        const T* variance, float epsilon, TensorView<T, Cuda> diff_src) {
  const T* none = nullptr;
  scale_channels(context, diff_dst, scale, none, none, variance, epsilon, diff_src);
}

#define DECONV_INSTANCE(T)                                                                                 \
  template void batch_norm_forward<T>(const Context<Cuda>&, TensorView<const T, Cuda>, const T*, const T*, \
                                      const T*, const T*, float, TensorView<T, Cuda>);                     \
  template void batch_norm_reverse<T>(const Context<Cuda>&, TensorView<const T, Cuda>, const T*, const T*, \
                                      float, TensorView<T, Cuda>);
DECONV_INSTANCE(float)
DECONV_INSTANCE(half)
DECONV_INSTANCE(bfloat16)
#undef DECONV_INSTANCE

}  // namespace deconv::cuda
