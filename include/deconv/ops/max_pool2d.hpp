#pragma once

#include "deconv/core/shape.hpp"
#include "deconv/ops/window2d.hpp"

namespace deconv {

/// Geometry of a pooling; padding never wins a maximum.
struct MaxPool2dParams {
  Window2d window;
  friend bool operator==(const MaxPool2dParams&, const MaxPool2dParams&) = default;
};

/// N x C x P x Q. Throws ShapeError when rank or windows do not fit; `what` names the layer.
[[nodiscard]] inline Shape pool2d_output_shape(const Shape& src, const Window2d& window, std::string_view what = "pool2d") {
  window.check(what);
  require<ShapeError>(src.rank() == 4, what, ": wants a rank-4 input N,C,H,W, met ", src);
  return {src[0], src[1], window.output_height(src[2], what), window.output_width(src[3], what)};
}

}  // namespace deconv
