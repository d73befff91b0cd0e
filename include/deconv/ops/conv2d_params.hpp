#pragma once

#include "deconv/core/shape.hpp"
#include "deconv/ops/window2d.hpp"

namespace deconv {

/// Geometry of a convolution. Weights are K x C/groups x R x S, src N x C x H x W, dst N x K x P x Q.
struct Conv2dParams {
  Window2d window;
  Index groups = 1;
  friend bool operator==(const Conv2dParams&, const Conv2dParams&) = default;
};

/// N x K x P x Q. Throws ShapeError when ranks, channels, groups or windows do not fit; `what` names the
/// layer.
[[nodiscard]] inline Shape conv2d_output_shape(const Shape& src, Index out_channels,
                                               const Conv2dParams& params, std::string_view what = "conv2d") {
  params.window.check(what);
  require<ShapeError>(src.rank() == 4, what, ": wants a rank-4 input N,C,H,W, met ", src);
  require<ShapeError>(params.groups >= 1 && src[1] % params.groups == 0 && out_channels % params.groups == 0,
                      what, ": ", params.groups, " groups do not divide ", src[1], " input and ",
                      out_channels, " output channels");
  return {src[0], out_channels, params.window.output_height(src[2], what),
          params.window.output_width(src[3], what)};
}

}  // namespace deconv
