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

template <class T>
void batch_norm_reverse_parameters(const Context<Cuda>& context, TensorView<const T, Cuda> src,
                                   TensorView<const T, Cuda> diff_dst, const T* mean, const T* variance,
                                   float epsilon, T* diff_scale, T* diff_bias) {
  const auto span = deconv::detail::axis_span(src.shape(), src.layout(), 1);
  if (span.extent == 0) return;
  // Chunks of a few thousand elements at least, and no more blocks than fill a large GPU.
  const bool woven = span.inner == 1;
  const Index elements = span.outer * span.inner,
              columns = woven ? parts_of<Index>(span.extent, 32) : span.extent,
              most = std::max<Index>(1, 132 * 8 / columns);
  const Index chunks = std::clamp<Index>(elements / (woven ? 64 : 2048), 1, most),
              chunk = parts_of<Index>(elements, chunks);
  require<ShapeError>(columns * chunks <= divider_limit && (woven || elements <= divider_limit),
                      "batch normalisation: the gradient of ", span.extent, " channels of ", elements,
                      " elements is too large for this op on a GPU");
  auto parts = context.make<float>({chunks, 2, span.extent});
  const dim3 grid(static_cast<unsigned>(columns * chunks));
  if (woven)
    launch(context, &parameter_parts_woven<T>, grid, threads, 0, src.data(), diff_dst.data(), mean, elements,
           span.extent, chunk, static_cast<unsigned>(chunks), parts.data());
  else
    launch(context, &parameter_parts_planes<T>, grid, threads, 0, src.data(), diff_dst.data(), mean,
           span.extent, Divider(std::max<Index>(span.inner, 1)), span.inner,
           static_cast<std::uint32_t>(elements), static_cast<std::uint32_t>(chunk),
           static_cast<unsigned>(chunks), parts.data());
  launch(context, &finish_parameters<T>, dim3(static_cast<unsigned>(parts_of<Index>(span.extent, threads))),
         threads, 0, parts.data(), static_cast<int>(chunks), variance, epsilon, diff_scale, diff_bias,
         span.extent);
}

#define DECONV_INSTANCE(T)                                                                                 \
  template void batch_norm_forward<T>(const Context<Cuda>&, TensorView<const T, Cuda>, const T*, const T*, \
                                      const T*, const T*, float, TensorView<T, Cuda>);                     \
  template void batch_norm_reverse<T>(const Context<Cuda>&, TensorView<const T, Cuda>, const T*, const T*, \
                                      float, TensorView<T, Cuda>);                                         \
  template void batch_norm_reverse_parameters<T>(const Context<Cuda>&, TensorView<const T, Cuda>,          \
                                                 TensorView<const T, Cuda>, const T*, const T*, float, T*, \
                                                 T*);
DECONV_INSTANCE(float)
DECONV_INSTANCE(half)
DECONV_INSTANCE(bfloat16)
#undef DECONV_INSTANCE

}  // namespace deconv::cuda
