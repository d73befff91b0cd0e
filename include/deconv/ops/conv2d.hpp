#pragma once

#include <optional>

#include "deconv/core/context.hpp"
#include "deconv/core/tensor.hpp"
#include "deconv/ops/conv2d_params.hpp"
#include "deconv/ops/copy_layout.hpp"
#include "deconv/ops/cpu/convolution.hpp"
#include "deconv/ops/cuda/conv2d.hpp"
#include "deconv/ops/operands.hpp"

namespace deconv {

/// What repeated convolutions with the same weights share (compiled primitives, repacked weights). Optional
/// everywhere: an op without one makes its own for the call. Safe to share between threads; `clear()` it when
/// the weights change.
template <class T, Device D>
struct Conv2dCache;
template <class T>
struct Conv2dCache<T, Cpu> : cpu::ConvolutionCache<T> {};
/// The kernels take weights as they are (in nhwc), so there is nothing to share.
template <class T>
struct Conv2dCache<T, Cuda> {
  void clear() {}
};

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
  require<ShapeError>(w.kernel_y >= 1 && w.kernel_x >= 1 && w.stride_y >= 1 && w.stride_x >= 1 &&
                          w.dilation_y >= 1 && w.dilation_x >= 1,
                      what, ": kernel, stride and dilation must be at least 1, met ", w);
  require<ShapeError>(!has_bias || bias.count() == weights[0], what, ": wants a bias of ", weights[0],
                      ", met ", bias);
  require<ShapeError>(dst[0] == src[0] && dst[1] == weights[0], what, ": output ", dst,
                      " does not fit input ", src, " and weights ", weights);
}

/// What convolutions compute in: the faster layout, the only one in which oneDNN's bits do not depend on the
/// number of threads, and the one that the CUDA kernels are written for.
inline constexpr Layout convolution_layout = Layout::nhwc;
/// What they read weights in.
template <Device D>
inline constexpr Layout weights_layout = std::same_as<D, Cpu> ? Layout::nchw : Layout::nhwc;

/// The view under another layout's name, where both mean the same order in memory; else an empty view.
template <class T, Device D>
[[nodiscard]] TensorView<T, D> seen_in(TensorView<T, D> view, Layout layout) {
  if (view.layout() == layout) return view;
  const bool alike = view[1] == 1 || (view[2] == 1 && view[3] == 1);
  return std::same_as<D, Cuda> && alike ? TensorView<T, D>(view.data(), view.shape(), layout)
                                        : TensorView<T, D>();
}

/// Runs `body` on a view in `layout`: the given memory, or a copy.
template <class T, Device D, class Body>
void with_source_in(const Context<D>& context, TensorView<const T, D> view, Layout layout, const Body& body) {
  if (view.empty()) return body(view);
  if (const auto same = seen_in(view, layout); !same.empty()) return body(same);
  auto copy = context.template make<T>(view.shape(), layout);
  copy_layout<T>(context, view, copy.view());
  body(TensorView<const T, D>(copy));
}
template <class T, Device D, class Body>
void with_target_in(const Context<D>& context, TensorView<T, D> view, Layout layout, const Body& body) {
  if (view.empty()) return body(view);
  if (const auto same = seen_in(view, layout); !same.empty()) return body(same);
  auto copy = context.template make<T>(view.shape(), layout);
  body(copy.view());
  copy_layout<T>(context, copy.view(), view);
}

/// conv2d_forward without its checks: extents need not follow the output rule.
template <class T, Device D>
void correlate(const Context<D>& context, Source<T, D> src, Source<T, D> weights, Source<T, D> bias,
               const Conv2dParams& params, TensorView<T, D> dst, std::optional<float> negative_slope,
               Conv2dCache<T, D>* cache) {
  with_source_in<T>(context, src, convolution_layout, [&](TensorView<const T, D> from) {
    with_source_in<T>(context, weights, weights_layout<D>, [&](TensorView<const T, D> filters) {
      with_target_in<T>(context, dst, convolution_layout, [&](TensorView<T, D> to) {
        if constexpr (std::same_as<D, Cpu>) {
          Conv2dCache<T, Cpu> own;
          const auto c = cpu::forward_correlation(src.shape(), to.layout(), dst.shape(), params);
          cpu::correlate<T>(context, {0, {}}, c, from.data(), filters.data(), {bias.data(), negative_slope},
                            to.data(), cache ? *cache : own);
        } else {
          cuda::conv2d_forward<T>(context, from, filters, bias.data(), params, to, negative_slope);
        }
      });
    });
  });
}

