#pragma once

#include <optional>

#include "deconv/ops/conv2d.hpp"
#include "deconv/ops/cuda/conv2d_pool.hpp"
#include "deconv/ops/max_pool2d.hpp"

namespace deconv {

/// Whether conv2d_pool_forward runs as one kernel on tensors of these shapes, which it does where that is
/// expected to take less time: on tensor cores (half and bfloat16 always, float under Maths::tf32 and
/// tf32x3), for windows whose pixels fit a tile, where the plane that is not written outweighs the pixels
/// that neighbouring tiles both compute. Never on the Cpu. The shapes are src, the weights' and the windows
/// of convolution and pooling; throws ShapeError when they do not fit.
template <class T, Device D>
[[nodiscard]] bool conv2d_pool_pays([[maybe_unused]] const Context<D>& context,
                                    [[maybe_unused]] const Shape& src, [[maybe_unused]] const Shape& weights,
                                    [[maybe_unused]] const Conv2dParams& params,
                                    [[maybe_unused]] const MaxPool2dParams& pool) {
  if constexpr (std::same_as<D, Cuda>)
    return cuda::conv2d_pool_pays<T>(context, src, weights, params, pool.window);
  else
    return false;
}

/// dst = the maxima of `pool`'s windows over conv2d_forward(src, weights, bias), rectified when
/// `negative_slope` is given; where `switches` is given also the taps that held them. The same bits as the
/// two ops one after the other, with the same ties, NaN and switches.
///
/// src N x C x H x W, weights K x C/groups x R x S, bias K or empty, dst and switches N x K x P x Q; each in
/// either layout, dst and switches in one. Throws ShapeError. Cost: the convolution's flops. Bytes: where
/// conv2d_pool_pays, the convolution's plane is neither written nor read: src, weights, dst and switches
/// once. ZFNet's first layer and pool at batch 128 in bfloat16: 38.5 MB of pixels, 74 MB of maxima, 37 MB of
/// switches, where the two ops also move a plane of 128 x 96 x 110 x 110, 297 MB, to memory and back.
template <class T, Device D>
void conv2d_pool_forward(const Context<D>& context, Source<T, D> src, Source<T, D> weights, Source<T, D> bias,
                         const Conv2dParams& params, std::optional<float> negative_slope,
                         const MaxPool2dParams& pool, TensorView<T, D> dst,
                         std::type_identity_t<SwitchesView<std::byte, D>> switches = {},
                         Conv2dCache<T, D>* cache = nullptr) {
  constexpr std::string_view what = "conv2d_pool_forward";
  const Shape plane = conv2d_output_shape(src.shape(), weights[0], params, what);
  detail::check_conv2d(src.shape(), weights.shape(), bias.shape(), !bias.empty(), params, plane, what);
  detail::check_max_pool2d<T, D>(TensorView<const T, D>(nullptr, plane, dst.layout()), pool.window, dst,
                                 switches);
  if (dst.count() == 0) return;
  if constexpr (std::same_as<D, Cuda>)
    if (dst.layout() == Layout::nhwc &&
        conv2d_pool_pays<T>(context, src.shape(), weights.shape(), params, pool)) {
      bool done = false;
      detail::with_source_in<T>(context, src, Layout::nhwc, [&](TensorView<const T, Cuda> from) {
        detail::with_source_in<T>(context, weights, Layout::nhwc, [&](TensorView<const T, Cuda> filters) {
          done = cuda::conv2d_pool_forward<T>(context, from, filters, bias.data(), params, negative_slope,
                                              pool.window, dst, switches);
        });
      });
      if (done) return;
    }
  auto values = context.template make<T>(plane, dst.layout());
  conv2d_forward<T, D>(context, src, weights, bias, params, values.view(), negative_slope, cache);
  max_pool2d_forward<T, D>(context, values.view(), pool, dst, switches);
}

}  // namespace deconv
