#pragma once

#include <string_view>

#include "deconv/core/context.hpp"
#include "deconv/ops/cuda/batch_norm.hpp"
#include "deconv/ops/operands.hpp"

namespace deconv {

namespace cpu {
template <class T>
void batch_norm_forward(const Context<Cpu>& context, TensorView<const T, Cpu> src, const T* scale,
                        const T* bias, const T* mean, const T* variance, float epsilon,
                        TensorView<T, Cpu> dst);
template <class T>
void batch_norm_reverse(const Context<Cpu>& context, TensorView<const T, Cpu> diff_dst, const T* scale,
                        const T* variance, float epsilon, TensorView<T, Cpu> diff_src);
template <class T>
void batch_norm_reverse_parameters(const Context<Cpu>& context, TensorView<const T, Cpu> src,
                                   TensorView<const T, Cpu> diff_dst, const T* mean, const T* variance,
                                   float epsilon, T* diff_scale, T* diff_bias);
}  // namespace cpu

namespace detail {

/// Channels stand in axis 1 of any rank >= 2.
template <class T, Device D>
void check_channel_values(std::string_view what, std::string_view which, const Shape& shape,
                          TensorView<const T, D> values) {
  require<ShapeError>(shape.rank() >= 2, what, ": wants an input of rank 2 or more, met ", shape);
  require<ShapeError>(values.count() == shape[1] && (!values.empty() || shape[1] == 0), what, ": ", which,
                      " wants ", shape[1], " values, met shape ", values.shape());
}

}  // namespace detail

/// dst = (src - mean) / sqrt(variance + epsilon) * scale + bias, a channel (axis 1) at a time: batch
/// normalisation with the trained statistics. Any rank >= 2, one shape and layout; the four others hold C
/// values; dst may be src. Throws ShapeError. Bytes: src and dst once.
template <class T, Device D>
void batch_norm_forward(const Context<D>& context, Source<T, D> src, Source<T, D> scale, Source<T, D> bias,
                        Source<T, D> mean, Source<T, D> variance, float epsilon, TensorView<T, D> dst) {
  constexpr std::string_view what = "batch_norm_forward";
  detail::check_alike(what, "dst", src, dst);
  detail::check_channel_values<T, D>(what, "scale", src.shape(), scale);
  detail::check_channel_values<T, D>(what, "bias", src.shape(), bias);
  detail::check_channel_values<T, D>(what, "mean", src.shape(), mean);
  detail::check_channel_values<T, D>(what, "variance", src.shape(), variance);
  if (dst.count() == 0) return;
  if constexpr (std::same_as<D, Cpu>)
    cpu::batch_norm_forward<T>(context, src, scale.data(), bias.data(), mean.data(), variance.data(), epsilon,
                               dst);
  else
    cuda::batch_norm_forward<T>(context, src, scale.data(), bias.data(), mean.data(), variance.data(),
                                epsilon, dst);
}

/// diff_src = diff_dst * scale / sqrt(variance + epsilon). As batch_norm_forward.
template <class T, Device D>
void batch_norm_reverse(const Context<D>& context, Source<T, D> diff_dst, Source<T, D> scale,
                        Source<T, D> variance, float epsilon, TensorView<T, D> diff_src) {
  constexpr std::string_view what = "batch_norm_reverse";
  detail::check_alike(what, "diff_src", diff_dst, diff_src);
  detail::check_channel_values<T, D>(what, "scale", diff_dst.shape(), scale);
  detail::check_channel_values<T, D>(what, "variance", diff_dst.shape(), variance);
  if (diff_src.count() == 0) return;
  if constexpr (std::same_as<D, Cpu>)
    cpu::batch_norm_reverse<T>(context, diff_dst, scale.data(), variance.data(), epsilon, diff_src);
  else
    cuda::batch_norm_reverse<T>(context, diff_dst, scale.data(), variance.data(), epsilon, diff_src);
}

/// The gradients of scale and bias (C each), summed over everything but the channel, with the statistics
/// fixed: diff_bias = sum of diff_dst, diff_scale = sum of diff_dst * (src - mean) / sqrt(variance +
/// epsilon). src and diff_dst of one shape and layout. Throws ShapeError. Bytes: src once, diff_dst once (on
/// the Cpu twice); four flops an element.
template <class T, Device D>
void batch_norm_reverse_parameters(const Context<D>& context, Source<T, D> src, Source<T, D> diff_dst,
                                   Source<T, D> mean, Source<T, D> variance, float epsilon,
                                   TensorView<T, D> diff_scale,
                                   std::type_identity_t<TensorView<T, D>> diff_bias) {
  constexpr std::string_view what = "batch_norm_reverse_parameters";
  detail::check_alike(what, "diff_dst", src, diff_dst);
  detail::check_channel_values<T, D>(what, "mean", src.shape(), mean);
  detail::check_channel_values<T, D>(what, "variance", src.shape(), variance);
  detail::check_channel_values<T, D>(what, "diff_scale", src.shape(), diff_scale);
  detail::check_channel_values<T, D>(what, "diff_bias", src.shape(), diff_bias);
  if constexpr (std::same_as<D, Cpu>)
    cpu::batch_norm_reverse_parameters<T>(context, src, diff_dst, mean.data(), variance.data(), epsilon,
                                          diff_scale.data(), diff_bias.data());
  else
    cuda::batch_norm_reverse_parameters<T>(context, src, diff_dst, mean.data(), variance.data(), epsilon,
                                           diff_scale.data(), diff_bias.data());
}

}  // namespace deconv

#include "deconv/ops/cpu/batch_norm.hpp"
