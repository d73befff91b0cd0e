#pragma once

#include "deconv/core/error.hpp"
#include "deconv/core/shape.hpp"

namespace deconv {

/// Rows and columns of a constant added around each plane; negative numbers crop.
struct Pad2dParams {
  Index top = 0, left = 0, bottom = 0, right = 0;
  float value = 0;
  friend bool operator==(const Pad2dParams&, const Pad2dParams&) = default;
};

[[nodiscard]] inline Shape pad2d_output_shape(const Shape& src, const Pad2dParams& params, std::string_view what = "pad2d") {
  require<ShapeError>(src.rank() == 4, what, ": wants a rank-4 input N,C,H,W, met ", src);
  const Index height = src[2] + params.top + params.bottom;
  const Index width = src[3] + params.left + params.right;
  require<ShapeError>(height >= 1 && width >= 1, what, ": leaves nothing of a plane of ", src[2], "x", src[3]);
  return {src[0], src[1], height, width};
}

}  // namespace deconv
