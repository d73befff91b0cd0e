#pragma once

#include "common/element.cuh"
#include "ordered_sums.hpp"
#include "relu.cuh"

// Sums of partial sums, always in the same order: what makes split products and bias gradients repeat to the
// bit without atomics.
namespace deconv::cuda {

/// dst[i] = sum over s of parts[s * count + i], s ascending. Bytes: parts once, dst once.
template <class T>
__global__ void sum_parts(const float* parts, int splits, Index count, SumsTarget<T> target) {
  const Index step = static_cast<Index>(gridDim.x) * blockDim.x;
  for (Index i = static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x; i < count; i += step) {
    float sum = 0.0f;
#pragma unroll 4
    for (int s = 0; s < splits; ++s) sum += parts[s * count + i];
    if (target.bias != nullptr) sum += to_float(target.bias[i % target.channels]);
    if (target.rectified) sum = RectifyForward{target.negative_slope}(sum, 0.0f);
    Index at = i;
    if (target.taps != 0) {
      const Index filter = i / (static_cast<Index>(target.taps) * target.filter_channels);
      const auto rest = static_cast<int>(i - filter * target.taps * target.filter_channels);
      const int tap = rest / target.filter_channels, channel = rest - tap * target.filter_channels;
      at = (filter * target.filter_channels + channel) * target.taps + tap;
    }
    target.dst[at] = from_float<T>(sum);
  }
}

/// The sums as a gradient rounded to T, for the step of sgd_update.cuh. One part is taken as it is; the sum
/// of several begins at +0 like sum_parts', which differs where all are -0.
template <class T>
struct GradientOfParts {
  const float* parts;
  Index count;
  int splits;
  template <int N>
  [[nodiscard]] bool aligned(Index of) const noexcept {
    return vector_aligned<N>(parts, of) && count % N == 0;
  }
  template <int N>
  [[nodiscard]] __device__ Vector<float, N> load(Index at) const {
    Vector<float, N> sums;
#pragma unroll
    for (int i = 0; i < N; ++i) sums.at[i] = splits == 1 ? -0.0f : 0.0f;
#pragma unroll 4
    for (int s = 0; s < splits; ++s) {
      const Vector<float, N> part = load_vector<N>(parts + s * count + at);
#pragma unroll
      for (int i = 0; i < N; ++i) sums.at[i] += part.at[i];
    }
#pragma unroll
    for (int i = 0; i < N; ++i) sums.at[i] = to_float(from_float<T>(sums.at[i]));
    return sums;
  }
};

/// parts[chunk][c] = sum over the chunk's pixels of src[pixel][c]. A block has 32 channels and 8 threads for
/// each, which take every eighth pixel and add up in order. Bytes: src once.
template <class T>
__global__ void __launch_bounds__(256)
    channel_parts(const T* src, Index pixels, Index channels, Index chunk, unsigned chunks, float* parts) {
  __shared__ float sums[8][33];
  const unsigned lane = threadIdx.x % 32, row = threadIdx.x / 32;
  const unsigned chunk_index = blockIdx.x % chunks;
  const Index channel = static_cast<Index>(blockIdx.x / chunks) * 32 + lane;
  const Index first = chunk_index * chunk;
  const Index last = first + chunk < pixels ? first + chunk : pixels;
  float sum = 0.0f;
  if (channel < channels)
    for (Index pixel = first + row; pixel < last; pixel += 8)
      sum += to_float(src[pixel * channels + channel]);
  sums[row][lane] = sum;
  __syncthreads();
  if (row != 0 || channel >= channels) return;
  for (unsigned i = 1; i < 8; ++i) sum += sums[i][lane];
  parts[chunk_index * channels + channel] = sum;
}

}  // namespace deconv::cuda
