#pragma once

#include <cmath>
#include <concepts>
#include <string_view>
#include <type_traits>

#include "deconv/core/context.hpp"
#include "deconv/ops/conv2d.hpp"
#include "deconv/ops/convert.hpp"
#include "deconv/ops/cuda/update_weights.hpp"
#include "deconv/ops/linear.hpp"
#include "deconv/ops/operands.hpp"
#include "deconv/ops/sgd_update.hpp"
#include "deconv/ops/weight_step.hpp"

// Weights' gradients and the step of gradient descent in one. The results have the bits of the two ops one
// after the other: conv2d_reverse_weights or linear_reverse_weights to a gradient in T, then sgd_update in
// float. On Cuda the gradient stays in registers where the parts of its sums are added: 8 bytes a weight less
// than the two take in float, 16 less in half and bfloat16 (docs/kernels/training.md).
namespace deconv {

/// The step for a gradient that lies in memory. Throws as sgd_update does, and ShapeError.
template <class T, Device D>
void take_step(const Context<D>& context, Source<T, D> gradient, const WeightStep<T, D>& step) {
  if constexpr (std::same_as<T, float>) {
    sgd_update<float>(context, step.sgd, gradient, step.velocity, step.weights);
  } else {
    detail::check_alike("take_step", "rounded", step.weights, step.rounded);
    auto floats = context.template make<float>(gradient.shape(), gradient.layout());
    convert(context, gradient, floats.view());
    sgd_update<float>(context, step.sgd, floats.view(), step.velocity, step.weights);
    convert(context, step.weights, step.rounded);
  }
}

namespace detail {

template <class T, Device D>
void check_step(std::string_view what, const WeightStep<T, D>& step) {
  check_alike(what, "velocity", step.weights, step.velocity);
  if constexpr (!std::same_as<T, float>) check_alike(what, "rounded", step.weights, step.rounded);
  check_sgd(what, step.sgd);
}

}  // namespace detail

/// conv2d_reverse_weights and the step: src N x C x H x W, diff_dst N x K x P x Q in either layout; the
/// step's tensors K x C/groups x R x S. The bias has no step: its gradient (K) is written, unless the view is
/// empty. What the data pass reads is changed, so that it comes first. Throws ShapeError and ArgumentError.
/// Cost: the forward pass's flops; 16 bytes a weight (18 where they are
/// rounded) beside the product's operands and the parts of its sums.
template <class T, Device D>
void conv2d_update_weights(const Context<D>& context, Source<T, D> src, Source<T, D> diff_dst,
                           const Conv2dParams& params, const WeightStep<T, D>& step,
                           std::type_identity_t<TensorView<T, D>> diff_bias) {
  constexpr std::string_view what = "conv2d update of weights";
  detail::check_conv2d(src.shape(), step.weights.shape(), diff_bias.shape(), !diff_bias.empty(), params,
                       diff_dst.shape(), what);
  detail::check_step(what, step);
  if constexpr (std::same_as<D, Cuda>) {
    // The sums come in nhwc.
    if (!detail::seen_in(step.weights, detail::convolution_layout).empty())
      return detail::with_source_in<T>(
          context, src, detail::convolution_layout, [&](TensorView<const T, D> from) {
            detail::with_source_in<T>(
                context, diff_dst, detail::convolution_layout, [&](TensorView<const T, D> signal) {
                  cuda::conv2d_update_weights<T>(context, from, signal, params, step);
                  if (!diff_bias.empty())
                    cuda::channel_sums<T>(context, signal.data(), signal[0] * signal[2] * signal[3],
                                          signal[1], diff_bias.data());
                });
          });
  }
  auto gradient = context.template make<T>(step.weights.shape(), step.weights.layout());
  conv2d_reverse_weights<T>(context, src, diff_dst, params, gradient.view(), diff_bias);
  take_step<T>(context, gradient.view(), step);
}

/// linear_reverse_weights and the step: src N x F, diff_dst N x O, the step's tensors O x F. As
/// conv2d_update_weights otherwise.
template <class T, Device D>
void linear_update_weights(const Context<D>& context, Source<T, D> src, Source<T, D> diff_dst,
                           const WeightStep<T, D>& step, std::type_identity_t<TensorView<T, D>> diff_bias) {
  constexpr std::string_view what = "linear update of weights";
  detail::check_linear(src.shape(), step.weights.shape(), diff_bias.shape(), !diff_bias.empty(),
                       diff_dst.shape(), what);
  detail::check_step(what, step);
  if constexpr (std::same_as<D, Cuda>) {
    cuda::linear_update_weights<T>(context, src, diff_dst, step);
    if (!diff_bias.empty())
      cuda::channel_sums<T>(context, diff_dst.data(), diff_dst[0], diff_dst[1], diff_bias.data());
  } else {
    auto gradient = context.template make<T>(step.weights.shape());
    linear_reverse_weights<T>(context, src, diff_dst, gradient.view(), diff_bias);
    take_step<T>(context, gradient.view(), step);
  }
}

}  // namespace deconv
