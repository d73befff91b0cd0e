#pragma once

#include <optional>

#include "deconv/ops/conv2d_pool.hpp"
#include "deconv/ops/reference/conv2d.hpp"
#include "deconv/ops/reference/max_pool2d.hpp"
#include "deconv/ops/reference/relu.hpp"

namespace deconv::reference {

/// As deconv::conv2d_pool_forward: the three ops one after the other.
template <class T>
void conv2d_pool_forward(Source<T, Cpu> src, Source<T, Cpu> weights, Source<T, Cpu> bias,
                         const Conv2dParams& params, std::optional<float> negative_slope,
                         const MaxPool2dParams& pool, TensorView<T, Cpu> dst,
                         SwitchesView<std::byte, Cpu> switches = {}) {
  Tensor<T, Cpu> plane(conv2d_output_shape(src.shape(), weights[0], params), dst.layout());
  conv2d_forward<T>(src, weights, bias, params, plane.view());
  if (negative_slope) relu_forward<T>(plane, *negative_slope, plane.view());
  max_pool2d_forward<T>(plane, pool, dst, switches);
}

}  // namespace deconv::reference
