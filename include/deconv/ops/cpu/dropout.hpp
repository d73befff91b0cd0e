#pragma once

#include <algorithm>

#include "deconv/core/parallel.hpp"
#include "deconv/ops/dropout.hpp"

namespace deconv::cpu {
namespace detail {

/// Random words that are worked out at once: those of so many blocks of four.
inline constexpr std::size_t dropout_blocks = 16;

/// The elements [begin, end) in memory order, element i with the random number of `first` + i.
template <bool Masked, class T>
void drop_row(const T* src, float ratio, const Random& random, std::uint64_t first, T* dst,
              std::uint8_t* mask, Index begin, Index end) {
  const T scale = T(1) / (T(1) - static_cast<T>(ratio));
  constexpr auto group = static_cast<Index>(4 * dropout_blocks);
  alignas(64) std::uint32_t words[group];
  alignas(64) T scaled[group];
  for (Index i = begin; i < end;) {
    // From the block that has element i's number up to the end of the last block of the group.
    const std::uint64_t number = first + static_cast<std::uint64_t>(i);
    const auto [x, y, z, w] = random.words_of<dropout_blocks>(number / 4);
    // Written out, which compilers turn into whole vectors.
    for (std::size_t b = 0; b < dropout_blocks; ++b) {
      words[4 * b] = x[b];
      words[4 * b + 1] = y[b];
      words[4 * b + 2] = z[b];
      words[4 * b + 3] = w[b];
    }
    const auto skipped = static_cast<Index>(number % 4);
    const Index count = std::min(group - skipped, end - i);
    // Apart, or compilers make it a load of what stays alone, which takes twice as long from memory.
#pragma omp simd
    for (Index j = 0; j < count; ++j) scaled[j] = src[i + j] * scale;
#pragma omp simd
    for (Index j = 0; j < count; ++j) {
      const bool stays = Random::unit(words[skipped + j]) >= ratio;
      dst[i + j] = stays ? scaled[j] : T(0);
      if constexpr (Masked) mask[i + j] = stays ? 1 : 0;
    }
    i += count;
  }
}

}  // namespace detail

template <class T>
void dropout_forward(const Context<Cpu>& context, TensorView<const T, Cpu> src, float ratio,
                     const Random& random, Index first, TensorView<T, Cpu> dst,
                     TensorView<std::uint8_t, Cpu> mask) {
  const auto base = static_cast<std::uint64_t>(first);
  if (src.row_major()) {
    parallel_ranges(context, src.count(), 16384, [&](Index begin, Index end) {
      const auto drop = mask.data() != nullptr ? &detail::drop_row<true, T> : &detail::drop_row<false, T>;
      drop(src.data(), ratio, random, base, dst.data(), mask.data(), begin, end);
    });
    return;
  }
  const T scale = T(1) / (T(1) - static_cast<T>(ratio));
  const Index channels = src[1], plane = src[2] * src[3];
  parallel_ranges(context, src.count(), 4096, [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) {
      const Index pixel = i / channels;
      const Index place = (pixel / plane * channels + i % channels) * plane + pixel % plane;
      const bool stays = random.uniform(base + static_cast<std::uint64_t>(place)) >= ratio;
      if (mask.data() != nullptr) mask.data()[i] = stays ? 1 : 0;
      dst.data()[i] = stays ? src.data()[i] * scale : T(0);
    }
  });
}

template <class T>
void dropout_reverse(const Context<Cpu>& context, const T* diff_dst, const std::uint8_t* mask, float ratio,
                     T* diff_src, Index count) {
  const T scale = T(1) / (T(1) - static_cast<T>(ratio));
  parallel_ranges(context, count, 16384, [&](Index begin, Index end) {
#pragma omp simd
    for (Index i = begin; i < end; ++i) diff_src[i] = mask[i] != 0 ? diff_dst[i] * scale : T(0);
  });
}

}  // namespace deconv::cpu
