#pragma once

#include <algorithm>
#include <vector>

#include "deconv/core/shape.hpp"

// Which taps of which windows meet which pixels, one axis at a time.
namespace deconv::detail {

constexpr Index ceil_div(Index a, Index b) noexcept { return a >= 0 ? (a + b - 1) / b : -((-a) / b); }
constexpr Index floor_div(Index a, Index b) noexcept { return a >= 0 ? a / b : -((-a + b - 1) / b); }

/// One axis of a window geometry: output p's tap r sees input p * stride - before + r * dilation.
struct WindowAxis {
  Index kernel, stride, dilation, before;
};

/// The taps [first, last) of one output that lie inside an axis of some extent; `start` is tap 0's place
/// there.
struct TapRange {
  Index start, first, last;
  [[nodiscard]] bool empty() const noexcept { return first >= last; }
};

constexpr TapRange taps_inside(const WindowAxis& axis, Index output, Index extent) noexcept {
  const Index start = output * axis.stride - axis.before;
  const Index first = start >= 0 ? 0 : ceil_div(-start, axis.dilation);
  const Index last = std::min(axis.kernel, start >= extent ? 0 : ceil_div(extent - start, axis.dilation));
  return {start, first, std::max(first, last)};
}

/// For each input place of an axis, the outputs whose windows cover it, ascending, and by which tap.
class Coverage {
 public:
  struct Entry {
    Index output, tap;
  };

  Coverage(const WindowAxis& axis, Index inputs, Index outputs) {
    begins_.reserve(static_cast<std::size_t>(inputs) + 1);
    begins_.push_back(0);
    const Index reach = (axis.kernel - 1) * axis.dilation;
    for (Index y = 0; y < inputs; ++y) {
      const Index first = std::max<Index>(0, ceil_div(y + axis.before - reach, axis.stride));
      const Index last = std::min(outputs - 1, floor_div(y + axis.before, axis.stride));
      for (Index p = first; p <= last; ++p) {
        const Index distance = y + axis.before - p * axis.stride;
        if (distance % axis.dilation == 0) entries_.push_back({p, distance / axis.dilation});
      }
      begins_.push_back(entries_.size());
    }
  }
  [[nodiscard]] const Entry* begin(Index input) const noexcept {
    return entries_.data() + begins_[static_cast<std::size_t>(input)];
  }
  [[nodiscard]] const Entry* end(Index input) const noexcept {
    return entries_.data() + begins_[static_cast<std::size_t>(input) + 1];
  }

 private:
  std::vector<std::size_t> begins_;
  std::vector<Entry> entries_;
};

}  // namespace deconv::detail
