#pragma once

#include "common/divide.cuh"
#include "common/element.cuh"
#include "deconv/ops/pixel_params.hpp"

// Bytes of pictures to a network's numbers. A block takes runs of 1024 pixels, a grid apart:
//
//     src   R G B R G B R G B ...   ->  shared bytes  ->  table of 256 numbers a channel  ->  dst
//           16 bytes a load             (3 KB)            (shared, from the parameters)       N numbers a
//           store
//
// dst is written in its own order: nhwc element k of the run is channel k % C of pixel k / C, nchw vectors go
// along each plane. Bytes: src and dst once (and the mean image, from the caches); a look-up an element and,
// with a mean image, a subtraction.
namespace deconv::cuda {

inline constexpr int pixel_run = 1024, pixel_threads = 256;

/// The tables, inside the kernel's parameters: below their limit of 4 KB.
template <int C>
struct PixelTables {
  float value[C * 256];
};

/// The window of the mean image; null where there is none.
struct MeanWindow {
  const float* data = nullptr;
  Index plane = 0, row = 0;  ///< elements of a plane and of a row
  double divisors[3] = {1, 1, 1};
  Divider by_width;
};

/// `S` bytes a pixel, `C` channels, `N` elements a store. `pixels` is below 2^31, a plane has `plane` of
/// them.
template <class T, int S, int C, int N, bool Woven>
__global__ void __launch_bounds__(pixel_threads)
    pixels_to_numbers(const std::uint8_t* __restrict__ src, bool wide_loads, PixelOrder order,
                      const __grid_constant__ PixelTables<C> tables, const __grid_constant__ MeanWindow mean,
                      T* __restrict__ dst, std::uint32_t pixels, std::uint32_t plane, Divider by_plane) {
  __shared__ float table[C * 256];
  alignas(16) __shared__ std::uint8_t bytes[pixel_run * S];
  for (int i = static_cast<int>(threadIdx.x); i < C * 256; i += pixel_threads) table[i] = tables.value[i];
  const auto number = [&](std::uint32_t first, int pixel, int c) {
    const std::uint8_t* byte = bytes + pixel * S;
    std::uint32_t key = byte[order == PixelOrder::reversed ? S - 1 - c : c];
    if constexpr (S == 3)
      if (order == PixelOrder::luma) key = deconv::detail::luma_of(byte[0], byte[1], byte[2]);
    float value = table[c * 256 + static_cast<int>(key)];
    if (mean.data != nullptr) {
      const auto at = mean.by_width(by_plane(first + static_cast<std::uint32_t>(pixel)).remainder);
      const float average = mean.data[c * mean.plane + at.quotient * mean.row + at.remainder];
      const double divisor = mean.divisors[c];
      // For divisor 1 the difference in float has the same bits: both operands are floats.
      value = divisor == 1.0
                  ? value - average
                  : static_cast<float>((static_cast<double>(value) - static_cast<double>(average)) / divisor);
    }
    return from_float<T>(value);
  };
  for (std::uint32_t first = blockIdx.x * pixel_run; first < pixels; first += gridDim.x * pixel_run) {
    const int there = static_cast<int>(pixels - first < pixel_run ? pixels - first : pixel_run);
    const std::uint8_t* from = src + static_cast<Index>(first) * S;
    __syncthreads();  // the table is whole; the run before is done with `bytes`
    const int whole = wide_loads ? there * S / 16 : 0;
    for (int v = static_cast<int>(threadIdx.x); v < whole; v += pixel_threads)
      store_vector<16>(bytes + v * 16, load_vector<16>(from + v * 16));
    for (int i = whole * 16 + static_cast<int>(threadIdx.x); i < there * S; i += pixel_threads)
      bytes[i] = from[i];
    __syncthreads();
    if constexpr (Woven) {
      T* to = dst + static_cast<Index>(first) * C;
      for (int v = static_cast<int>(threadIdx.x); v < there * C / N; v += pixel_threads) {
        Vector<T, N> result;
#pragma unroll
        for (int i = 0; i < N; ++i) result.at[i] = number(first, (v * N + i) / C, (v * N + i) % C);
        store_vector<N>(to + v * N, result);
      }
      // What is left of the last run.
      for (int k = there * C / N * N + static_cast<int>(threadIdx.x); k < there * C; k += pixel_threads)
        to[k] = number(first, k / C, k % C);
    } else {
      for (int v = static_cast<int>(threadIdx.x); v < pixel_run / N * C; v += pixel_threads) {
        const int c = v / (pixel_run / N), pixel = v % (pixel_run / N) * N;
        if (pixel >= there) continue;
        const auto at = by_plane(first + static_cast<std::uint32_t>(pixel));
        Vector<T, N> result;
#pragma unroll
        for (int i = 0; i < N; ++i) result.at[i] = number(first, pixel + i, c);
        store_vector<N>(dst + (static_cast<Index>(at.quotient) * C + c) * plane + at.remainder, result);
      }
    }
  }
}

}  // namespace deconv::cuda
