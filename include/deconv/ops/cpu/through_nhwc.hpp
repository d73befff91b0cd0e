#pragma once

#include "deconv/core/context.hpp"
#include "deconv/ops/copy_layout.hpp"
#include "deconv/ops/cpu/lanes.hpp"
#include "deconv/ops/switches.hpp"

// Windows that slide over nchw planes leave no run of memory to compute on at once. With a vector's worth of
// channels it is three to ten times quicker to convert to nhwc, work there and convert back.
namespace deconv::cpu {

/// Whether tensors of this layout and number of channels should take the way through nhwc.
template <class T>
[[nodiscard]] bool goes_through_nhwc(const TensorView<T, Cpu>& view) noexcept {
  return view.layout() == Layout::nchw &&
         view[1] >= static_cast<Index>(Lanes<std::remove_const_t<T>>::count) && view[2] * view[3] > 1;
}

/// A copy in nhwc.
template <class T>
[[nodiscard]] Tensor<T, Cpu> in_nhwc(const Context<Cpu>& context, TensorView<const T, Cpu> view) {
  auto copy = context.make<T>(view.shape(), Layout::nhwc);
  deconv::copy_layout<T>(context, view, copy.view());
  return copy;
}

/// Copies switches into others of the same shape and width.
inline void copy_switches(const Context<Cpu>& context, SwitchesView<const std::byte, Cpu> src,
                          SwitchesView<std::byte, Cpu> dst) {
  dst.visit([&]<class S>(TensorView<S, Cpu> to) {
    const TensorView<const S, Cpu> from(reinterpret_cast<const S*>(src.data()), src.shape(), src.layout());
    deconv::copy_layout<S>(context, from, to);
  });
}

/// Uninitialised switches in nhwc like the given ones; empty when those are.
[[nodiscard]] inline Switches<Cpu> like_in_nhwc(const Context<Cpu>& context,
                                                SwitchesView<const std::byte, Cpu> view, Index taps) {
  return view.empty() ? Switches<Cpu>()
                      : Switches<Cpu>::make(view.shape(), Layout::nhwc, taps, context.workspace());
}

}  // namespace deconv::cpu
