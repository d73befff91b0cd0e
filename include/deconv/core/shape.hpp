#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <ostream>
#include <span>
#include <string>

#include "deconv/core/error.hpp"

namespace deconv {

/// Signed so that window arithmetic may step outside a plane.
using Index = std::int64_t;

/// Extents of a tensor, outermost first, at most eight of them. Every extent is >= 0, and the product fits
/// Index: both are checked whenever a Shape is made, so nothing downstream multiplies unchecked.
class Shape {
 public:
  static constexpr std::size_t max_rank = 8;

  Shape() = default;
  Shape(std::initializer_list<Index> extents)
      : Shape(std::span<const Index>(extents.begin(), extents.size())) {}
  explicit Shape(std::span<const Index> extents) {
    require<ShapeError>(extents.size() <= max_rank, "a shape has at most ", max_rank, " extents, met ",
                        extents.size());
    rank_ = extents.size();
    std::copy(extents.begin(), extents.end(), extents_.begin());
    check();
  }

  [[nodiscard]] std::size_t rank() const noexcept { return rank_; }
  [[nodiscard]] Index operator[](std::size_t axis) const noexcept { return extents_[axis]; }
  /// The extent of `axis`, counted from the back when negative. Throws ShapeError when there is no such axis.
  [[nodiscard]] Index extent(Index axis) const { return extents_[normal_axis(axis)]; }
  /// `axis` with negative values counted from the back. Throws ShapeError when there is no such axis.
  [[nodiscard]] std::size_t normal_axis(Index axis) const {
    const Index rank = static_cast<Index>(rank_);
    require<ShapeError>(axis >= -rank && axis < rank, "axis ", axis, " of a shape of rank ", rank);
    return static_cast<std::size_t>(axis < 0 ? axis + rank : axis);
  }
  /// Product of all extents; 1 for rank 0.
  [[nodiscard]] Index count() const noexcept { return count_; }
  [[nodiscard]] std::span<const Index> extents() const noexcept { return {extents_.data(), rank_}; }
  [[nodiscard]] const Index* begin() const noexcept { return extents_.data(); }
  [[nodiscard]] const Index* end() const noexcept { return extents_.data() + rank_; }

  /// The same shape with one extent changed.
  [[nodiscard]] Shape with(Index axis, Index extent) const {
    Shape changed = *this;
    changed.extents_[normal_axis(axis)] = extent;
    changed.check();
    return changed;
  }

  friend bool operator==(const Shape& a, const Shape& b) noexcept {
    return std::ranges::equal(a.extents(), b.extents());
  }
  friend std::ostream& operator<<(std::ostream& out, const Shape& shape) {
    out << '[';
    for (std::size_t i = 0; i < shape.rank_; ++i) out << (i ? "," : "") << shape.extents_[i];
    return out << ']';
  }

 private:
  void check() {
    count_ = 1;
    bool empty = false;
    for (const Index extent : extents()) {
      require<ShapeError>(extent >= 0, "negative extent in shape ", *this);
      if (extent == 0) {
        empty = true;
        continue;
      }
      // Leaves room for eight-byte elements, so that byte counts fit too.
      require<ShapeError>(count_ <= std::numeric_limits<Index>::max() / 16 / extent, "shape ", *this,
                          " is too large");
      count_ *= extent;
    }
    if (empty) count_ = 0;
  }

  std::array<Index, max_rank> extents_{};
  std::size_t rank_ = 0;
  Index count_ = 1;
};

/// How the elements of a rank-4 tensor lie in memory. Extents are always given as N,C,H,W. `nhwc` keeps the
/// channels of a pixel together: the Cpu and Cuda devices compute in it; public boundaries use `nchw`.
enum class Layout : std::uint8_t { nchw, nhwc };

[[nodiscard]] inline const char* name_of(Layout layout) noexcept {
  return layout == Layout::nchw ? "nchw" : "nhwc";
}

}  // namespace deconv
