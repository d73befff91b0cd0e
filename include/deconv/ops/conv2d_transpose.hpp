#pragma once

#include <algorithm>

#include "deconv/core/parallel.hpp"
#include "deconv/ops/conv2d.hpp"
#include "deconv/ops/conv2d_transpose_params.hpp"
#include "deconv/ops/cpu/channel_sums.hpp"

namespace deconv {

namespace detail {

/// The convolution whose reverse-to-data pass a transposed convolution is.
inline Conv2dParams transposed(const Conv2dTransposeParams& params) { return {params.window, params.groups}; }

template <class T>
void add_bias(const Context<Cpu>& context, TensorView<const T, Cpu> bias, TensorView<T, Cpu> dst) {
  const Index channels = dst[1], pixels = dst[2] * dst[3];
  if (dst.layout() == Layout::nhwc)
    parallel_for(
        context, dst[0] * pixels,
        [&](Index i) {
          for (Index c = 0; c < channels; ++c) dst.data()[i * channels + c] += bias.data()[c];
        },
        64);
  else
    parallel_for(context, dst[0] * channels, [&](Index i) {
      for (Index x = 0; x < pixels; ++x) dst.data()[i * pixels + x] += bias.data()[i % channels];
    });
}

}  // namespace detail

/// Transposed convolution as a layer of its own: src N x C x H x W, weights C x K/groups x R x S, bias K or
/// empty, dst N x K x P x Q (conv2d_transpose_output_shape), each in either layout. By phases, see
/// conv2d_reverse_data. Throws ShapeError when they do not fit. Cost: 2 N C H W K/groups R S flops.
template <class T, Device D>
void conv2d_transpose_forward(const Context<D>& context, Source<T, D> src, Source<T, D> weights,
                              Source<T, D> bias, const Conv2dTransposeParams& params, TensorView<T, D> dst,
                              Conv2dCache<T, D>* cache = nullptr) {
  const Shape wanted = conv2d_transpose_output_shape(src.shape(), dst.rank() == 4 ? dst[1] : 1, params);
  require<ShapeError>(dst.shape() == wanted, "conv2d_transpose: wants an output of shape ", wanted, ", met ",
                      dst.shape());
  require<ShapeError>(bias.empty() || bias.count() == dst[1], "conv2d_transpose: wants a bias of ", dst[1],
                      ", met ", bias.shape());
  const auto convolution = detail::transposed(params);
  detail::check_conv2d(dst.shape(), weights.shape(), {}, false, convolution, src.shape(), "conv2d reverse");
  if (dst.count() == 0) return;
  detail::correlate_transposed<T, D>(context, src, weights, bias.data(), convolution, dst, cache);
  if constexpr (std::same_as<D, Cpu>)
    if (!bias.empty()) detail::add_bias<T>(context, bias, dst);
}

/// diff_src = the adjoint, a plain convolution of diff_dst. Shapes, errors and cost as the forward pass.
template <class T, Device D>
void conv2d_transpose_reverse_data(const Context<D>& context, Source<T, D> diff_dst, Source<T, D> weights,
                                   const Conv2dTransposeParams& params, TensorView<T, D> diff_src,
                                   Conv2dCache<T, D>* cache = nullptr) {
  const auto convolution = detail::transposed(params);
  detail::check_conv2d(diff_dst.shape(), weights.shape(), {}, false, convolution, diff_src.shape(),
                       "conv2d_transpose reverse");
  if (diff_src.count() == 0) return;
  detail::correlate<T, D>(context, diff_dst, weights, {}, convolution, diff_src, {}, cache);
}

/// Gradients of weights (C x K/groups x R x S, in either layout) and, unless empty, of the bias (K), summed
/// over images and pixels.
template <class T, Device D>
void conv2d_transpose_reverse_weights(const Context<D>& context, Source<T, D> src, Source<T, D> diff_dst,
                                      const Conv2dTransposeParams& params, TensorView<T, D> diff_weights,
                                      std::type_identity_t<TensorView<T, D>> diff_bias) {
  conv2d_reverse_weights<T>(context, diff_dst, src, detail::transposed(params), diff_weights, {});
  if (diff_bias.empty()) return;
  require<ShapeError>(diff_bias.count() == diff_dst[1], "conv2d_transpose: wants a bias gradient of ",
                      diff_dst[1], ", met ", diff_bias.shape());
  if constexpr (std::same_as<D, Cpu>) {
    const auto sums = cpu::channel_sums(
        context, detail::axis_span(diff_dst.shape(), diff_dst.layout(), 1),
        [signal = diff_dst.data()](Index at, Index) { return static_cast<double>(signal[at]); });
    std::transform(sums.begin(), sums.end(), diff_bias.data(),
                   [](double sum) { return static_cast<T>(sum); });
  } else {
    detail::with_source_in<T>(
        context, diff_dst, detail::convolution_layout, [&](TensorView<const T, D> signal) {
          cuda::channel_sums<T>(context, signal.data(), signal[0] * signal[2] * signal[3], signal[1],
                                diff_bias.data());
        });
  }
}

}  // namespace deconv
