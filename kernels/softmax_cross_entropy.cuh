#pragma once

#include "common/element.cuh"
#include "common/reduce.cuh"
#include "deconv/core/shape.hpp"

// Softmax cross-entropy: a block an image, whose threads go over the classes a block apart. Every pass after
// the first finds the logits in L1. A label that names no class gives NaN: the host cannot be told without
// waiting. Bytes: logits once (forward), logits and diff_logits once (reverse), as long as L1 holds a line.
namespace deconv::cuda {

inline constexpr int cross_entropy_threads = 128, cross_entropy_warps = cross_entropy_threads / 32;

struct LineSum {
  float most, sum;  ///< the maximum, and the sum of exp(logit - maximum)
};

/// All threads must call it.
template <class T>
__device__ inline LineSum sum_of_exponentials(const T* line, Index classes) {
  float most = -__builtin_huge_valf();
  for (Index c = threadIdx.x; c < classes; c += cross_entropy_threads) most = fmaxf(most, to_float(line[c]));
  most = block_max<cross_entropy_warps>(most);
  float sum = 0;
  for (Index c = threadIdx.x; c < classes; c += cross_entropy_threads) sum += expf(to_float(line[c]) - most);
  return {most, block_sum<cross_entropy_warps>(sum)};
}

template <class T>
__global__ void __launch_bounds__(cross_entropy_threads)
    cross_entropy(Index classes, const T* logits, const std::int64_t* labels, T* loss) {
  const Index n = blockIdx.x;
  const T* line = logits + n * classes;
  const LineSum total = sum_of_exponentials(line, classes);
  if (threadIdx.x != 0) return;
  const Index label = labels[n];
  float value = __builtin_nanf("");
  if (label >= 0 && label < classes) value = logf(total.sum) - (to_float(line[label]) - total.most);
  loss[n] = from_float<T>(value);
}

/// diff_logits may be logits.
template <class T>
__global__ void __launch_bounds__(cross_entropy_threads)
    cross_entropy_reverse(Index classes, const T* logits, const std::int64_t* labels, const T* diff_loss,
                          T* diff_logits) {
  const Index n = blockIdx.x;
  const T* line = logits + n * classes;
  const LineSum total = sum_of_exponentials(line, classes);
  const Index label = labels[n];
  const bool known = label >= 0 && label < classes;
  const float signal = known ? to_float(diff_loss[n]) : __builtin_nanf("");
  const float scale = 1.0f / total.sum;
  for (Index c = threadIdx.x; c < classes; c += cross_entropy_threads) {
    const float share = expf(to_float(line[c]) - total.most) * scale;
    diff_logits[n * classes + c] = from_float<T>(signal * (c == label ? share - 1.0f : share));
  }
}

}  // namespace deconv::cuda
