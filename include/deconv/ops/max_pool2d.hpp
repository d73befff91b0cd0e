#pragma once

#include <cstdint>

#include "deconv/core/context.hpp"
#include "deconv/ops/cuda/max_pool2d.hpp"
#include "deconv/ops/operands.hpp"
#include "deconv/ops/switches.hpp"
#include "deconv/ops/window2d.hpp"

namespace deconv {

/// Geometry of a pooling; padding never wins a maximum.
struct MaxPool2dParams {
  Window2d window;
  friend bool operator==(const MaxPool2dParams&, const MaxPool2dParams&) = default;
};

/// N x C x P x Q. Throws ShapeError when rank or windows do not fit; `what` names the layer.
[[nodiscard]] inline Shape pool2d_output_shape(const Shape& src, const Window2d& window,
                                               std::string_view what = "pool2d") {
  window.check(what);
  require<ShapeError>(src.rank() == 4, what, ": wants a rank-4 input N,C,H,W, met ", src);
  return {src[0], src[1], window.output_height(src[2], what), window.output_width(src[3], what)};
}

namespace cpu {
template <class T>
void max_pool2d_forward(const Context<Cpu>& context, TensorView<const T, Cpu> src, const Window2d& window,
                        TensorView<T, Cpu> dst, SwitchesView<std::byte, Cpu> switches);
inline void switches_to_indices(const Context<Cpu>& context, SwitchesView<const std::byte, Cpu> switches,
                                const Window2d& window, Index height, Index width, bool column_major,
                                TensorView<std::int64_t, Cpu> indices);
}  // namespace cpu

namespace detail {

template <class T, Device D>
void check_max_pool2d(TensorView<const T, D> src, const Window2d& window, TensorView<T, D> dst,
                      SwitchesView<const std::byte, D> switches) {
  constexpr std::string_view what = "max_pool2d_forward";
  check_shape(what, "dst", pool2d_output_shape(src.shape(), window, what), dst.shape());
  check_rank4_pair(what, src, dst);
  if (switches.empty()) return;
  check_shape(what, "switches", dst.shape(), switches.shape());
  require<ShapeError>(
      switches.layout() == dst.layout() && switches.width() == Switches<D>::width_for(window.taps()), what,
      ": switches want layout ", name_of(dst.layout()), " and ", Switches<D>::width_for(window.taps()),
      " bytes each, met ", name_of(switches.layout()), " and ", switches.width());
}

}  // namespace detail

/// dst = the maximum of each window, and where `switches` is given the tap that held it.
///
/// src N x C x H x W, dst and switches N x C x P x Q (pool2d_output_shape), all of one layout. The first of
/// equal taps in raster order wins; the first NaN wins its window and is kept; padding never wins. A window
/// without any tap inside the image gives -infinity and switch 0, which unpooling ignores. Without switches
/// it is quicker. Throws ShapeError. Bytes: src and dst once, plus one switch an output.
template <class T, Device D>
void max_pool2d_forward(const Context<D>& context, Source<T, D> src, const MaxPool2dParams& params,
                        TensorView<T, D> dst,
                        std::type_identity_t<SwitchesView<std::byte, D>> switches = {}) {
  detail::check_max_pool2d<T, D>(src, params.window, dst, switches);
  if (dst.count() == 0) return;
  if constexpr (std::same_as<D, Cpu>)
    cpu::max_pool2d_forward<T>(context, src, params.window, dst, switches);
  else
    cuda::max_pool2d_forward<T>(context, src, params.window, dst, switches);
}

/// The flat index into N x C x H x W of the element that won each window: row-major, or with `column_major`
/// with y running fastest inside a plane (ONNX's storage_order 1). The result is N x C x P x Q in layout
/// nchw, whatever that of the switches; -1 where the window has no tap inside the image. `src_shape` is the
/// pool's input. Throws ShapeError.
template <Device D>
[[nodiscard]] Tensor<std::int64_t, D> switches_to_indices(
    const Context<D>& context, std::type_identity_t<SwitchesView<const std::byte, D>> switches,
    const MaxPool2dParams& params, const Shape& src_shape, bool column_major = false) {
  constexpr std::string_view what = "switches_to_indices";
  detail::check_shape(what, "switches", pool2d_output_shape(src_shape, params.window, what),
                      switches.shape());
  auto indices = context.template make<std::int64_t>(switches.shape());
  if (indices.count() == 0) return indices;
  if constexpr (std::same_as<D, Cpu>)
    cpu::switches_to_indices(context, switches, params.window, src_shape[2], src_shape[3], column_major,
                             indices);
  else
    cuda::switches_to_indices(context, switches, params.window, src_shape[2], src_shape[3], column_major,
                              indices);
  return indices;
}

}  // namespace deconv

#include "deconv/ops/cpu/max_pool2d.hpp"
