#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>

#if defined(__AVX512F__)
#include <immintrin.h>
#endif

// Vectors of 64 bytes in the compilers' own notation (GCC and Clang), which any processor runs: compilers
// vectorise choices between values of different widths too unreliably to leave the pools to them. Vectors
// never cross a function's border, so that no calling convention depends on the processor that a file is
// compiled for.
namespace deconv::cpu {

template <class T>
struct Lanes {
  static constexpr std::size_t count = 64 / sizeof(T);
  /// An integer as wide as T, so that comparison and choice run in equal lanes.
  using Integer = std::conditional_t<sizeof(T) == 8, std::int64_t, std::int32_t>;
  typedef T Vector __attribute__((vector_size(64)));
  typedef Integer Mask __attribute__((vector_size(64)));
};

/// As many of S as a Lanes<T> vector has lanes.
template <class S, class T>
struct NarrowLanes {
  typedef S Vector __attribute__((vector_size(sizeof(S) * Lanes<T>::count)));
};

/// wide = the Lanes<T>::count numbers at `from`, widened to T's width.
template <class T, class S>
inline __attribute__((always_inline)) void load_widened(const S* from, typename Lanes<T>::Mask& wide) {
  using Mask = typename Lanes<T>::Mask;
#if defined(__AVX512F__)
  // GCC has no single step for this in its own notation; with the one instruction unpooling takes 0.6 of the
  // time.
  if constexpr (sizeof(S) == 1 && sizeof(T) == 4) {
    wide = reinterpret_cast<Mask>(
        _mm512_maskz_cvtepu8_epi32(0xffff, _mm_loadu_si128(reinterpret_cast<const __m128i*>(from))));
    return;
  }
#endif
  // Doubled step by step: GCC turns a wider step into element-wise moves.
  typename NarrowLanes<S, T>::Vector narrow;
  std::memcpy(&narrow, from, sizeof narrow);
  if constexpr (sizeof(S) * 2 >= sizeof(T)) {
    wide = __builtin_convertvector(narrow, Mask);
  } else {
    using Twice = std::conditional_t<sizeof(S) == 1, std::uint16_t, std::uint32_t>;
    const auto doubled = __builtin_convertvector(narrow, typename NarrowLanes<Twice, T>::Vector);
    if constexpr (sizeof(Twice) * 2 >= sizeof(T))
      wide = __builtin_convertvector(doubled, Mask);
    else
      wide = __builtin_convertvector(
          __builtin_convertvector(doubled, typename NarrowLanes<std::uint32_t, T>::Vector), Mask);
  }
}

/// Results larger than this leave the caches before anything reads them: they are written past the caches.
inline constexpr std::size_t streamed_bytes = std::size_t{24} << 20;

/// Stores a vector, past the caches when `Streamed`, `to` is aligned to 64 bytes and the processor has such a
/// store.
template <bool Streamed, class T>
inline __attribute__((always_inline)) void store_lanes(T* to, const typename Lanes<T>::Vector& value) {
#if defined(__AVX512F__)
  if constexpr (Streamed) {
    _mm512_stream_si512(reinterpret_cast<__m512i*>(to), reinterpret_cast<__m512i>(value));
    return;
  }
#endif
  std::memcpy(to, &value, sizeof value);
}

/// Makes what was stored past the caches visible to other threads, before any barrier.
inline void finish_streaming() noexcept {
#if defined(__AVX512F__)
  _mm_sfence();
#endif
}

/// Asks for `bytes` bytes that will be read soon.
inline void prefetch(const void* from, std::int64_t bytes) noexcept {
  for (std::int64_t at = 0; at < bytes; at += 64)
    __builtin_prefetch(static_cast<const char*>(from) + at, 0, 2);
}

/// Calls body(first) for each run of Lanes<T>::count elements that together cover [0, count), the last one
/// overlapping its neighbour where needed, or returns false when there are too few elements for one.
template <class T, class Body>
inline __attribute__((always_inline)) bool over_lanes(std::int64_t count, const Body& body) {
  constexpr auto step = static_cast<std::int64_t>(Lanes<T>::count);
  if (count < step) return false;
  for (std::int64_t first = 0; first + step <= count; first += step) body(first);
  if (count % step != 0) body(count - step);
  return true;
}

}  // namespace deconv::cpu
