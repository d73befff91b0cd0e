#pragma once

#include "deconv/core/shape.hpp"
#include "deconv/ops/window2d.hpp"

namespace deconv {

/// Geometry of a transposed convolution: the reverse-to-data pass of a convolution as a forward layer.
/// Weights are C x K/groups x R x S, src N x C x H x W, dst N x K x P x Q with P = (H-1) stride - top -
/// bottom + reach + extra_y.
struct Conv2dTransposeParams {
  Window2d window;  ///< rounding is not used
  Index groups = 1;
  Index extra_y = 0, extra_x = 0;  ///< rows and columns added at bottom and right (ONNX's output_padding)
  friend bool operator==(const Conv2dTransposeParams&, const Conv2dTransposeParams&) = default;
};

/// N x K x P x Q. Throws ShapeError when ranks, channels, groups or windows do not fit; `what` names the
/// layer.
[[nodiscard]] inline Shape conv2d_transpose_output_shape(const Shape& src, Index out_channels,
                                                         const Conv2dTransposeParams& params,
                                                         std::string_view what = "conv2d_transpose") {
  const Window2d& w = params.window;
  w.check(what);
  require<ShapeError>(src.rank() == 4, what, ": wants a rank-4 input N,C,H,W, met ", src);
  require<ShapeError>(params.groups >= 1 && src[1] % params.groups == 0 && out_channels % params.groups == 0,
                      what, ": ", params.groups, " groups do not divide ", src[1], " input and ",
                      out_channels, " output channels");
  const Index height =
      (src[2] - 1) * w.stride_y - w.padding.top - w.padding.bottom + w.reach_y() + params.extra_y;
  const Index width =
      (src[3] - 1) * w.stride_x - w.padding.left - w.padding.right + w.reach_x() + params.extra_x;
  require<ShapeError>(height >= 1 && width >= 1, what, ": window ", w, " leaves nothing of an output of ",
                      height, "x", width);
  return {src[0], out_channels, height, width};
}

}  // namespace deconv
