#pragma once

#include <optional>

#include "deconv/core/context.hpp"
#include "deconv/core/tensor.hpp"
#include "deconv/ops/conv2d_params.hpp"
#include "deconv/ops/copy_layout.hpp"
#include "deconv/ops/cpu/convolution.hpp"

namespace deconv {

/// What repeated convolutions with the same weights share (compiled primitives, repacked weights). Optional
/// everywhere: an op without one makes its own for the call. Safe to share between threads; `clear()` it when
/// the weights change.
template <class T, Device D>
struct Conv2dCache;
template <class T>
struct Conv2dCache<T, Cpu> : cpu::ConvolutionCache<T> {};

namespace detail {

inline void check_conv2d(const Shape& src, const Shape& weights, const Shape& bias, bool has_bias,
                         const Conv2dParams& params, const Shape& dst, std::string_view what) {
  const Window2d& w = params.window;
  require<ShapeError>(weights.rank() == 4 && src.rank() == 4 && dst.rank() == 4, what,
                      ": wants rank-4 input, weights and output, met ", src, ", ", weights, " and ", dst);
  require<ShapeError>(params.groups >= 1 && weights[1] * params.groups == src[1] &&
                          weights[0] % params.groups == 0 && weights[2] == w.kernel_y &&
                          weights[3] == w.kernel_x,
                      what, ": weights ", weights, " do not fit ", src[1], " channels in ", params.groups,
                      " groups and a ", w.kernel_y, "x", w.kernel_x, " window");
  require<ShapeError>(!has_bias || bias.count() == weights[0], what, ": wants a bias of ", weights[0],
                      ", met ", bias);
  require<ShapeError>(dst[0] == src[0] && dst[1] == weights[0], what, ": output ", dst,
                      " does not fit input ", src, " and weights ", weights);
}

/// What convolutions compute in: the faster layout, and the only one in which oneDNN's bits do not depend on
/// the number of threads.
inline constexpr Layout convolution_layout = Layout::nhwc;

/// Runs `body` on a view in `layout`: the given one, or a copy.
template <class T, class Body>
void with_source_in(const Context<Cpu>& context, TensorView<const T, Cpu> view, Layout layout,
                    const Body& body) {
  if (view.layout() == layout) return body(view);
  auto copy = context.make<T>(view.shape(), layout);
  copy_layout<T>(context, view, copy.view());
  body(TensorView<const T, Cpu>(copy));
}
template <class T, class Body>
void with_target_in(const Context<Cpu>& context, TensorView<T, Cpu> view, Layout layout, const Body& body) {
  if (view.layout() == layout) return body(view);
  auto copy = context.make<T>(view.shape(), layout);
  body(copy.view());
  copy_layout<T>(context, copy.view(), view);
}

}  // namespace detail

/// dst = src correlated with weights + bias, then rectified when `negative_slope` is given (0: ReLU).
/// src N x C x H x W, weights K x C/groups x R x S, bias K or empty, dst N x K x P x Q (conv2d_output_shape);
/// each in either layout (nhwc is the faster). Throws ShapeError when they do not fit. Cost: 2 N K P Q R S
/// C/groups flops; reads src and weights, writes dst once.
template <class T>
void conv2d_forward(const Context<Cpu>& context, TensorView<const T, Cpu> src,
                    TensorView<const T, Cpu> weights, TensorView<const T, Cpu> bias,
                    const Conv2dParams& params, TensorView<T, Cpu> dst,
                    std::optional<float> negative_slope = {}, Conv2dCache<T, Cpu>* cache = nullptr) {
  detail::check_conv2d(src.shape(), weights.shape(), bias.shape(), !bias.empty(), params, dst.shape(),
                       "conv2d");
  const Shape wanted = conv2d_output_shape(src.shape(), weights[0], params);
  require<ShapeError>(dst.shape() == wanted, "conv2d: wants an output of shape ", wanted, ", met ",
                      dst.shape());
  if (dst.count() == 0) return;
  Conv2dCache<T, Cpu> own;
  detail::with_source_in(context, src, detail::convolution_layout, [&](TensorView<const T, Cpu> from) {
    detail::with_target_in(context, dst, detail::convolution_layout, [&](TensorView<T, Cpu> to) {
      const auto c = cpu::forward_correlation(src.shape(), to.layout(), dst.shape(), params);
      cpu::correlate<T>(context, {0, {}}, c, from.data(), weights.data(), {bias.data(), negative_slope},
                        to.data(), cache ? *cache : own);
    });
  });
}

/// diff_src = the adjoint of the convolution (without bias) applied to diff_dst: the deconvnet's "filtering
/// with the transposed filters". Every pixel of diff_src is written. The extents of diff_src and diff_dst
/// need not match the output rule, so that windows of larger planes can be passed: only padding.top and
/// padding.left count, they may be negative, and taps outside diff_dst read 0. Throws ShapeError when
/// channels do not fit. Cost: 2 N C/groups H W K R S / strides flops. Source: Zeiler and Fergus 2013,
/// section 2.1.
template <class T>
void conv2d_reverse_data(const Context<Cpu>& context, TensorView<const T, Cpu> diff_dst,
                         TensorView<const T, Cpu> weights, const Conv2dParams& params,
                         TensorView<T, Cpu> diff_src, Conv2dCache<T, Cpu>* cache = nullptr) {
  detail::check_conv2d(diff_src.shape(), weights.shape(), {}, false, params, diff_dst.shape(),
                       "conv2d reverse");
  if (diff_src.count() == 0) return;
  Conv2dCache<T, Cpu> own;
  detail::with_source_in(context, diff_dst, detail::convolution_layout, [&](TensorView<const T, Cpu> from) {
    detail::with_target_in(context, diff_src, detail::convolution_layout, [&](TensorView<T, Cpu> to) {
      cpu::convolution_reverse_data<T>(context, from, weights, params, to, cache ? *cache : own);
    });
  });
}

/// Gradients of weights (K x C/groups x R x S) and, unless the view is empty, of the bias (K), summed over
/// the images. Throws ShapeError when shapes do not fit. Cost: the forward pass's flops.
template <class T>
void conv2d_reverse_weights(const Context<Cpu>& context, TensorView<const T, Cpu> src,
                            TensorView<const T, Cpu> diff_dst, const Conv2dParams& params,
                            TensorView<T, Cpu> diff_weights, TensorView<T, Cpu> diff_bias) {
  detail::check_conv2d(src.shape(), diff_weights.shape(), diff_bias.shape(), !diff_bias.empty(), params,
                       diff_dst.shape(), "conv2d reverse to weights");
  detail::with_source_in(context, src, detail::convolution_layout, [&](TensorView<const T, Cpu> from) {
    detail::with_source_in(
        context, diff_dst, detail::convolution_layout, [&](TensorView<const T, Cpu> signal) {
          const auto c = cpu::forward_correlation(src.shape(), signal.layout(), diff_dst.shape(), params);
#if defined(DECONV_WITH_ONEDNN)
          if constexpr (std::is_same_v<T, float>) {
            try {
              return cpu::onednn_correlate_reverse_weights(context, c, from.data(), signal.data(),
                                                           diff_weights.data(), diff_bias.data());
            } catch (const dnnl::error&) {  // a geometry that oneDNN does not do
            }
          }
#endif
          cpu::eigen_correlate_reverse_weights<T>(context, c, from.data(), signal.data(), diff_weights.data(),
                                                  diff_bias.data());
        });
  });
}

}  // namespace deconv
