#pragma once

#include <span>

#include "deconv/ops/window2d.hpp"

namespace deconv {

/// Geometry and divisor of an average pooling. With `count_padding` a window's divisor counts its taps inside
/// the padded image (Caffe; PyTorch's and ONNX's count_include_pad), without it only the taps inside the
/// image itself.
struct AveragePool2dParams {
  Window2d window;
  bool count_padding = false;
  friend bool operator==(const AveragePool2dParams&, const AveragePool2dParams&) = default;
};

/// Where windows cut from whole planes lie, for the divisors at the planes' borders: the first output of
/// image n's window is (tops[n], lefts[n]) of the whole output plane.
struct OutputOrigins {
  std::span<const Index> tops, lefts;
  Index height = 0, width = 0;  ///< of the whole input plane
  Padding padding;              ///< of the whole input plane
};

}  // namespace deconv
