#pragma once

#include <optional>

#include "deconv/ops/reference/conv2d.hpp"
#include "deconv/ops/reference/max_pool2d.hpp"
#include "deconv/ops/reference/relu.hpp"
#include "deconv/ops/unpool_conv2d.hpp"

namespace deconv::reference {

/// As deconv::unpool_conv2d_reverse_data: the three ops one after the other.
template <class T>
void unpool_conv2d_reverse_data(Source<T, Cpu> diff_dst, SwitchesView<const std::byte, Cpu> switches,
                                const MaxPool2dParams& pool, OverlapRule overlap,
                                std::optional<float> negative_slope, const Shape& plane,
                                Source<T, Cpu> weights, const Conv2dParams& params,
                                TensorView<T, Cpu> diff_src) {
  Tensor<T, Cpu> values(plane, diff_dst.layout());
  unpool2d<T>(diff_dst, switches, pool, overlap, values.view());
  if (negative_slope) relu_reverse<T>(RectifierRule::deconvnet, values, {}, *negative_slope, values.view());
  conv2d_reverse_data<T>(values, weights, params, diff_src);
}

}  // namespace deconv::reference
