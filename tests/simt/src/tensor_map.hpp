#pragma once

// What the emulator keeps in the 128 bytes of a CUtensorMap, and the places that a box of it covers.

#include <cstdint>
#include <type_traits>

#include "../include/cuda.h"

namespace simt {

struct EncodedMap {
  static constexpr std::uint32_t made_here = 0x544d4150u;
  enum class Mode : std::uint8_t { tiled, im2col };

  std::uint32_t mark = 0;  ///< made_here
  Mode mode{};
  std::uint8_t rank = 0;
  std::uint8_t type = 0;   ///< a CUtensorMapDataType
  std::uint8_t span = 16;  ///< of the swizzle in bytes; 16: none
  std::uint64_t base = 0;
  std::uint64_t strides[5] = {};  ///< bytes; that of axis 0 is the element
  std::uint32_t extents_less_1[5] = {};
  std::uint16_t box[5] = {};  ///< im2col: channels, then pixels
  std::uint8_t steps[5] = {};
  std::int16_t lower[3] = {}, upper[3] = {};

  [[nodiscard]] unsigned element_bytes() const noexcept { return static_cast<unsigned>(strides[0]); }
  [[nodiscard]] std::int64_t extent(unsigned axis) const noexcept {
    return static_cast<std::int64_t>(extents_less_1[axis]) + 1;
  }
  [[nodiscard]] bool inside(unsigned axis, std::int64_t coordinate) const noexcept {
    return coordinate >= 0 && coordinate < extent(axis);
  }
  /// How many places a box has along an axis.
  [[nodiscard]] unsigned count(unsigned axis) const noexcept {
    return axis == 0 ? box[0] : (box[axis] + steps[axis] - 1u) / steps[axis];
  }
  [[nodiscard]] unsigned row_bytes() const noexcept { return box[0] * element_bytes(); }
  [[nodiscard]] unsigned rows() const noexcept;
  [[nodiscard]] unsigned bytes() const noexcept { return rows() * row_bytes(); }
  /// Where in shared memory the 16 bytes lie that would be at this address without swizzle.
  [[nodiscard]] std::uintptr_t swizzled(std::uintptr_t address) const noexcept {
    return address ^ ((address >> 3) & (span - 16u));
  }
};
static_assert(sizeof(EncodedMap) <= sizeof(CUtensorMap) && std::is_trivially_copyable_v<EncodedMap>);

/// Goes over the rows of a box of a tiled map, or the pixels of an im2col one, in the order of shared memory.
class BoxRows {
 public:
  BoxRows(const EncodedMap& map, const int* coordinates, const std::uint16_t* offsets);
  /// The address at which axis 0 begins, of this row; 0 outside the tensor.
  [[nodiscard]] std::uintptr_t start() const noexcept;
  void next() noexcept;
  /// Whether an im2col walk begins inside the map's box of pixels.
  [[nodiscard]] bool begins_in_box() const noexcept;

 private:
  const EncodedMap& map_;
  std::int64_t first_[5] = {}, at_[5] = {};  // coordinates
  std::int64_t offsets_[3] = {};
  unsigned index_[5] = {};
};

}  // namespace simt
