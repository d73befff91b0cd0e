#pragma once

#include "deconv/core/context.hpp"
#include "deconv/ops/conv2d_params.hpp"
#include "deconv/ops/cuda/conv2d.hpp"
#include "deconv/ops/cuda/linear.hpp"
#include "deconv/ops/weight_step.hpp"

// The launchers of ops/update_weights.hpp; kernels/conv2d_reverse_weights.cu. T is float, half or bfloat16.
// Tensors are nhwc.
namespace deconv::cuda {

template <class T>
void conv2d_update_weights(const Context<Cuda>& context, TensorView<const T, Cuda> src,
                           TensorView<const T, Cuda> diff_dst, const Conv2dParams& params,
                           const WeightStep<T, Cuda>& step, TileChoice choice = {});

template <class T>
void linear_update_weights(const Context<Cuda>& context, TensorView<const T, Cuda> src,
                           TensorView<const T, Cuda> diff_dst, WeightStep<T, Cuda> step) {
  step.velocity = as_pixels(step.velocity);
  step.weights = as_pixels(step.weights);
  if (!step.rounded.empty()) step.rounded = as_pixels(step.rounded);
  conv2d_update_weights<T>(context, as_pixels(src), as_pixels(diff_dst), {}, step);
}

}  // namespace deconv::cuda
