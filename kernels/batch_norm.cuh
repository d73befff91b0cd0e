#pragma once

#include "common/divide.cuh"
#include "common/element.cuh"
#include "common/in_flight.cuh"
#include "common/reduce.cuh"

// Batch normalisation with the trained statistics: dst = src * factor + shift by channel. A first, small
// kernel works out factors and shifts; the second streams. Bytes: src and dst once, and C factors and shifts,
// which stay in the caches; two flops an element. The gradients of scale and bias are sums by channel, in
// parts whose number follows from the shape and which are added in order; src and diff_dst once, four flops
// an element.
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

/// Sums of the signal and of the signal times (src - mean) over part of a channel; parts are chunks x 2 x
/// channels.
///
/// Channels run fastest (nhwc): a block has 32 channels and 8 threads for each, which take every eighth pixel
/// of the chunk and add up in order.
template <class T>
__global__ void __launch_bounds__(256)
    parameter_parts_woven(const T* src, const T* diff_dst, const T* mean, Index pixels, Index channels,
                          Index chunk, unsigned chunks, float* parts) {
  __shared__ float of_signal[8][33], of_product[8][33];
  const unsigned lane = threadIdx.x % 32, row = threadIdx.x / 32, chunk_index = blockIdx.x % chunks;
  const Index channel = static_cast<Index>(blockIdx.x / chunks) * 32 + lane, first = chunk_index * chunk;
  const Index last = first + chunk < pixels ? first + chunk : pixels;
  float signal = 0.0f, product = 0.0f;
  if (channel < channels) {
    const float centre = to_float(mean[channel]);
#pragma unroll 4
    for (Index pixel = first + row; pixel < last; pixel += 8) {
      const float g = to_float(diff_dst[pixel * channels + channel]);
      signal += g;
      product += g * (to_float(src[pixel * channels + channel]) - centre);
    }
  }
  of_signal[row][lane] = signal;
  of_product[row][lane] = product;
  __syncthreads();
  if (row != 0 || channel >= channels) return;
  for (unsigned i = 1; i < 8; ++i) {
    signal += of_signal[i][lane];
    product += of_product[i][lane];
  }
  float* to = parts + static_cast<Index>(chunk_index) * 2 * channels + channel;
  to[0] = signal;
  to[channels] = product;
}

/// Planes (nchw): a block has one channel and a chunk of its images x inner elements.
template <class T>
__global__ void __launch_bounds__(256)
    parameter_parts_planes(const T* src, const T* diff_dst, const T* mean, Index channels, Divider by_inner,
                           Index inner, std::uint32_t elements, std::uint32_t chunk, unsigned chunks,
                           float* parts) {
  const unsigned chunk_index = blockIdx.x % chunks;
  const Index channel = blockIdx.x / chunks;
  const std::uint32_t first = chunk_index * chunk, rest = first < elements ? elements - first : 0,
                      count = rest < chunk ? rest : chunk;
  const float centre = to_float(mean[channel]);
  float signal = 0.0f, product = 0.0f;
  for (std::uint32_t i = threadIdx.x; i < count; i += 256) {
    const auto image = by_inner(first + i);
    const Index at = (image.quotient * channels + channel) * inner + image.remainder;
    const float g = to_float(diff_dst[at]);
    signal += g;
    product += g * (to_float(src[at]) - centre);
  }
  signal = block_sum<8>(signal);
  product = block_sum<8>(product);
  if (threadIdx.x != 0) return;
  float* to = parts + static_cast<Index>(chunk_index) * 2 * channels + channel;
  to[0] = signal;
  to[channels] = product;
}

/// Adds the parts of each channel, first to last.
template <class T>
__global__ void finish_parameters(const float* parts, int chunks, const T* variance, float epsilon,
                                  T* diff_scale, T* diff_bias, Index channels) {
  const Index c = static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (c >= channels) return;
  double signal = 0, product = 0;
  for (int s = 0; s < chunks; ++s) {
    signal += parts[static_cast<Index>(s) * 2 * channels + c];
    product += parts[(static_cast<Index>(s) * 2 + 1) * channels + c];
  }
  const double deviation = sqrt(static_cast<double>(to_float(variance[c])) + static_cast<double>(epsilon));
  diff_scale[c] = from_float<T>(static_cast<float>(product / deviation));
  diff_bias[c] = from_float<T>(static_cast<float>(signal));
}

}  // namespace deconv::cuda
