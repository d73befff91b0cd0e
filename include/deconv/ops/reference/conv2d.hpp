#pragma once

#include "deconv/core/tensor_view.hpp"
#include "deconv/ops/conv2d_params.hpp"
#include "deconv/ops/operands.hpp"

namespace deconv::reference {

/// Calls body(n, k, p, q, c, y, x, weight's c) for every product of a convolution whose tap lies inside src:
/// the pairing of input, weight and output that all three passes share. `src` is N x C x H x W, `dst` N x K x
/// P x Q.
template <class Body>
void each_product(const Shape& src, const Shape& dst, const Conv2dParams& params, const Body& body) {
  const Window2d& w = params.window;
  const Index group_in = src[1] / params.groups, group_out = dst[1] / params.groups;
  for (Index n = 0; n < dst[0]; ++n)
    for (Index k = 0; k < dst[1]; ++k)
      for (Index p = 0; p < dst[2]; ++p)
        for (Index q = 0; q < dst[3]; ++q)
          for (Index c = 0; c < group_in; ++c)
            for (Index r = 0; r < w.kernel_y; ++r)
              for (Index s = 0; s < w.kernel_x; ++s) {
                const Index y = p * w.stride_y - w.padding.top + r * w.dilation_y;
                const Index x = q * w.stride_x - w.padding.left + s * w.dilation_x;
                if (y < 0 || y >= src[2] || x < 0 || x >= src[3]) continue;
                body(n, k, p, q, k / group_out * group_in + c, y, x, c, r, s);
              }
}

template <class T>
void set_all(TensorView<T, Cpu> view, T value) {
  for (T& element : view.span()) element = value;
}

/// dst = src correlated with weights + bias. src N x C x H x W, weights K x C/groups x R x S, bias K or
/// empty, dst N x K x P x Q; any layouts.
template <class T>
void conv2d_forward(Source<T, Cpu> src, Source<T, Cpu> weights, Source<T, Cpu> bias,
                    const Conv2dParams& params, TensorView<T, Cpu> dst) {
  for (Index n = 0; n < dst[0]; ++n)
    for (Index k = 0; k < dst[1]; ++k)
      for (Index p = 0; p < dst[2]; ++p)
        for (Index q = 0; q < dst[3]; ++q) dst(n, k, p, q) = bias.empty() ? T(0) : bias.data()[k];
  each_product(src.shape(), dst.shape(), params,
               [&](Index n, Index k, Index p, Index q, Index c, Index y, Index x, Index weight_c, Index r,
                   Index s) { dst(n, k, p, q) += src(n, c, y, x) * weights(k, weight_c, r, s); });
}

/// The adjoint in the data, without bias. Extents need not follow the output-shape rule: only padding.top and
/// padding.left count and may be negative; taps outside diff_src are skipped.
template <class T>
void conv2d_reverse_data(Source<T, Cpu> diff_dst, Source<T, Cpu> weights, const Conv2dParams& params,
                         TensorView<T, Cpu> diff_src) {
  set_all(diff_src, T(0));
  each_product(diff_src.shape(), diff_dst.shape(), params,
               [&](Index n, Index k, Index p, Index q, Index c, Index y, Index x, Index weight_c, Index r,
                   Index s) { diff_src(n, c, y, x) += diff_dst(n, k, p, q) * weights(k, weight_c, r, s); });
}

/// The adjoint in the weights and, unless empty, the bias.
template <class T>
void conv2d_reverse_weights(Source<T, Cpu> src, Source<T, Cpu> diff_dst, const Conv2dParams& params,
                            TensorView<T, Cpu> diff_weights, TensorView<T, Cpu> diff_bias) {
  set_all(diff_weights, T(0));
  each_product(src.shape(), diff_dst.shape(), params,
               [&](Index n, Index k, Index p, Index q, Index c, Index y, Index x, Index weight_c, Index r,
                   Index s) { diff_weights(k, weight_c, r, s) += src(n, c, y, x) * diff_dst(n, k, p, q); });
  if (diff_bias.empty()) return;
  set_all(diff_bias, T(0));
  for (Index n = 0; n < diff_dst[0]; ++n)
    for (Index k = 0; k < diff_dst[1]; ++k)
      for (Index p = 0; p < diff_dst[2]; ++p)
        for (Index q = 0; q < diff_dst[3]; ++q) diff_bias.data()[k] += diff_dst(n, k, p, q);
}

}  // namespace deconv::reference
