#pragma once

#include "deconv/ops/max_pool2d.hpp"

namespace deconv {

/// Geometry and divisor of an average pooling. With `count_padding` a window's divisor counts its taps inside the padded
/// image (Caffe; PyTorch's and ONNX's count_include_pad), without it only the taps inside the image itself.
struct AveragePool2dParams {
  Window2d window;
  bool count_padding = false;
  friend bool operator==(const AveragePool2dParams&, const AveragePool2dParams&) = default;
};

}  // namespace deconv
