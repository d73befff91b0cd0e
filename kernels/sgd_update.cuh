#pragma once

#include "common/element.cuh"
#include "deconv/ops/sgd_params.hpp"

// One step of gradient descent with momentum and weight decay, and filters scaled back to a radius. Bytes:
// weights and velocity twice, gradient once (20 a weight in float); seven flops a weight, two more for the
// mean square. A filter that is scaled back is read and written once more while the caches hold it.
namespace deconv::cuda {

inline constexpr int sgd_threads = 256;

/// Where gradients come from: host aligned<N>(count) says whether `count` of them may be taken N at a time,
/// device load<N>(at) takes N.
template <class T>
struct StoredGradient {
  const T* values;
  template <int N>
  [[nodiscard]] bool aligned(Index count) const noexcept {
    return vector_aligned<N>(values, count);
  }
  template <int N>
  [[nodiscard]] __device__ Vector<T, N> load(Index at) const {
    return load_vector<N>(values + at);
  }
};

/// Where weights go beside their own place: nowhere.
struct OnlyInPlace {
  template <int N, class T>
  __device__ void store(Index, const Vector<T, N>&) const {}
};

/// Or rounded to R, to the layer that computes with them.
template <class R>
struct AlsoRounded {
  R* dst;
  bool whole;  ///< dst takes vectors of 4
  template <int N>
  __device__ void store(Index at, const Vector<float, N>& weights) const {
    Vector<R, N> rounded;
#pragma unroll
    for (int i = 0; i < N; ++i) rounded.at[i] = from_float<R>(weights.at[i]);
    if (N == 4 && whole) return store_vector<N>(dst + at, rounded);
#pragma unroll
    for (int i = 0; i < N; ++i) dst[at + i] = rounded.at[i];
  }
};

/// The three numbers of `N` neighbouring weights.
template <class T, int N>
struct SgdOperands {
  Vector<T, N> gradient, velocity, weight;
};

template <int N, class T, class Gradient>
__device__ inline SgdOperands<T, N> load_operands(const Gradient& gradient, const T* velocity,
                                                  const T* weights, Index at) {
  // The two that are there first: a gradient may be a sum of many loads.
  SgdOperands<T, N> there;
  there.velocity = load_vector<N>(velocity + at);
  there.weight = load_vector<N>(weights + at);
  there.gradient = gradient.template load<N>(at);
  return there;
}

/// Velocities and weights after the step; returns the sum of the weights' squares, as they are stored. Each
/// rounding is written out, so that every kernel that takes the step has the same bits.
template <class T, int N>
__device__ inline float step_of(const SgdParams& params, SgdOperands<T, N>& there) {
  float squares = 0.0f;
#pragma unroll
  for (int i = 0; i < N; ++i) {
    const float weight = to_float(there.weight.at[i]);
    // Rounded after the scale alone, so that a scale of 1 is none.
    const float slope = fmaf(params.decay, weight, params.gradient_scale * to_float(there.gradient.at[i]));
    const float velocity = fmaf(-params.rate, slope, params.momentum * to_float(there.velocity.at[i]));
    there.velocity.at[i] = from_float<T>(velocity);
    there.weight.at[i] = from_float<T>(weight + velocity);
    const float stored = to_float(there.weight.at[i]);
    squares = fmaf(stored, stored, squares);
  }
  return squares;
}

/// Without a radius, from weight `first` on: filters do not matter.
template <class T, int N, class Gradient, class Rounded>
__global__ void __launch_bounds__(sgd_threads)
    sgd_step(SgdParams params, Gradient gradient, T* __restrict__ velocity, T* __restrict__ weights,
             Rounded rounded, Index first, Index vectors) {
  const Index stride = static_cast<Index>(gridDim.x) * blockDim.x;
  for (Index v = static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x; v < vectors; v += stride) {
    const Index at = first + v * N;
    SgdOperands<T, N> there = load_operands<N>(gradient, velocity, weights, at);
    step_of(params, there);
    store_vector<N>(velocity + at, there.velocity);
    store_vector<N>(weights + at, there.weight);
    rounded.template store<N>(at, there.weight);
  }
}

/// The sum over a block, in a fixed order; every thread has it.
__device__ inline float sum_of_block(float value) {
  __shared__ float sums[sgd_threads / 32];
#pragma unroll
  for (int apart = 16; apart > 0; apart /= 2) value += __shfl_xor_sync(0xffffffffu, value, apart);
  if (threadIdx.x % 32 == 0) sums[threadIdx.x / 32] = value;
  __syncthreads();
  float sum = 0.0f;
#pragma unroll
  for (int w = 0; w < sgd_threads / 32; ++w) sum += sums[w];
  __syncthreads();
  return sum;
}

/// With a radius: block = filter, of `size` weights. The thread that wrote a weight is the one that scales
/// it.
template <class T, int N, class Gradient, class Rounded>
__global__ void __launch_bounds__(sgd_threads)
    sgd_step_of_filters(SgdParams params, Gradient gradient, T* __restrict__ velocity,
                        T* __restrict__ weights, Rounded rounded, Index size) {
  const Index filter = static_cast<Index>(blockIdx.x) * size;
  float squares = 0.0f;
  for (Index i = static_cast<Index>(threadIdx.x) * N; i < size; i += sgd_threads * N) {
    SgdOperands<T, N> there = load_operands<N>(gradient, velocity, weights, filter + i);
    squares += step_of(params, there);
    store_vector<N>(velocity + filter + i, there.velocity);
    store_vector<N>(weights + filter + i, there.weight);
    rounded.template store<N>(filter + i, there.weight);
  }
  const float rms = sqrtf(sum_of_block(squares) / static_cast<float>(size));
  if (!(rms > params.largest_rms)) return;
  const float factor = params.largest_rms / rms;
  for (Index i = static_cast<Index>(threadIdx.x) * N; i < size; i += sgd_threads * N) {
    Vector<T, N> weight = load_vector<N>(weights + filter + i);
#pragma unroll
    for (int j = 0; j < N; ++j) weight.at[j] = from_float<T>(to_float(weight.at[j]) * factor);
    store_vector<N>(weights + filter + i, weight);
    rounded.template store<N>(filter + i, weight);
  }
}

}  // namespace deconv::cuda
