#pragma once

#include <cuda_runtime.h>

#include <bit>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "common/warpgroup.cuh"
#include "primitives.cuh"

// How the tests of a warpgroup's products lay matrices into shared memory: by rows of 16-byte chunks, where
// the device's code goes by addresses.
namespace primitives {

using deconv::cuda::MatrixSwizzle;

__host__ __device__ constexpr unsigned span_of(MatrixSwizzle swizzle) {
  return swizzle == MatrixSwizzle::bytes128  ? 128
         : swizzle == MatrixSwizzle::bytes64 ? 64
         : swizzle == MatrixSwizzle::bytes32 ? 32
                                             : 16;
}

/// One operand: `lines` rows (of a) or columns (of b), `steps` instructions of 32 bytes along k each.
struct Layout {
  MatrixSwizzle swizzle;
  bool across;
  unsigned element, lines, steps;
  unsigned leading, stride;  // of the descriptor
  unsigned panel;            // bytes from one span's worth of k to the next
  unsigned bytes;            // in all, a multiple of 1024

  /// Where the descriptor of step k begins.
  __host__ __device__ unsigned step_at(int k) const {
    const unsigned step = static_cast<unsigned>(k);
    if (across) return step * 16 / 8 * (swizzle == MatrixSwizzle::none ? leading : stride);
    if (swizzle == MatrixSwizzle::none) return step * 2 * leading;
    const unsigned in_span = span_of(swizzle) / 32;
    return step / in_span * panel + step % in_span * 32;
  }

  /// The byte at which element (line, k) lies.
  [[nodiscard]] unsigned place(int line_, int k_) const {
    const unsigned line = static_cast<unsigned>(line_), k = static_cast<unsigned>(k_);
    const unsigned span = span_of(swizzle), chunks = span / 16, in_chunk = 16 / element;
    // The contiguous axis in chunks of 16 bytes, the other one in groups of eight.
    const unsigned along = across ? line : k, other = across ? k : line;
    const unsigned chunk = along / in_chunk, row = other % 8, eight = other / 8;
    // Which of its row's places a chunk takes.
    const unsigned turned = chunks == 8   ? chunk % 8 ^ row
                            : chunks == 4 ? chunk % 4 ^ row / 2
                            : chunks == 2 ? chunk % 2 ^ row / 4
                                          : 0;
    unsigned block;
    if (swizzle == MatrixSwizzle::none) {
      block = across ? chunk * stride + eight * leading : chunk * leading + eight * stride;
    } else {
      block = chunk / chunks * (across ? leading : panel) + eight * stride;
    }
    return block + row * span + turned * 16 + along % in_chunk * element;
  }
};

/// `apart`: between groups of eight rows lies as much again that belongs to nobody.
inline Layout layout_of(MatrixSwizzle swizzle, bool across, unsigned lines, unsigned element, unsigned steps,
                        bool apart) {
  Layout layout{swizzle, across, element, lines, steps, 0, 0, 0, 0};
  const unsigned span = span_of(swizzle), core = 8 * span * (apart ? 2 : 1);
  const unsigned depth = steps * 32 / element;
  if (swizzle == MatrixSwizzle::none) {
    // Eight rows after eight rows, then the next chunk along the contiguous axis.
    const unsigned eights = (across ? depth : lines) / 8, chunks = (across ? lines : depth) * element / 16;
    (across ? layout.leading : layout.stride) = core;
    (across ? layout.stride : layout.leading) = core * eights;
    layout.bytes = core * eights * chunks;
  } else {
    layout.stride = core;
    if (across) {
      layout.leading = depth / 8 * core;
      layout.bytes = layout.leading * (lines * element / span);
    } else {
      layout.panel = lines / 8 * core;
      layout.bytes = layout.panel * ((depth * element + span - 1) / span);
    }
  }
  layout.bytes = (layout.bytes + 1023) / 1024 * 1024;
  return layout;
}

// Small integers: every sum is exact, whatever the order.
__host__ __device__ constexpr float start_value(int row, int column) {
  return static_cast<float>(row * 3 - column);
}
inline float a_value(int row, int k) { return static_cast<float>((row * 7 + k * 3 + row * k % 5) % 13 - 6); }
inline float b_value(int k, int column) {
  return static_cast<float>((k * 5 + column * 11 + k * column % 7) % 17 - 8);
}

template <class Element>
void put(unsigned char* place, float value) {
  if constexpr (std::is_same_v<Element, deconv::cuda::Tf32>) {
    // What the units do not look at is set.
    const std::uint32_t bits = std::bit_cast<std::uint32_t>(value) | 0x1fffu;
    std::memcpy(place, &bits, 4);
  } else {
    const auto bits = Element(value).bits;
    std::memcpy(place, &bits, 2);
  }
}

/// Whether the tests' device has them: from compute capability 9.0 on, and in no other generation.
inline bool has_warpgroup_products() {
  int major = 0;
  check(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, 0));
  return major == 9;
}

}  // namespace primitives
