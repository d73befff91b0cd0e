#pragma once

#include "common/divide.cuh"
#include "common/element.cuh"
#include "common/in_flight.cuh"
#include "deconv/core/random.hpp"

// Dropout. One Philox block gives four words, those of four neighbours in row-major order: where memory has
// that order and begins with a block, a thread takes all four, else it takes one element and a whole block
// for it. A null mask is not written. Bytes: src, dst and mask once. A block costs some 90 integer
// instructions, so the row-major case stays with the memory in float and the other is bound by arithmetic.
namespace deconv::cuda {

/// Elements whose random words come from one block.
inline constexpr int dropout_group = 4;

/// Row-major: group g is the elements from 4 g on, with the words of block `first_block` + g. `Wide` moves a
/// group at once.
template <class T, bool Wide>
__global__ void __launch_bounds__(256)
    drop_row_major(const T* src, float ratio, float scale, Random random, Index first_block, T* dst,
                   std::uint8_t* mask, Index count) {
  const Index step = static_cast<Index>(gridDim.x) * blockDim.x;
  for (Index g = static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x; g * dropout_group < count;
       g += step) {
    const auto words = random.words(static_cast<std::uint64_t>(first_block + g));
    const Index first = g * dropout_group;
    if (Wide && first + dropout_group <= count) {
      const Vector<T, dropout_group> from = load_vector<dropout_group>(src + first);
      Vector<T, dropout_group> to;
      Vector<std::uint8_t, dropout_group> kept;
#pragma unroll
      for (int i = 0; i < dropout_group; ++i) {
        const bool stays = Random::unit(words[static_cast<unsigned>(i)]) >= ratio;
        kept.at[i] = stays ? 1 : 0;
        to.at[i] = from_float<T>(stays ? to_float(from.at[i]) * scale : 0.0f);
      }
      if (mask != nullptr) store_vector<dropout_group>(mask + first, kept);
      store_vector<dropout_group>(dst + first, to);
      continue;
    }
#pragma unroll
    for (int i = 0; i < dropout_group; ++i) {
      if (first + i >= count) break;
      const bool stays = Random::unit(words[static_cast<unsigned>(i)]) >= ratio;
      if (mask != nullptr) mask[first + i] = stays ? 1 : 0;
      dst[first + i] = from_float<T>(stays ? to_float(src[first + i]) * scale : 0.0f);
    }
  }
}

/// nhwc: element i is channel i % C of pixel i / C, whose row-major index behind `first` picks the word.
/// Below 2^31 elements are taken at once. One channel and a plane of everything is row-major memory that does
/// not begin with a block.
template <class T>
__global__ void __launch_bounds__(256)
    drop_woven(const T* src, float ratio, float scale, Random random, T* dst, std::uint8_t* mask, Index first,
               Index channels, Index plane, Divider by_channels, Divider by_plane, std::uint32_t count) {
  const std::uint32_t step = gridDim.x * blockDim.x;
  for (std::uint32_t i = blockIdx.x * blockDim.x + threadIdx.x; i < count; i += step) {
    const auto at = by_channels(i), pixel = by_plane(at.quotient);
    const Index index = first + (pixel.quotient * channels + at.remainder) * plane + pixel.remainder;
    const auto words = random.words(static_cast<std::uint64_t>(index) / dropout_group);
    const int which = static_cast<int>(index % dropout_group);
    const std::uint32_t low = which % 2 == 0 ? words[0] : words[1],
                        high = which % 2 == 0 ? words[2] : words[3];
    const bool stays = Random::unit(which < 2 ? low : high) >= ratio;
    if (mask != nullptr) mask[i] = stays ? 1 : 0;
    dst[i] = from_float<T>(stays ? to_float(src[i]) * scale : 0.0f);
  }
}

/// diff_src = diff_dst * scale where the mask is not 0, else 0.
template <class T, int N>
__global__ void __launch_bounds__(256)
    pass_kept(const T* diff_dst, const std::uint8_t* mask, float scale, T* diff_src, Index count) {
  struct Loaded {
    Vector<T, N> signal;
    Vector<std::uint8_t, N> kept;
  };
  const Index vectors = count / N;
  with_loads_in_flight<loads_in_flight>(
      vectors,
      [&](Index v) {
        return Loaded{load_vector<N>(diff_dst + v * N), load_vector<N>(mask + v * N)};
      },
      [&](Index v, const Loaded& loaded) {
        Vector<T, N> to;
#pragma unroll
        for (int i = 0; i < N; ++i)
          to.at[i] = from_float<T>(loaded.kept.at[i] != 0 ? to_float(loaded.signal.at[i]) * scale : 0.0f);
        store_vector<N>(diff_src + v * N, to);
      });
  const Index rest = vectors * N + static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (rest < count) diff_src[rest] = from_float<T>(mask[rest] != 0 ? to_float(diff_dst[rest]) * scale : 0.0f);
}

}  // namespace deconv::cuda
