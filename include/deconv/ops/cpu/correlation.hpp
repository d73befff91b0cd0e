#pragma once

#include <compare>
#include <memory>
#include <mutex>
#include <optional>
#include <tuple>
#include <vector>

#include "deconv/core/context.hpp"
#include "deconv/core/tensor_view.hpp"
#include "deconv/ops/window2d.hpp"

namespace deconv::cpu {

/// One correlation with every extent spelled out: the form in which both the forward convolution and the
/// phases of its reverse-to-data pass reach a backend. Output (p, q) sees input (p * stride_y - top + r *
/// dilation_y, ...); taps outside the input read 0. `top` and `left` are >= 0.
struct Correlation {
  Index images = 0, groups = 1;
  Index in_channels = 0, height = 0, width = 0;
  Index out_channels = 0, out_height = 0, out_width = 0;
  Index kernel_y = 1, kernel_x = 1;
  Index stride_y = 1, stride_x = 1;
  Index dilation_y = 1, dilation_x = 1;
  Index top = 0, left = 0;
  Layout layout = Layout::nhwc;

  friend auto operator<=>(const Correlation&, const Correlation&) = default;

  [[nodiscard]] Shape src_shape() const { return {images, in_channels, height, width}; }
  [[nodiscard]] Shape dst_shape() const { return {images, out_channels, out_height, out_width}; }
  [[nodiscard]] Shape weights_shape() const {
    return {out_channels, in_channels / groups, kernel_y, kernel_x};
  }
  /// Multiply-adds, taps in the padding included.
  [[nodiscard]] double multiply_adds() const {
    return static_cast<double>(dst_shape().count()) *
           static_cast<double>(weights_shape().count() / out_channels);
  }
};

/// What is done to a correlation's sums before they are stored: bias, then optionally a rectifier.
template <class T>
struct Epilogue {
  const T* bias = nullptr;
  std::optional<float> negative_slope;  ///< with a value: max(x, 0) + slope * min(x, 0)
};

}  // namespace deconv::cpu
