#pragma once
/// Elements as files store them (little endian) into elements as tensors hold them.

#include <algorithm>
#include <array>
#include <bit>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <string>
#include <type_traits>

#include "deconv/core/dtype.hpp"
#include "deconv/core/tensor.hpp"
#include "deconv/io/file.hpp"

namespace deconv::io {

static_assert(std::endian::native == std::endian::little,
              "the readers and writers want a little-endian machine");

/// Element types that hold fractions.
template <class T>
inline constexpr bool is_fractional =
    std::floating_point<T> || std::same_as<T, half> || std::same_as<T, bfloat16>;

/// Whether elements stored as `from` may be read as T: everything into float, double, half and bfloat16
/// (rounding to nearest); whole numbers only into whole numbers at least as wide.
template <class T>
[[nodiscard]] constexpr bool converts_from(DType from) noexcept {
  if (is_fractional<T> || from == dtype_of<T>) return true;
  switch (from) {
    case DType::uint8:
      return sizeof(T) > 1;
    case DType::uint16:
      return sizeof(T) > 2;
    case DType::int32:
      return sizeof(T) > 4;
    default:
      return false;
  }
}

namespace detail {

template <class To, class From>
[[nodiscard]] To convert_element(From value) {
  if constexpr (std::same_as<To, From>) {
    return value;
  } else if constexpr (std::same_as<From, half> || std::same_as<From, bfloat16>) {
    return static_cast<To>(static_cast<float>(value));
  } else if constexpr (std::same_as<To, half> || std::same_as<To, bfloat16>) {
    return To(static_cast<float>(value));
  } else {
    return static_cast<To>(value);
  }
}

template <class To, class From>
void read_converted(const ByteSource& source, std::uint64_t offset, To* dst, Index count) {
  if constexpr (std::same_as<To, From>) {
    source.read(offset, dst, static_cast<std::size_t>(count) * sizeof(To));
  } else {
    std::array<From, 8192> part;
    while (count > 0) {
      const Index step = std::min<Index>(count, static_cast<Index>(part.size()));
      const auto bytes = static_cast<std::size_t>(step) * sizeof(From);
      source.read(offset, part.data(), bytes);
      dst = std::transform(part.begin(), part.begin() + step, dst, convert_element<To, From>);
      offset += bytes;
      count -= step;
    }
  }
}

}  // namespace detail

/// Reads `count` elements of type `stored` from `offset` on, converted to T. Throws FormatError, naming
/// `what`, when converts_from<T> forbids it or the source ends before.
template <class T>
void read_elements(const ByteSource& source, std::uint64_t offset, DType stored, T* dst, Index count,
                   const std::string& what) {
  require<FormatError>(converts_from<T>(stored), what, ": elements readable as ", name_of(dtype_of<T>),
                       " wanted, met ", name_of(stored));
  const auto as = [&]<class From>(From) {
    if constexpr (is_fractional<T> || !is_fractional<From>)
      detail::read_converted<T, From>(source, offset, dst, count);
  };
  switch (stored) {
    case DType::float32:
      return as(float{});
    case DType::float64:
      return as(double{});
    case DType::float16:
      return as(half{});
    case DType::bfloat16:
      return as(bfloat16{});
    case DType::int64:
      return as(std::int64_t{});
    case DType::int32:
      return as(std::int32_t{});
    case DType::uint8:
      return as(std::uint8_t{});
    case DType::uint16:
      return as(std::uint16_t{});
  }
}

/// Calls `write(data, bytes)` with the elements in row-major N,C,H,W order, in one part or, for nhwc, a plane
/// at a time.
template <class T, class Write>
void write_elements(TensorView<const T, Cpu> view, const Write& write) {
  if (view.row_major()) {
    if (view.count() > 0) write(static_cast<const void*>(view.data()), view.bytes());
    return;
  }
  std::vector<T> plane(static_cast<std::size_t>(view[2] * view[3]));
  for (Index n = 0; n < view[0]; ++n)
    for (Index c = 0; c < view[1]; ++c) {
      for (Index y = 0; y < view[2]; ++y)
        for (Index x = 0; x < view[3]; ++x)
          plane[static_cast<std::size_t>(y * view[3] + x)] = view(n, c, y, x);
      write(static_cast<const void*>(plane.data()), plane.size() * sizeof(T));
    }
}

}  // namespace deconv::io
