#pragma once

#include <optional>

#include "deconv/ops/cuda/conv2d.hpp"

// Fully connected layers are convolutions of images of one pixel: the same kernels. See ops/linear.hpp.
namespace deconv::cuda {

/// A row-major matrix as rows x columns x 1 x 1 in nhwc.
template <class T>
[[nodiscard]] TensorView<T, Cuda> as_pixels(TensorView<T, Cuda> matrix) {
  return {matrix.data(), {matrix[0], matrix[1], 1, 1}, Layout::nhwc};
}

template <class T>
void linear_forward(const Context<Cuda>& context, TensorView<const T, Cuda> src,
                    TensorView<const T, Cuda> weights, const T* bias, TensorView<T, Cuda> dst,
                    std::optional<float> negative_slope) {
  conv2d_forward<T>(context, as_pixels(src), as_pixels(weights), bias, {}, as_pixels(dst), negative_slope);
}

template <class T>
void linear_reverse_data(const Context<Cuda>& context, TensorView<const T, Cuda> diff_dst,
                         TensorView<const T, Cuda> weights, TensorView<T, Cuda> diff_src) {
  conv2d_reverse_data<T>(context, as_pixels(diff_dst), as_pixels(weights), nullptr, {}, as_pixels(diff_src));
}

/// `diff_bias` may be null.
template <class T>
void linear_reverse_weights(const Context<Cuda>& context, TensorView<const T, Cuda> src,
                            TensorView<const T, Cuda> diff_dst, TensorView<T, Cuda> diff_weights,
                            T* diff_bias) {
  conv2d_reverse_weights<T>(context, as_pixels(src), as_pixels(diff_dst), {}, as_pixels(diff_weights));
  if (diff_bias != nullptr) channel_sums<T>(context, diff_dst.data(), diff_dst[0], diff_dst[1], diff_bias);
}

}  // namespace deconv::cuda
