#pragma once

#include <optional>

#include "deconv/ops/cuda/conv2d.hpp"

// Fully connected layers are convolutions of images of one pixel, and the same kernels, but for the passes of
// few images, which are bound by the weights' bytes and have kernels of their own. See ops/linear.hpp.
namespace deconv::cuda {

/// linear_forward for 1 to 8 images, at the rate at which weights can be read (kernels/linear_few.cu); sums
/// in float, products of floats exact under any Maths. Returns false, and has done nothing, where there are
/// more images, or a row of weights or the operands' memory is no multiple of 16 bytes. `splits`: parts that
/// the sums are split into, 0: chosen by the weights' shape.
template <class T>
[[nodiscard]] bool linear_few_forward(const Context<Cuda>& context, TensorView<const T, Cuda> src,
                                      TensorView<const T, Cuda> weights, const T* bias,
                                      TensorView<T, Cuda> dst, std::optional<float> negative_slope,
                                      int splits = 0);
/// linear_reverse_data likewise.
template <class T>
[[nodiscard]] bool linear_few_reverse_data(const Context<Cuda>& context, TensorView<const T, Cuda> diff_dst,
                                           TensorView<const T, Cuda> weights, TensorView<T, Cuda> diff_src,
                                           int splits = 0);

/// A row-major matrix as rows x columns x 1 x 1 in nhwc.
template <class T>
[[nodiscard]] TensorView<T, Cuda> as_pixels(TensorView<T, Cuda> matrix) {
  return {matrix.data(), {matrix[0], matrix[1], 1, 1}, Layout::nhwc};
}

template <class T>
void linear_forward(const Context<Cuda>& context, TensorView<const T, Cuda> src,
                    TensorView<const T, Cuda> weights, const T* bias, TensorView<T, Cuda> dst,
                    std::optional<float> negative_slope) {
  if (!linear_few_forward<T>(context, src, weights, bias, dst, negative_slope))
    conv2d_forward<T>(context, as_pixels(src), as_pixels(weights), bias, {}, as_pixels(dst), negative_slope);
}

template <class T>
void linear_reverse_data(const Context<Cuda>& context, TensorView<const T, Cuda> diff_dst,
                         TensorView<const T, Cuda> weights, TensorView<T, Cuda> diff_src) {
  if (!linear_few_reverse_data<T>(context, diff_dst, weights, diff_src))
    conv2d_reverse_data<T>(context, as_pixels(diff_dst), as_pixels(weights), nullptr, {},
                           as_pixels(diff_src));
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
