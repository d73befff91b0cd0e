#pragma once

#include <algorithm>
#include <vector>

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

/// The same for the pixels [begin, end) of nhwc memory, whose neighbours in a plane share blocks: what stays
/// of a few dozen pixels is worked out channel by channel, and then applied in memory order.
template <class T>
void drop_pixels(const T* src, float ratio, const Random& random, std::uint64_t first, T* dst,
                 std::uint8_t* mask, Index channels, Index plane, Index begin, Index end) {
  constexpr std::size_t blocks = 8;
  constexpr auto most = static_cast<Index>(4 * blocks - 3);  // wherever in a block the first pixel stands
  const T scale = T(1) / (T(1) - static_cast<T>(ratio));
  std::vector<std::uint8_t> stays(static_cast<std::size_t>(most * channels));
  for (Index pixel = begin; pixel < end;) {
    const Index image = pixel / plane, place = pixel % plane;
    const Index count = std::min({most, plane - place, end - pixel});
    for (Index c = 0; c < channels; ++c) {
      const std::uint64_t number = first + static_cast<std::uint64_t>((image * channels + c) * plane + place);
      const auto words = random.words_of<blocks>(number / 4);
      for (Index j = 0; j < count; ++j) {
        const auto at = static_cast<std::size_t>(number % 4) + static_cast<std::size_t>(j);
        stays[static_cast<std::size_t>(j * channels + c)] =
            Random::unit(words[at % 4][at / 4]) >= ratio ? 1 : 0;
      }
    }
    const T* const from = src + pixel * channels;
    T* const to = dst + pixel * channels;
    const std::uint8_t* const kept = stays.data();
#pragma omp simd
    for (Index i = 0; i < count * channels; ++i) to[i] = kept[i] != 0 ? from[i] * scale : T(0);
    if (mask != nullptr) std::copy_n(kept, count * channels, mask + pixel * channels);
    pixel += count;
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
  const Index channels = src[1], plane = src[2] * src[3];
  parallel_ranges(context, src[0] * plane, deconv::detail::row_grain(channels), [&](Index begin, Index end) {
    detail::drop_pixels(src.data(), ratio, random, base, dst.data(), mask.data(), channels, plane, begin,
                        end);
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
