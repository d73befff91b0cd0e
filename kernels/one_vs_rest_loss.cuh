#pragma once

#include "common/element.cuh"
#include "common/reduce.cuh"
#include "deconv/core/shape.hpp"
#include "deconv/ops/one_vs_rest_params.hpp"

// Losses of each class by itself: a warp an image, whose lanes go over the classes 32 apart and add up in a
// fixed order. A target that is not 1, 0 or -1 gives NaN: the host cannot be told without waiting. Bytes:
// logits and targets once, on the way back diff_logits too. There are tens of classes and hundreds of images,
// so the launch costs more than the work.
namespace deconv::cuda {

inline constexpr int one_vs_rest_warps = 4, one_vs_rest_threads = one_vs_rest_warps * 32;

/// The loss of one class by `agreement`, which is the logit, or its negative where the picture is not of the
/// class. A logit that is NaN stays NaN.
template <OneVsRestLoss Kind>
__device__ inline float one_vs_rest_value(float agreement) {
  if constexpr (Kind == OneVsRestLoss::squared_hinge) {
    const float missing = 1.0f - agreement;
    return missing <= 0.0f ? 0.0f : missing * missing;
  } else {
    return (agreement < 0.0f ? -agreement : 0.0f) + log1pf(expf(-fabsf(agreement)));
  }
}

/// Its derivative.
template <OneVsRestLoss Kind>
__device__ inline float one_vs_rest_slope(float agreement) {
  if constexpr (Kind == OneVsRestLoss::squared_hinge)
    return agreement >= 1.0f ? 0.0f : -2.0f * (1.0f - agreement);
  else
    return -1.0f / (1.0f + expf(agreement));
}

template <OneVsRestLoss Kind, class T>
__global__ void __launch_bounds__(one_vs_rest_threads)
    one_vs_rest_losses(Index images, Index classes, const T* logits, const T* targets, T* loss) {
  const Index n = static_cast<Index>(blockIdx.x) * one_vs_rest_warps + threadIdx.x / 32;
  float sum = 0.0f;
  if (n < images)
    for (Index c = threadIdx.x % 32; c < classes; c += 32) {
      const float logit = to_float(logits[n * classes + c]), target = to_float(targets[n * classes + c]);
      if (target == -1.0f) continue;
      if (target == 1.0f || target == 0.0f)
        sum += one_vs_rest_value<Kind>(target == 1.0f ? logit : -logit);
      else
        sum = __builtin_nanf("");
    }
  sum = warp_sum(sum);
  if (n < images && threadIdx.x % 32 == 0) loss[n] = from_float<T>(sum);
}

/// diff_logits may be logits.
template <OneVsRestLoss Kind, class T>
__global__ void __launch_bounds__(one_vs_rest_threads)
    one_vs_rest_slopes(Index images, Index classes, const T* logits, const T* targets, const T* diff_loss,
                       T* diff_logits) {
  const Index n = static_cast<Index>(blockIdx.x) * one_vs_rest_warps + threadIdx.x / 32;
  if (n >= images) return;
  const float signal = to_float(diff_loss[n]);
  for (Index c = threadIdx.x % 32; c < classes; c += 32) {
    const float logit = to_float(logits[n * classes + c]), target = to_float(targets[n * classes + c]);
    const float sign = target == 1.0f ? 1.0f : -1.0f;
    float slope = __builtin_nanf("");
    if (target == 1.0f || target == 0.0f) slope = signal * (sign * one_vs_rest_slope<Kind>(sign * logit));
    if (target == -1.0f) slope = 0.0f;
    diff_logits[n * classes + c] = from_float<T>(slope);
  }
}

}  // namespace deconv::cuda
