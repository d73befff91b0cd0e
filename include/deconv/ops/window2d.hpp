#pragma once

#include <ostream>

#include "deconv/core/error.hpp"
#include "deconv/core/shape.hpp"

namespace deconv {

/// How a window count that does not divide evenly is rounded. `ceil` keeps the last, partly overhanging
/// window unless it would start beyond the image and its leading padding (Caffe's and cuda-convnet's rule).
enum class Rounding : std::uint8_t { floor, ceil };

/// Pixels added around an image, each side by itself. Never negative here (Pad2d may also crop).
struct Padding {
  Index top = 0, left = 0, bottom = 0, right = 0;
  static constexpr Padding all(Index pixels) noexcept { return {pixels, pixels, pixels, pixels}; }
  friend bool operator==(const Padding&, const Padding&) = default;
};

/// The geometry that convolutions and poolings share: output pixel (p, q) sees the input pixels
/// (p * stride_y - padding.top + r * dilation_y, q * stride_x - padding.left + s * dilation_x), r < kernel_y,
/// s < kernel_x.
struct Window2d {
  Index kernel_y = 1, kernel_x = 1;
  Index stride_y = 1, stride_x = 1;
  Index dilation_y = 1, dilation_x = 1;
  Padding padding;
  Rounding rounding = Rounding::floor;

  /// A square window with equal strides and padding.
  static constexpr Window2d square(Index kernel, Index stride = 1, Index pad = 0,
                                   Rounding rounding = Rounding::floor) noexcept {
    return {kernel, kernel, stride, stride, 1, 1, Padding::all(pad), rounding};
  }
  [[nodiscard]] constexpr Index taps() const noexcept { return kernel_y * kernel_x; }
  /// Input pixels from the window's first to its last tap.
  [[nodiscard]] constexpr Index reach_y() const noexcept { return (kernel_y - 1) * dilation_y + 1; }
  [[nodiscard]] constexpr Index reach_x() const noexcept { return (kernel_x - 1) * dilation_x + 1; }
  friend bool operator==(const Window2d&, const Window2d&) = default;

  /// Throws ShapeError on extents below 1, negative padding, or numbers so large that window arithmetic could
  /// wrap.
  void check(std::string_view what) const;
  /// Output rows for `height` input rows; columns likewise. Throws ShapeError when no window fits.
  [[nodiscard]] Index output_height(Index height, std::string_view what) const;
  [[nodiscard]] Index output_width(Index width, std::string_view what) const;
};

inline std::ostream& operator<<(std::ostream& out, const Window2d& w) {
  out << w.kernel_y << 'x' << w.kernel_x << " stride " << w.stride_y << 'x' << w.stride_x;
  if (w.dilation_y != 1 || w.dilation_x != 1) out << " dilation " << w.dilation_y << 'x' << w.dilation_x;
  if (w.padding != Padding{})
    out << " pad " << w.padding.top << ',' << w.padding.left << ',' << w.padding.bottom << ','
        << w.padding.right;
  if (w.rounding == Rounding::ceil) out << " ceil";
  return out;
}

namespace detail {

inline Index window_count(Index extent, Index reach, Index stride, Index before, Index after,
                          Rounding rounding, std::string_view what, const Window2d& window) {
  const Index room = extent + before + after - reach;
  // With ceil rounding one overhanging window may serve an image that is smaller than the kernel.
  const bool fits = room >= 0 || (rounding == Rounding::ceil && room > -stride && extent > 0);
  require<ShapeError>(fits, what, ": window ", window, " does not fit an extent of ", extent);
  Index count = room < 0 ? 1 : room / stride + 1;
  if (rounding == Rounding::ceil && room >= 0) {
    count = (room + stride - 1) / stride + 1;
    if ((count - 1) * stride >= extent + before) --count;
  }
  return count;
}

}  // namespace detail

inline void Window2d::check(std::string_view what) const {
  constexpr Index limit = Index{1} << 31;
  const auto positive = [&](Index value) { return value >= 1 && value < limit; };
  require<ShapeError>(positive(kernel_y) && positive(kernel_x) && positive(stride_y) && positive(stride_x) &&
                          positive(dilation_y) && positive(dilation_x),
                      what, ": kernel, stride and dilation must be at least 1, met ", *this);
  const auto sane = [&](Index value) { return value >= 0 && value < limit; };
  require<ShapeError>(sane(padding.top) && sane(padding.left) && sane(padding.bottom) && sane(padding.right),
                      what, ": padding must not be negative, met ", *this);
}

inline Index Window2d::output_height(Index height, std::string_view what) const {
  return detail::window_count(height, reach_y(), stride_y, padding.top, padding.bottom, rounding, what,
                              *this);
}

inline Index Window2d::output_width(Index width, std::string_view what) const {
  return detail::window_count(width, reach_x(), stride_x, padding.left, padding.right, rounding, what, *this);
}

}  // namespace deconv
