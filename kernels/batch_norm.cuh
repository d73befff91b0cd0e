#pragma once

#include "common/divide.cuh"
#include "common/element.cuh"
#include "common/in_flight.cuh"

// Batch normalisation with the trained statistics: dst = src * factor + shift by channel. A first, small
// kernel works out factors and shifts; the second streams. Bytes: src and dst once, and C factors and shifts,
// which stay in the caches; two flops an element.
namespace deconv::cuda {

/// factor = scale / sqrt(variance + epsilon), shift = bias - mean * factor; 0 where `bias` is null. In
/// double: mean * factor may be far larger than the shift that is left.
template <class T>
__global__ void channel_factors(const T* scale, const T* bias, const T* mean, const T* variance,
                                float epsilon, float* factors, float* shifts, Index channels) {
  const Index c = static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (c >= channels) return;
  const double factor =
      to_float(scale[c]) / sqrt(static_cast<double>(to_float(variance[c])) + static_cast<double>(epsilon));
  factors[c] = static_cast<float>(factor);
  shifts[c] = bias == nullptr ? 0.0f : static_cast<float>(to_float(bias[c]) - to_float(mean[c]) * factor);
}

/// Channels run fastest (nhwc): unit u is `N` channels from N * (u % (C / N)).
template <class T, int N>
__global__ void __launch_bounds__(256)
    scale_woven(const T* src, const float* __restrict__ factors, const float* __restrict__ shifts, T* dst,
                Divider by_groups, std::uint32_t units) {
  with_loads_in_flight<loads_in_flight>(
      units, [&](std::uint32_t u) { return load_vector<N>(src + static_cast<Index>(u) * N); },
      [&](std::uint32_t u, const Vector<T, N>& from) {
        const std::uint32_t c = by_groups(u).remainder * N;
        const Vector<float, N> factor = load_vector<N>(factors + c), shift = load_vector<N>(shifts + c);
        Vector<T, N> to;
#pragma unroll
        for (int i = 0; i < N; ++i)
          to.at[i] = from_float<T>(to_float(from.at[i]) * factor.at[i] + shift.at[i]);
        store_vector<N>(dst + static_cast<Index>(u) * N, to);
      });
}

/// Planes (nchw): unit u is `N` elements of line u / (inner / N), whose channel is line % C.
template <class T, int N>
__global__ void __launch_bounds__(256)
    scale_planes(const T* src, const float* __restrict__ factors, const float* __restrict__ shifts, T* dst,
                 Divider by_line, Divider by_channels, std::uint32_t units) {
  with_loads_in_flight<loads_in_flight>(
      units, [&](std::uint32_t u) { return load_vector<N>(src + static_cast<Index>(u) * N); },
      [&](std::uint32_t u, const Vector<T, N>& from) {
        const std::uint32_t c = by_channels(by_line(u).quotient).remainder;
        const float factor = factors[c], shift = shifts[c];
        Vector<T, N> to;
#pragma unroll
        for (int i = 0; i < N; ++i) to.at[i] = from_float<T>(to_float(from.at[i]) * factor + shift);
        store_vector<N>(dst + static_cast<Index>(u) * N, to);
      });
}

}  // namespace deconv::cuda
