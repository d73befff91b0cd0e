#include "softmax.cuh"

#include <algorithm>

#include "common/divide.cuh"
#include "common/launch.cuh"
#include "deconv/ops/cuda/softmax.hpp"

namespace deconv::cuda {
namespace {

constexpr Index most_blocks = divider_limit;

template <int N, class T, class Rule>
void run_lines(const Context<Cuda>& context, Rule rule, const T* a, const T* b, Index lines, Index extent,
               T* dst) {
  const bool short_lines = extent <= 1024;
  const Index lines_a_block = short_lines ? softmax_warps : 1, at_once = most_blocks / softmax_warps;
  for (Index first = 0; first < lines; first += at_once) {
    const Index here = std::min(at_once, lines - first), at = first * extent;
    const dim3 grid(static_cast<unsigned>(parts_of(here, lines_a_block)));
    const T* second = Rule::operands == 2 ? b + at : nullptr;
    if (extent <= 256)
      launch(context, &softmax_short_lines<T, N, 8 / N, Rule>, grid, 32 * softmax_warps, 0, rule, here,
             static_cast<int>(extent), a + at, second, dst + at);
    else if (short_lines)
      launch(context, &softmax_short_lines<T, N, 32 / N, Rule>, grid, 32 * softmax_warps, 0, rule, here,
             static_cast<int>(extent), a + at, second, dst + at);
    else
      launch(context, &softmax_long_lines<T, N, Rule>, grid, softmax_threads, 0, rule, extent, a + at, second,
             dst + at);
  }
}

/// `b` is null for rules of one operand.
template <class T, class Rule>
void run(const Context<Cuda>& context, Rule rule, const T* a, const T* b, deconv::detail::AxisSpan span,
         T* dst) {
  constexpr int width = vector_width<T>;
  if (span.inner == 1) {
    const bool aligned = vector_aligned<width>(a, span.extent) && vector_aligned<width>(dst, 0) &&
                         (Rule::operands == 1 || vector_aligned<width>(b, 0));
    return aligned ? run_lines<width>(context, rule, a, b, span.outer, span.extent, dst)
                   : run_lines<1>(context, rule, a, b, span.outer, span.extent, dst);
  }
  const Index groups = parts_of<Index>(span.inner, softmax_columns),
              at_once = std::max<Index>(1, most_blocks / groups);
  require<ShapeError>(groups <= most_blocks, "softmax of ", span.inner, " lines is too large for a GPU");
  for (Index first = 0; first < span.outer; first += at_once) {
    const Index here = std::min(at_once, span.outer - first), at = first * span.extent * span.inner;
    launch(context, &softmax_columns_of<T, Rule>, dim3(static_cast<unsigned>(here * groups)),
           dim3(softmax_columns, softmax_stripes), 0, rule, span.extent, span.inner,
           static_cast<unsigned>(groups), a + at, Rule::operands == 2 ? b + at : nullptr, dst + at);
  }
}

}  // namespace

template <class T>
void softmax_forward(const Context<Cuda>& context, const T* src, deconv::detail::AxisSpan span, T* dst) {
  run<T>(context, SoftmaxForward<false>{}, src, nullptr, span, dst);
}

template <class T>
void log_softmax_forward(const Context<Cuda>& context, const T* src, deconv::detail::AxisSpan span, T* dst) {
  run<T>(context, SoftmaxForward<true>{}, src, nullptr, span, dst);
}

template <class T>
void softmax_reverse(const Context<Cuda>& context, const T* dst, const T* diff_dst,
                     deconv::detail::AxisSpan span, T* diff_src) {
  run<T>(context, SoftmaxReverse<false>{}, dst, diff_dst, span, diff_src);
}

template <class T>
void log_softmax_reverse(const Context<Cuda>& context, const T* dst, const T* diff_dst,
                         deconv::detail::AxisSpan span, T* diff_src) {
  run<T>(context, SoftmaxReverse<true>{}, dst, diff_dst, span, diff_src);
}

#define DECONV_INSTANCE(T)                                                                                  \
  template void softmax_forward<T>(const Context<Cuda>&, const T*, deconv::detail::AxisSpan, T*);           \
  template void log_softmax_forward<T>(const Context<Cuda>&, const T*, deconv::detail::AxisSpan, T*);       \
  template void softmax_reverse<T>(const Context<Cuda>&, const T*, const T*, deconv::detail::AxisSpan, T*); \
  template void log_softmax_reverse<T>(const Context<Cuda>&, const T*, const T*, deconv::detail::AxisSpan,  \
                                       T*);
DECONV_INSTANCE(float)
DECONV_INSTANCE(half)
DECONV_INSTANCE(bfloat16)
#undef DECONV_INSTANCE

}  // namespace deconv::cuda
