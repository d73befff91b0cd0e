#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

// Kernels that only move elements see them as unsigned numbers of their size, so that one instance serves
// every type of a size.
namespace deconv::cuda {

template <std::size_t Bytes>
struct BitsOf;
template <>
struct BitsOf<1> {
  using type = std::uint8_t;
};
template <>
struct BitsOf<2> {
  using type = std::uint16_t;
};
template <>
struct BitsOf<4> {
  using type = std::uint32_t;
};
template <>
struct BitsOf<8> {
  using type = std::uint64_t;
};

/// The unsigned number of an element type's size.
template <class T>
using Bits = typename BitsOf<sizeof(T)>::type;

/// What one access moves at most.
struct alignas(16) SixteenBytes {
  std::uint32_t words[4];
};

template <class T>
[[nodiscard]] inline const Bits<T>* as_bits(const T* data) noexcept {
  return reinterpret_cast<const Bits<T>*>(data);
}
template <class T>
[[nodiscard]] inline Bits<T>* as_bits(T* data) noexcept {
  return reinterpret_cast<Bits<T>*>(data);
}

}  // namespace deconv::cuda
