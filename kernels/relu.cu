#include "relu.cuh"

#include "common/launch.cuh"
#include "deconv/ops/cuda/relu.hpp"

namespace deconv::cuda {
namespace {

template <class T, class Rule>
void run(const Context<Cuda>& context, Rule rule, const T* signal, const T* forward, T* dst, Index count) {
  if (count == 0) return;
  constexpr int width = vector_width<T>;
  constexpr unsigned threads = 256;
  const bool aligned = vector_aligned<width>(signal, 0) && vector_aligned<width>(dst, 0) &&
                       (!Rule::reads_forward || vector_aligned<width>(forward, 0));
  if (aligned)
    launch(context, &rectify<T, width, Rule>, grid_for(parts_of<Index>(count, width), threads), threads, 0,
           rule, signal, forward, dst, count);
  else
    launch(context, &rectify<T, 1, Rule>, grid_for(count, threads), threads, 0, rule, signal, forward, dst,
           count);
}

}  // namespace

template <class T>
void relu_forward(const Context<Cuda>& context, const T* src, float negative_slope, T* dst, Index count) {
  run(context, RectifyForward{negative_slope}, src, static_cast<const T*>(nullptr), dst, count);
}

template <class T>
void relu_reverse(const Context<Cuda>& context, RectifierRule rule, const T* diff_dst, const T* forward,
                  float negative_slope, T* diff_src, Index count) {
  switch (rule) {
    case RectifierRule::deconvnet:
      return run(context, RectifyReverse<RectifierRule::deconvnet>{negative_slope}, diff_dst, forward,
                 diff_src, count);
    case RectifierRule::guided:
      return run(context, RectifyReverse<RectifierRule::guided>{negative_slope}, diff_dst, forward, diff_src,
                 count);
    case RectifierRule::gradient:
      return run(context, RectifyReverse<RectifierRule::gradient>{negative_slope}, diff_dst, forward,
                 diff_src, count);
  }
}

#define DECONV_INSTANCE(T)                                                         \
  template void relu_forward<T>(const Context<Cuda>&, const T*, float, T*, Index); \
  template void relu_reverse<T>(const Context<Cuda>&, RectifierRule, const T*, const T*, float, T*, Index);
DECONV_INSTANCE(float)
DECONV_INSTANCE(half)
DECONV_INSTANCE(bfloat16)
#undef DECONV_INSTANCE

}  // namespace deconv::cuda
