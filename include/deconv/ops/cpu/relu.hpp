#pragma once

#include "deconv/core/parallel.hpp"
#include "deconv/ops/relu.hpp"

namespace deconv::cpu {
namespace detail {

/// `value` where `key` > 0, else its `slope` share: +0 for slope 0, whatever the value.
template <bool Leaky, class T>
[[nodiscard]] inline T rectified(T key, T value, [[maybe_unused]] T slope) noexcept {
  if constexpr (Leaky)
    return key > T(0) ? value : slope * value;
  else
    return key > T(0) ? value : T(0);
}

constexpr Index elementwise_grain = 16384;

template <bool Leaky, class T>
void rectify_all(const Context<Cpu>& context, RectifierRule rule, const T* diff_dst, const T* forward,
                 T slope, T* diff_src, Index count) {
  parallel_ranges(context, count, elementwise_grain, [&](Index begin, Index end) {
    switch (rule) {
      case RectifierRule::deconvnet:
#pragma omp simd
        for (Index i = begin; i < end; ++i) diff_src[i] = rectified<Leaky>(diff_dst[i], diff_dst[i], slope);
        break;
      case RectifierRule::gradient:
#pragma omp simd
        for (Index i = begin; i < end; ++i) diff_src[i] = rectified<Leaky>(forward[i], diff_dst[i], slope);
        break;
      case RectifierRule::guided:
#pragma omp simd
        for (Index i = begin; i < end; ++i) {
          const T masked = rectified<Leaky>(forward[i], diff_dst[i], slope);
          diff_src[i] = rectified<Leaky>(masked, masked, slope);
        }
        break;
    }
  });
}

}  // namespace detail

template <class T>
void relu_forward(const Context<Cpu>& context, const T* src, float negative_slope, T* dst, Index count) {
  const T slope = static_cast<T>(negative_slope);
  parallel_ranges(context, count, detail::elementwise_grain, [&](Index begin, Index end) {
    if (negative_slope == 0.0f) {
      // Written so that NaN takes the branch of the value itself.
#pragma omp simd
      for (Index i = begin; i < end; ++i) dst[i] = src[i] <= T(0) ? T(0) : src[i];
    } else {
#pragma omp simd
      for (Index i = begin; i < end; ++i) dst[i] = src[i] > T(0) ? src[i] : slope * src[i];
    }
  });
}

template <class T>
void relu_reverse(const Context<Cpu>& context, RectifierRule rule, const T* diff_dst, const T* forward,
                  float negative_slope, T* diff_src, Index count) {
  if (negative_slope == 0.0f)
    detail::rectify_all<false>(context, rule, diff_dst, forward, T(0), diff_src, count);
  else
    detail::rectify_all<true>(context, rule, diff_dst, forward, static_cast<T>(negative_slope), diff_src,
                              count);
}

}  // namespace deconv::cpu
