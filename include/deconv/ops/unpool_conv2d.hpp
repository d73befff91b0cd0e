#pragma once

#include <optional>

#include "deconv/ops/conv2d.hpp"
#include "deconv/ops/cuda/unpool_conv2d.hpp"
#include "deconv/ops/relu.hpp"
#include "deconv/ops/unpool2d.hpp"

namespace deconv {

/// Whether unpool_conv2d_reverse_data runs as one kernel on tensors of these shapes, which it does where that
/// is expected to take less time: on tensor cores (half and bfloat16 always, float under Maths::tf32 and
/// tf32x3), for maps in multiples of 16 bytes, where the plane that is not written outweighs the lines that
/// several blocks unpool. Never on the Cpu. Throws ShapeError when convolution and shapes do not fit.
template <class T, Device D>
[[nodiscard]] bool unpool_conv2d_pays([[maybe_unused]] const Context<D>& context,
                                      [[maybe_unused]] const Shape& diff_dst,
                                      [[maybe_unused]] const MaxPool2dParams& pool,
                                      [[maybe_unused]] const Shape& plane,
                                      [[maybe_unused]] const Shape& weights,
                                      [[maybe_unused]] const Conv2dParams& params,
                                      [[maybe_unused]] const Shape& diff_src) {
  if constexpr (std::same_as<D, Cuda>)
    return cuda::unpool_conv2d_pays<T>(context, diff_dst, pool.window, plane, weights, params, diff_src);
  else
    return false;
}

/// Three steps of the deconvnet at once: diff_dst is put back to where the pool's maxima came from, into
/// planes of the shape `plane` (unpool2d, under the overlap rule), what is negative of it is held back when
/// `negative_slope` is given (relu_reverse by the deconvnet's rule), and diff_src is the adjoint of the
/// convolution applied to that (conv2d_reverse_data).
///
/// diff_dst and switches N x K x P x Q, plane N x K x H' x W', weights K x C/groups x R x S, diff_src N x C x
/// H x W; each in either layout, diff_dst and switches in one. As for the two ops, extents need not follow
/// the output rules, paddings may be negative, and only those at the top and left count. Where
/// unpool_conv2d_pays, sums run over the maps in parts of 128 bytes, for each over the taps: another order
/// than conv2d_reverse_data's. Throws ShapeError. Cost: the convolution's flops. Bytes: there the plane is
/// neither written nor read: diff_dst, switches, weights and diff_src once. ZFNet's first layer and pool at
/// batch 128 in bfloat16: 112 MB of signals and switches and 38.5 MB of pixels, where the three ops also
/// write and read a plane of 297 MB twice.
template <class T, Device D>
void unpool_conv2d_reverse_data(const Context<D>& context, Source<T, D> diff_dst,
                                std::type_identity_t<SwitchesView<const std::byte, D>> switches,
                                const MaxPool2dParams& pool, OverlapRule overlap,
                                std::optional<float> negative_slope, const Shape& plane, Source<T, D> weights,
                                const Conv2dParams& params, TensorView<T, D> diff_src,
                                Conv2dCache<T, D>* cache = nullptr) {
  constexpr std::string_view what = "unpool_conv2d_reverse_data";
  detail::check_conv2d(diff_src.shape(), weights.shape(), {}, false, params, plane, what);
  detail::check_unpool2d<T, D>(diff_dst, switches, pool.window,
                               TensorView<T, D>(nullptr, plane, diff_dst.layout()));
  if (diff_src.count() == 0) return;
  if constexpr (std::same_as<D, Cuda>)
    if (diff_dst.layout() == Layout::nhwc && diff_src.layout() == Layout::nhwc &&
        unpool_conv2d_pays<T>(context, diff_dst.shape(), pool, plane, weights.shape(), params,
                              diff_src.shape())) {
      bool done = false;
      detail::with_source_in<T>(context, weights, Layout::nhwc, [&](TensorView<const T, Cuda> filters) {
        done = cuda::unpool_conv2d_reverse_data<T>(context, diff_dst, switches, pool.window, overlap,
                                                   negative_slope, plane, filters, params, diff_src);
      });
      if (done) return;
    }
  auto values = context.template make<T>(plane, diff_dst.layout());
  unpool2d<T, D>(context, diff_dst, switches, pool, overlap, values.view());
  if (negative_slope)
    relu_reverse<T, D>(context, RectifierRule::deconvnet, values.view(), {}, *negative_slope, values.view());
  conv2d_reverse_data<T, D>(context, values.view(), weights, params, diff_src, cache);
}

}  // namespace deconv