/// conv2d_reverse_data without its checks, with a bias on the Cuda device.
template <class T, Device D>
void correlate_transposed(const Context<D>& context, Source<T, D> diff_dst, Source<T, D> weights,
                          [[maybe_unused]] const T* bias, const Conv2dParams& params,
                          TensorView<T, D> diff_src, [[maybe_unused]] Conv2dCache<T, D>* cache) {
  with_source_in<T>(context, diff_dst, convolution_layout, [&](TensorView<const T, D> from) {
    with_source_in<T>(context, weights, weights_layout<D>, [&](TensorView<const T, D> filters) {
      with_target_in<T>(context, diff_src, convolution_layout, [&](TensorView<T, D> to) {
        if constexpr (std::same_as<D, Cpu>) {
          Conv2dCache<T, Cpu> own;
          cpu::convolution_reverse_data<T>(context, from, filters, params, to, cache ? *cache : own);
        } else {
          cuda::conv2d_reverse_data<T>(context, from, filters, bias, params, to);
        }
      });
    });
  });
}

}  // namespace detail

/// dst = src correlated with weights + bias, then rectified when `negative_slope` is given (0: ReLU).
/// src N x C x H x W, weights K x C/groups x R x S, bias K or empty, dst N x K x P x Q (conv2d_output_shape);
/// each in either layout (nhwc is the faster; for weights nchw on the Cpu). Throws ShapeError when they do
/// not fit. Cost: 2 N K P Q R S C/groups flops; reads src and weights, writes dst once.
template <class T, Device D>
void conv2d_forward(const Context<D>& context, Source<T, D> src, Source<T, D> weights, Source<T, D> bias,
                    const Conv2dParams& params, TensorView<T, D> dst,
                    std::optional<float> negative_slope = {}, Conv2dCache<T, D>* cache = nullptr) {
  detail::check_conv2d(src.shape(), weights.shape(), bias.shape(), !bias.empty(), params, dst.shape(),
                       "conv2d");
  const Shape wanted = conv2d_output_shape(src.shape(), weights[0], params);
  require<ShapeError>(dst.shape() == wanted, "conv2d: wants an output of shape ", wanted, ", met ",
                      dst.shape());
  if (dst.count() == 0) return;
  detail::correlate<T, D>(context, src, weights, bias, params, dst, negative_slope, cache);
}

/// diff_src = the adjoint of the convolution (without bias) applied to diff_dst: the deconvnet's "filtering
/// with the transposed filters". Every pixel of diff_src is written. The extents of diff_src and diff_dst
/// need not match the output rule, so that windows of larger planes can be passed: only padding.top and
/// padding.left count, they may be negative, and taps outside diff_dst read 0. Throws ShapeError when
/// channels do not fit. Cost: 2 N C/groups H W K R S / strides flops. Source: Zeiler and Fergus 2013,
/// section 2.1.
template <class T, Device D>
void conv2d_reverse_data(const Context<D>& context, Source<T, D> diff_dst, Source<T, D> weights,
                         const Conv2dParams& params, TensorView<T, D> diff_src,
                         Conv2dCache<T, D>* cache = nullptr) {
  detail::check_conv2d(diff_src.shape(), weights.shape(), {}, false, params, diff_dst.shape(),
                       "conv2d reverse");
  if (diff_src.count() == 0) return;
  detail::correlate_transposed<T, D>(context, diff_dst, weights, nullptr, params, diff_src, cache);
}

/// Gradients of weights (K x C/groups x R x S, in either layout) and, unless the view is empty, of the bias
/// (K), summed over the images. Throws ShapeError when shapes do not fit. Cost: the forward pass's flops.
template <class T, Device D>
void conv2d_reverse_weights(const Context<D>& context, Source<T, D> src, Source<T, D> diff_dst,
                            const Conv2dParams& params, TensorView<T, D> diff_weights,
                            std::type_identity_t<TensorView<T, D>> diff_bias) {
  detail::check_conv2d(src.shape(), diff_weights.shape(), diff_bias.shape(), !diff_bias.empty(), params,
                       diff_dst.shape(), "conv2d reverse to weights");
  detail::with_source_in<T>(context, src, detail::convolution_layout, [&](TensorView<const T, D> from) {
    detail::with_source_in<T>(
        context, diff_dst, detail::convolution_layout, [&](TensorView<const T, D> signal) {
          if constexpr (std::same_as<D, Cpu>) {
            detail::with_target_in<T>(
                context, diff_weights, detail::weights_layout<D>, [&](TensorView<T, D> gradient) {
                  cpu::convolution_reverse_weights<T>(
                      context,
                      cpu::forward_correlation(src.shape(), signal.layout(), diff_dst.shape(), params),
                      from.data(), signal.data(), gradient.data(), diff_bias.data());
                });
          } else {
            cuda::conv2d_reverse_weights<T>(context, from, signal, params, diff_weights);
            if (!diff_bias.empty())
              cuda::channel_sums<T>(context, signal.data(), signal[0] * signal[2] * signal[3], signal[1],
                                    diff_bias.data());
          }
        });
  });
}

}  // namespace deconv
