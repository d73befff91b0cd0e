#pragma once

#include "deconv/ops/conv2d_transpose_params.hpp"
#include "deconv/ops/reference/conv2d.hpp"

namespace deconv::reference {

/// The convolution whose reverse-to-data pass a transposed convolution is: its input is the transposed one's
/// output.
inline Conv2dParams mirrored(const Conv2dTransposeParams& params) { return {params.window, params.groups}; }

/// dst = the adjoint of a convolution applied to src, + bias. src N x C x H x W, weights C x K/groups x R x
/// S, bias K or empty, dst N x K x P x Q; any layouts.
template <class T>
void conv2d_transpose_forward(Source<T, Cpu> src, Source<T, Cpu> weights, Source<T, Cpu> bias,
                              const Conv2dTransposeParams& params, TensorView<T, Cpu> dst) {
  for (Index n = 0; n < dst[0]; ++n)
    for (Index k = 0; k < dst[1]; ++k)
      for (Index p = 0; p < dst[2]; ++p)
        for (Index q = 0; q < dst[3]; ++q) dst(n, k, p, q) = bias.empty() ? T(0) : bias.data()[k];
  each_product(dst.shape(), src.shape(), mirrored(params),
               [&](Index n, Index c, Index y, Index x, Index k, Index p, Index q, Index weight_k, Index r,
                   Index s) { dst(n, k, p, q) += src(n, c, y, x) * weights(c, weight_k, r, s); });
}

/// The adjoint in the data, without bias.
template <class T>
void conv2d_transpose_reverse_data(Source<T, Cpu> diff_dst, Source<T, Cpu> weights,
                                   const Conv2dTransposeParams& params, TensorView<T, Cpu> diff_src) {
  set_all(diff_src, T(0));
  each_product(diff_dst.shape(), diff_src.shape(), mirrored(params),
               [&](Index n, Index c, Index y, Index x, Index k, Index p, Index q, Index weight_k, Index r,
                   Index s) { diff_src(n, c, y, x) += diff_dst(n, k, p, q) * weights(c, weight_k, r, s); });
}

/// The adjoint in the weights and, unless empty, the bias.
template <class T>
void conv2d_transpose_reverse_weights(Source<T, Cpu> src, Source<T, Cpu> diff_dst,
                                      const Conv2dTransposeParams& params, TensorView<T, Cpu> diff_weights,
                                      TensorView<T, Cpu> diff_bias) {
  set_all(diff_weights, T(0));
  each_product(diff_dst.shape(), src.shape(), mirrored(params),
               [&](Index n, Index c, Index y, Index x, Index k, Index p, Index q, Index weight_k, Index r,
                   Index s) { diff_weights(c, weight_k, r, s) += src(n, c, y, x) * diff_dst(n, k, p, q); });
  if (diff_bias.empty()) return;
  set_all(diff_bias, T(0));
  for (Index n = 0; n < diff_dst[0]; ++n)
    for (Index k = 0; k < diff_dst[1]; ++k)
      for (Index p = 0; p < diff_dst[2]; ++p)
        for (Index q = 0; q < diff_dst[3]; ++q) diff_bias.data()[k] += diff_dst(n, k, p, q);
}

}  // namespace deconv::reference
