#pragma once

#include "deconv/core/context.hpp"
#include "deconv/ops/cuda/unpool2d.hpp"
#include "deconv/ops/max_pool2d.hpp"
#include "deconv/ops/rules.hpp"

namespace deconv {

namespace cpu {
template <class T>
void unpool2d(const Context<Cpu>& context, TensorView<const T, Cpu> diff_dst,
              SwitchesView<const std::byte, Cpu> switches, const Window2d& window, OverlapRule overlap,
              TensorView<T, Cpu> diff_src);
}  // namespace cpu

namespace detail {

/// Reverse passes over windows: padding may be negative and the extents need not follow the output-shape
/// rule.
inline void check_reverse_window(std::string_view what, const Window2d& window) {
  constexpr Index limit = Index{1} << 31;
  const auto positive = [&](Index value) { return value >= 1 && value < limit; };
  const auto sane = [&](Index value) { return value > -limit && value < limit; };
  require<ShapeError>(positive(window.kernel_y) && positive(window.kernel_x) && positive(window.stride_y) &&
                          positive(window.stride_x) && positive(window.dilation_y) &&
                          positive(window.dilation_x) && sane(window.padding.top) &&
                          sane(window.padding.left),
                      what, ": kernel, stride and dilation must be at least 1, met ", window);
}

template <class T, Device D>
void check_unpool2d(TensorView<const T, D> diff_dst, SwitchesView<const std::byte, D> switches,
                    const Window2d& window, TensorView<T, D> diff_src) {
  constexpr std::string_view what = "unpool2d";
  check_reverse_window(what, window);
  check_rank4_pair(what, diff_dst, diff_src);
  require<ShapeError>(diff_dst[0] == diff_src[0] && diff_dst[1] == diff_src[1], what,
                      ": images and channels of ", diff_dst.shape(), " differ from ", diff_src.shape());
  check_shape(what, "switches", diff_dst.shape(), switches.shape());
  require<ShapeError>(!switches.empty() || diff_dst.count() == 0, what, ": wants switches, met none");
  require<ShapeError>(
      switches.layout() == diff_dst.layout() && switches.width() == Switches<D>::width_for(window.taps()),
      what, ": switches want layout ", name_of(diff_dst.layout()), " and ",
      Switches<D>::width_for(window.taps()), " bytes each, met ", name_of(switches.layout()), " and ",
      switches.width());
}

}  // namespace detail

/// Puts each signal back to the place that its window's maximum came from; everything else becomes 0. Where a
/// pixel won several overlapping windows it receives their sum, added in raster order of the windows, or the
/// last one's signal.
///
/// diff_dst and switches N x C x P x Q, diff_src N x C x H x W, all of one layout. A gather: each pixel of
/// diff_src looks at the windows that cover it. The extents need not follow the output-shape rule: only
/// padding.top and padding.left count and may be negative, taps outside diff_src are skipped (this serves
/// windows cut from larger planes). Throws ShapeError. Bytes: diff_dst, switches and diff_src once.
template <class T, Device D>
void unpool2d(const Context<D>& context, Source<T, D> diff_dst,
              std::type_identity_t<SwitchesView<const std::byte, D>> switches, const MaxPool2dParams& params,
              OverlapRule overlap, TensorView<T, D> diff_src) {
  detail::check_unpool2d<T, D>(diff_dst, switches, params.window, diff_src);
  if (diff_src.count() == 0) return;
  if constexpr (std::same_as<D, Cpu>)
    cpu::unpool2d<T>(context, diff_dst, switches, params.window, overlap, diff_src);
  else
    cuda::unpool2d<T>(context, diff_dst, switches, params.window, overlap, diff_src);
}

}  // namespace deconv

#include "deconv/ops/cpu/unpool2d.hpp"
