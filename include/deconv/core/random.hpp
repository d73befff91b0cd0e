#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numbers>

#include "deconv/core/shape.hpp"
#include "deconv/core/tensor_view.hpp"

namespace deconv {

namespace detail {

/// One of the ten rounds, in place. Four numbers rather than an array, which compilers would not put into
/// vectors.
constexpr void philox_round(std::uint32_t& x, std::uint32_t& y, std::uint32_t& z, std::uint32_t& w,
                            const std::array<std::uint32_t, 2>& key) noexcept {
  const std::uint64_t a = std::uint64_t{0xD2511F53u} * x;
  const std::uint64_t b = std::uint64_t{0xCD9E8D57u} * z;
  x = static_cast<std::uint32_t>(b >> 32) ^ y ^ key[0];
  y = static_cast<std::uint32_t>(b);
  z = static_cast<std::uint32_t>(a >> 32) ^ w ^ key[1];
  w = static_cast<std::uint32_t>(a);
}
[[nodiscard]] constexpr std::array<std::uint32_t, 2> philox_next_key(
    const std::array<std::uint32_t, 2>& key) noexcept {
  return {key[0] + 0x9E3779B9u, key[1] + 0xBB67AE85u};
}

}  // namespace detail

/// Philox4x32-10: 128 bits from a 128-bit counter and a 64-bit key, with no state, so that the i-th number
/// does not depend on how the work is divided. The same function serves host and device. Source: Salmon et
/// al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
[[nodiscard]] constexpr std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> counter,
                                                            std::array<std::uint32_t, 2> key) noexcept {
  for (int round = 0; round < 10; ++round, key = detail::philox_next_key(key))
    detail::philox_round(counter[0], counter[1], counter[2], counter[3], key);
  return counter;
}

/// A seeded family of random sequences: element `index` of sequence `stream` is a pure function of both.
class Random {
 public:
  explicit constexpr Random(std::uint64_t seed, std::uint64_t stream = 0) noexcept
      : seed_(seed), stream_(stream) {}

  /// Four independent 32-bit words.
  [[nodiscard]] constexpr std::array<std::uint32_t, 4> words(std::uint64_t index) const noexcept {
    return philox({static_cast<std::uint32_t>(index), static_cast<std::uint32_t>(index >> 32),
                   static_cast<std::uint32_t>(stream_), static_cast<std::uint32_t>(stream_ >> 32)},
                  {static_cast<std::uint32_t>(seed_), static_cast<std::uint32_t>(seed_ >> 32)});
  }
  /// The words of `N` neighbouring indices: word w of index + i stands in [w][i], so that one vector
  /// instruction works on many.
  template <std::size_t N>
  [[nodiscard]] std::array<std::array<std::uint32_t, N>, 4> words_of(std::uint64_t index) const noexcept {
    std::array<std::array<std::uint32_t, N>, 4> words;
    auto &x = words[0], &y = words[1], &z = words[2], &w = words[3];
    for (std::size_t i = 0; i < N; ++i) {
      x[i] = static_cast<std::uint32_t>(index + i);
      y[i] = static_cast<std::uint32_t>((index + i) >> 32);
      z[i] = static_cast<std::uint32_t>(stream_);
      w[i] = static_cast<std::uint32_t>(stream_ >> 32);
    }
    std::array<std::uint32_t, 2> key = {static_cast<std::uint32_t>(seed_),
                                        static_cast<std::uint32_t>(seed_ >> 32)};
    for (int round = 0; round < 10; ++round, key = detail::philox_next_key(key)) {
#if defined(_OPENMP)  // compilers of kernels include this file without
#pragma omp simd
#endif
      for (std::size_t i = 0; i < N; ++i) detail::philox_round(x[i], y[i], z[i], w[i], key);
    }
    return words;
  }
  /// The number of [0, 1) that a word stands for: its upper 24 bits.
  [[nodiscard]] static constexpr float unit(std::uint32_t bits) noexcept {
    return static_cast<float>(bits >> 8) * 0x1p-24f;
  }
  /// Uniform in [0, 1): unit() of the words of index / 4, one after another.
  [[nodiscard]] constexpr float uniform(std::uint64_t index) const noexcept { return unit(word(index)); }
  /// Uniform integer in [0, bound), bound > 0; the bias is below bound / 2^64.
  [[nodiscard]] constexpr std::uint64_t below(std::uint64_t index, std::uint64_t bound) const noexcept {
    const auto w = words(index);
    const std::uint64_t wide = (std::uint64_t{w[0]} << 32) | w[1];
    const std::uint64_t high = bound >> 32, low = bound & 0xffffffffu;
    const std::uint64_t carry = ((wide & 0xffffffffu) * low >> 32) + (wide >> 32) * low;
    const std::uint64_t middle = (wide & 0xffffffffu) * high + (carry & 0xffffffffu);
    return (wide >> 32) * high + (carry >> 32) + (middle >> 32);
  }
  /// Standard normal by the Box-Muller transform.
  [[nodiscard]] float normal(std::uint64_t index) const noexcept {
    const auto w = words(index / 2);
    const float radius = std::sqrt(-2.0f * std::log(1.0f - unit(w[0])));
    const float angle = 2.0f * std::numbers::pi_v<float> * unit(w[1]);
    return radius * (index % 2 == 0 ? std::cos(angle) : std::sin(angle));
  }

 private:
  [[nodiscard]] constexpr std::uint32_t word(std::uint64_t index) const noexcept {
    return words(index / 4)[index % 4];
  }

  std::uint64_t seed_;
  std::uint64_t stream_;
};

/// Fills with mean + deviation * N(0, 1), element i from index i.
template <class T>
void fill_normal(TensorView<T, Cpu> view, const Random& random, float mean, float deviation) {
  for (Index i = 0; i < view.count(); ++i)
    view.data()[i] = static_cast<T>(mean + deviation * random.normal(static_cast<std::uint64_t>(i)));
}

/// Fills with uniform numbers of [low, high), element i from index i.
template <class T>
void fill_uniform(TensorView<T, Cpu> view, const Random& random, float low, float high) {
  for (Index i = 0; i < view.count(); ++i)
    view.data()[i] = static_cast<T>(low + (high - low) * random.uniform(static_cast<std::uint64_t>(i)));
}

}  // namespace deconv
