#pragma once

#include "common/element.cuh"

// The maximum of each chosen map and where it is. A candidate is a value and its position; which of two is
// better does not depend on the order in which they meet, so any tree gives the same answer.
//
//   planes (nchw): a block, or a warp where planes are small, runs along one map
//   woven (nhwc):  32 neighbouring lanes look at 32 maps of a pixel, the block's rows at different pixels
//
// Long planes of few images are divided into `segments`, whose winners a second launch compares. Bytes: the
// chosen maps once; two comparisons an element.
namespace deconv::cuda {

inline constexpr int maxima_lanes = 32, maxima_rows = 8, maxima_threads = maxima_lanes * maxima_rows;

struct Candidate {
  float value;
  std::int32_t place;  ///< -1: none yet
};

/// Whether `a` beats `b`: the larger, of equals the first; NaN loses, of NaNs the last wins.
__device__ inline bool beats(const Candidate& a, const Candidate& b) {
  if (b.value != b.value) return a.value == a.value || a.place > b.place;
  return a.value > b.value || (a.value == b.value && a.place < b.place);
}
__device__ inline void keep_better(Candidate& best, const Candidate& other) {
  if (beats(other, best)) best = other;
}
__device__ inline Candidate no_candidate() { return {__int_as_float(0x7fffffff), -1}; }

/// Some of the chosen maps, inside the kernel's parameters.
struct ChosenMaps {
  static constexpr int most = 512;
  std::int32_t at[most];
};

/// Where a launch's work lies and where its results go: value and place of image n, map k at n * maps + k,
/// or, with several segments, candidates at (n * segments + segment) * maps + k.
struct MaximaShape {
  Index channels = 0;
  std::int32_t pixels = 0, segments = 1, segment = 0;  ///< pixels of a plane; number and pixels of segments
  std::int32_t maps = 0, first_map = 0, here = 0;      ///< of all; the launch's first and their number
};

/// The best of pixels [begin, end) `step` apart, which lie `stride` elements apart; several loads at a time.
template <class T>
__device__ inline Candidate best_along(const T* data, Index stride, std::int32_t begin, std::int32_t end,
                                       std::int32_t step) {
  constexpr int at_once = static_cast<int>(16 / sizeof(T));
  Candidate best = no_candidate();
  for (std::int32_t i = begin; i < end; i += at_once * step) {
    float values[at_once];
#pragma unroll
    for (int u = 0; u < at_once; ++u)
      values[u] = end - i > u * step ? to_float(data[(i + static_cast<Index>(u) * step) * stride]) : 0.0f;
#pragma unroll
    for (int u = 0; u < at_once; ++u)
      if (end - i > u * step) keep_better(best, {values[u], i + u * step});
    if (end - i <= at_once * step) break;  // i stays below 2^31
  }
  return best;
}

/// Writes a winner: the value as it stands in the tensor.
template <class T>
__device__ inline void put_winner(const Candidate& best, Index at, const T* map, Index stride, bool last,
                                  T* values, std::int32_t* places, Candidate* partial) {
  if (last) {
    values[at] = map[best.place * stride];
    places[at] = best.place;
  } else {
    partial[at] = best;
  }
}

/// nchw. Block = (image * segments + segment) * groups + group of maps; a map a warp (`Warps` = 1, a group of
/// 8 maps), or a map a block (`Warps` = 8).
template <class T, int Warps>
__global__ void __launch_bounds__(maxima_threads)
    maxima_of_planes(const T* src, const __grid_constant__ ChosenMaps maps, MaximaShape shape, T* values,
                     std::int32_t* places, Candidate* partial) {
  __shared__ Candidate winners[maxima_rows];
  constexpr int maps_a_block = maxima_rows / Warps;
  const int lane = static_cast<int>(threadIdx.x) % maxima_lanes,
            warp = static_cast<int>(threadIdx.x) / maxima_lanes;
  const unsigned groups = static_cast<unsigned>((shape.here + maps_a_block - 1) / maps_a_block);
  const unsigned line = blockIdx.x / groups;
  const int k = static_cast<int>(blockIdx.x % groups) * maps_a_block + warp / Warps;
  const Index image = line / static_cast<unsigned>(shape.segments);
  const auto segment = static_cast<std::int32_t>(line % static_cast<unsigned>(shape.segments));
  const bool there = k < shape.here;
  const T* map = src + (image * shape.channels + maps.at[there ? k : 0]) * shape.pixels;
  const std::int32_t begin = segment * shape.segment;
  const std::int32_t end = shape.pixels - begin > shape.segment ? begin + shape.segment : shape.pixels;
  Candidate best = best_along(map, 1, begin + static_cast<int>(threadIdx.x) % (Warps * maxima_lanes), end,
                              Warps * maxima_lanes);
#pragma unroll
  for (int apart = maxima_lanes / 2; apart > 0; apart /= 2) {
    const Candidate other{__shfl_xor_sync(0xffffffffu, best.value, apart),
                          __shfl_xor_sync(0xffffffffu, best.place, apart)};
    keep_better(best, other);
  }
  if constexpr (Warps > 1) {
    if (lane == 0) winners[warp] = best;
    __syncthreads();
    if (threadIdx.x == 0)
      for (int w = 1; w < Warps; ++w) keep_better(best, winners[w]);
  }
  if (there && lane == 0 && (Warps == 1 || warp == 0))
    put_winner(best, static_cast<Index>(line) * shape.maps + shape.first_map + k, map, 1, shape.segments == 1,
               values, places, partial);
}

/// nhwc. Block = (image * segments + segment) * groups + group of 32 maps.
template <class T>
__global__ void __launch_bounds__(maxima_threads)
    maxima_of_pixels(const T* src, const __grid_constant__ ChosenMaps maps, MaximaShape shape, T* values,
                     std::int32_t* places, Candidate* partial) {
  __shared__ Candidate winners[maxima_rows][maxima_lanes];
  const int lane = static_cast<int>(threadIdx.x) % maxima_lanes,
            row = static_cast<int>(threadIdx.x) / maxima_lanes;
  const unsigned groups = static_cast<unsigned>((shape.here + maxima_lanes - 1) / maxima_lanes);
  const unsigned line = blockIdx.x / groups;
  const int k = static_cast<int>(blockIdx.x % groups) * maxima_lanes + lane;
  const Index image = line / static_cast<unsigned>(shape.segments);
  const auto segment = static_cast<std::int32_t>(line % static_cast<unsigned>(shape.segments));
  const bool there = k < shape.here;
  const T* map = src + image * shape.channels * shape.pixels + maps.at[there ? k : 0];
  const std::int32_t begin = segment * shape.segment;
  const std::int32_t end = shape.pixels - begin > shape.segment ? begin + shape.segment : shape.pixels;
  winners[row][lane] =
      there ? best_along(map, shape.channels, begin + row, end, maxima_rows) : no_candidate();
  __syncthreads();
  if (row != 0 || !there) return;
  Candidate best = winners[0][lane];
  for (int r = 1; r < maxima_rows; ++r) keep_better(best, winners[r][lane]);
  put_winner(best, static_cast<Index>(line) * shape.maps + shape.first_map + k, map, shape.channels,
             shape.segments == 1, values, places, partial);
}

/// The best of the segments' candidates; a thread an image and map. The pixels of a map lie `stride` apart,
/// maps `map_stride`.
template <class T>
__global__ void __launch_bounds__(maxima_threads)
    best_of_segments(const Candidate* partial, const __grid_constant__ ChosenMaps maps, MaximaShape shape,
                     Index images, const T* src, Index stride, Index map_stride, T* values,
                     std::int32_t* places) {
  const Index at = static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (at >= images * shape.here) return;
  const Index image = at / shape.here, k = at % shape.here;
  Candidate best = no_candidate();
  for (Index s = 0; s < shape.segments; ++s)
    keep_better(best, partial[(image * shape.segments + s) * shape.maps + shape.first_map + k]);
  const T* map = src + image * shape.channels * shape.pixels + maps.at[k] * map_stride;
  put_winner(best, image * shape.maps + shape.first_map + k, map, stride, true, values, places,
             static_cast<Candidate*>(nullptr));
}

}  // namespace deconv::cuda
