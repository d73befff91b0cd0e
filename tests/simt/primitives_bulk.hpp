#pragma once

#include <cuda_runtime.h>

#include <cstdint>
#include <cstring>
#include <vector>

#include "common/shared_memory.cuh"
#include "common/tensor_map.cuh"
#include "primitives.cuh"

// What the tests of bulk copies share: a tensor of numbers that tell where they stand, and where a box's rows
// lie in shared memory, by rows and chunks where the device's code goes by addresses.
namespace primitives {

using deconv::cuda::Im2colShape;
using deconv::cuda::MapElement;
using deconv::cuda::Mbarrier;
using deconv::cuda::Swizzle;
using deconv::cuda::TensorMap;
using deconv::cuda::TiledShape;

/// Bulk copies came with compute capability 9.0.
inline bool has_bulk_copies() {
  int major = 0;
  check(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, 0));
  return major >= 9;
}

/// Dynamic shared memory from a multiple of 1024 bytes on, at which every swizzle's pattern begins. Kernels
/// ask for 1024 bytes more than they use.
template <class T>
__device__ T* swizzled_shared() {
  const auto address = reinterpret_cast<std::uintptr_t>(deconv::cuda::dynamic_shared<char>());
  return reinterpret_cast<T*>((address + 1023) / 1024 * 1024);
}

/// The byte of a box in shared memory at which byte `column` of row `row` lies.
inline std::size_t place_in_box(Swizzle swizzle, std::size_t row_bytes, std::size_t row, std::size_t column) {
  const std::size_t chunk = column / 16, rest = column % 16;
  switch (swizzle) {
    case Swizzle::none:
      break;
    case Swizzle::span32:
      return row * 32 + (chunk ^ (row / 4 % 2)) * 16 + rest;
    case Swizzle::span64:
      return row * 64 + (chunk ^ (row / 2 % 4)) * 16 + rest;
    case Swizzle::span128:
      return row * 128 + (chunk ^ (row % 8)) * 16 + rest;
  }
  return row * row_bytes + column;
}

/// Bits of an element that say its number: float counts, 16-bit elements are numbered through.
inline std::uint32_t numbered_bits(MapElement element, std::size_t number) {
  if (deconv::cuda::bytes_of(element) == 2) return static_cast<std::uint32_t>(number % 65521 + 1);
  const float value = static_cast<float>(number % (std::size_t{1} << 23) + 1);
  std::uint32_t bits = 0;
  std::memcpy(&bits, &value, 4);
  return bits;
}

inline void put_element(std::vector<std::uint8_t>& bytes, std::size_t at, MapElement element,
                        std::uint32_t bits) {
  std::memcpy(bytes.data() + at, &bits, deconv::cuda::bytes_of(element));
}

/// A tensor in rows of `row_bytes`, numbered element after element; what pads the rows is 0xee.
struct NumberedTensor {
  MapElement element;
  std::vector<std::uint64_t> extents;  // axis 0 first
  std::vector<std::uint64_t> strides;  // of axes 1.. in bytes
  std::vector<std::uint8_t> bytes;

  NumberedTensor(MapElement type, std::vector<std::uint64_t> sizes, std::size_t padding)
      : element(type), extents(std::move(sizes)) {
    const std::size_t width = deconv::cuda::bytes_of(element);
    std::size_t stride = (extents[0] * width + 15) / 16 * 16 + padding, rows = 1;
    for (std::size_t axis = 1; axis < extents.size(); ++axis) {
      strides.push_back(stride);
      stride = stride * extents[axis] + padding;
      rows *= extents[axis];
    }
    bytes.assign(stride, std::uint8_t{0xee});
    std::size_t number = 0;
    std::vector<std::int64_t> at(extents.size());
    for (std::size_t row = 0; row < rows; ++row) {
      for (at[0] = 0; at[0] < static_cast<std::int64_t>(extents[0]); ++at[0])
        put_element(bytes, offset(at), element, numbered_bits(element, number++));
      at[0] = 0;
      for (std::size_t axis = 1; axis < extents.size(); ++axis) {
        if (++at[axis] < static_cast<std::int64_t>(extents[axis])) break;
        at[axis] = 0;
      }
    }
  }

  [[nodiscard]] bool inside(const std::vector<std::int64_t>& at) const {
    for (std::size_t axis = 0; axis < extents.size(); ++axis) {
      if (at[axis] < 0 || at[axis] >= static_cast<std::int64_t>(extents[axis])) return false;
    }
    return true;
  }
  [[nodiscard]] std::size_t offset(const std::vector<std::int64_t>& at) const {
    std::size_t bytes_before = static_cast<std::size_t>(at[0]) * deconv::cuda::bytes_of(element);
    for (std::size_t axis = 1; axis < extents.size(); ++axis)
      bytes_before += static_cast<std::size_t>(at[axis]) * strides[axis - 1];
    return bytes_before;
  }
  /// The bits there, zero outside.
  [[nodiscard]] std::uint32_t bits(const std::vector<std::int64_t>& at) const {
    std::uint32_t value = 0;
    if (inside(at)) std::memcpy(&value, bytes.data() + offset(at), deconv::cuda::bytes_of(element));
    return value;
  }
};

}  // namespace primitives
