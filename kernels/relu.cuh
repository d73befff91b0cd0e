#pragma once

#include "common/element.cuh"
#include "deconv/ops/rules.hpp"

// Rectifiers. Every thread takes vectors of 16 bytes a grid apart; the few elements behind the last whole
// vector go one each to the first threads. Bytes: each operand once. Flops: one or two an element, which hide
// behind the memory.
namespace deconv::cuda {

/// `value` where `key` > 0, else its `slope` share: +0 for slope 0, whatever the value.
__device__ inline float rectified(float key, float value, float slope) {
  return key > 0.0f ? value : slope == 0.0f ? 0.0f : slope * value;
}

/// dst = src where src > 0, else slope * src; NaN stays.
struct RectifyForward {
  float slope;
  static constexpr bool reads_forward = false;
  __device__ float operator()(float value, float) const {
    if (slope == 0.0f) return value <= 0.0f ? 0.0f : value;
    return value > 0.0f ? value : slope * value;
  }
};

template <RectifierRule Rule>
struct RectifyReverse {
  float slope;
  static constexpr bool reads_forward = Rule != RectifierRule::deconvnet;
  __device__ float operator()(float signal, float forward) const {
    if constexpr (Rule == RectifierRule::deconvnet) return rectified(signal, signal, slope);
    const float masked = rectified(forward, signal, slope);
    if constexpr (Rule == RectifierRule::gradient) return masked;
    return rectified(masked, masked, slope);
  }
};

/// dst[i] = rule(signal[i], forward[i]). `signal` and dst may be the same memory.
template <class T, int N, class Rule>
__global__ void rectify(Rule rule, const T* signal, const T* forward, T* dst, Index count) {
  const Index first = static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x;
  const Index step = static_cast<Index>(gridDim.x) * blockDim.x;
  const Index vectors = count / N;
  for (Index v = first; v < vectors; v += step) {
    const Vector<T, N> s = load_vector<N>(signal + v * N);
    Vector<T, N> x = s, result;
    if constexpr (Rule::reads_forward) x = load_vector<N>(forward + v * N);
#pragma unroll
    for (int i = 0; i < N; ++i) result.at[i] = from_float<T>(rule(to_float(s.at[i]), to_float(x.at[i])));
    store_vector<N>(dst + v * N, result);
  }
  for (Index i = vectors * N + first; i < count; i += step)
    dst[i] = from_float<T>(rule(to_float(signal[i]), to_float(Rule::reads_forward ? forward[i] : signal[i])));
}

}  // namespace deconv::cuda
