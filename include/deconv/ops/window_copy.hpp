#pragma once

#include <limits>
#include <span>

#include "deconv/core/context.hpp"
#include "deconv/ops/cuda/window_copy.hpp"
#include "deconv/ops/operands.hpp"
#include "deconv/ops/switches.hpp"

// Windows cut from whole planes, for work that needs only a unit's surroundings.
namespace deconv {

namespace cpu {
/// Every image of dst = the window of the same image of src whose first pixel is (top, left); `outside` where
/// it overhangs.
template <class T>
void copy_windows(const Context<Cpu>& context, TensorView<const T, Cpu> src, Index top, Index left, T outside,
                  TensorView<T, Cpu> dst);
template <class T>
void zero_outside(const Context<Cpu>& context, TensorView<T, Cpu> windows, std::span<const Index> tops,
                  std::span<const Index> lefts, Index plane_height, Index plane_width);
}  // namespace cpu

namespace detail {

/// copy_windows on the device of the context.
template <class T, Device D>
void copy_windows(const Context<D>& context, Source<T, D> src, Index top, Index left, T outside,
                  TensorView<T, D> dst) {
  if (dst.count() == 0) return;
  if constexpr (std::same_as<D, Cpu>)
    cpu::copy_windows<T>(context, src, top, left, outside, dst);
  else
    cuda::copy_windows<T>(context, src, top, left, outside, dst);
}

inline void check_gather_window(const Shape& plane, Layout plane_layout, Index image, const Shape& dst,
                                Layout dst_layout) {
  constexpr std::string_view what = "gather_window";
  require<ShapeError>(plane.rank() == 4 && dst.rank() == 4 && dst[0] == 1 && dst[1] == plane[1], what,
                      ": cannot cut ", dst, " from ", plane);
  require<ShapeError>(plane_layout == dst_layout, what, ": wants one layout, met ", name_of(plane_layout),
                      " and ", name_of(dst_layout));
  require<ShapeError>(image >= 0 && image < plane[0], what, ": image ", image, " of ", plane[0]);
}

}  // namespace detail

/// dst = the window of image `image` whose first pixel is (top, left); what overhangs the plane is 0.
/// plane N x C x H x W, dst 1 x C x h x w in the same layout; top and left may be negative. Throws
/// ShapeError. Bytes: the window twice.
template <class T, Device D>
void gather_window(const Context<D>& context, Source<T, D> plane, Index image, Index top, Index left,
                   TensorView<T, D> dst) {
  detail::check_gather_window(plane.shape(), plane.layout(), image, dst.shape(), dst.layout());
  detail::copy_windows<T, D>(context, plane.slice(image, 1), top, left, T{}, dst);
}

/// The same for switches. A switch outside its plane is the largest number that it may hold, a tap that only
/// windows of exactly 256 (65536, ...) taps have, so that unpooling leaves it out.
template <Device D>
void gather_window(const Context<D>& context, std::type_identity_t<SwitchesView<const std::byte, D>> plane,
                   Index image, Index top, Index left, std::type_identity_t<SwitchesView<std::byte, D>> dst) {
  detail::check_gather_window(plane.shape(), plane.layout(), image, dst.shape(), dst.layout());
  require<ShapeError>(plane.width() == dst.width(), "gather_window: wants switches of ", plane.width(),
                      " bytes, met ", dst.width());
  if (dst.shape().count() == 0) return;
  dst.visit([&]<class T>(TensorView<T, D> to) {
    const TensorView<const T, D> from(reinterpret_cast<const T*>(plane.data()), plane.shape(),
                                      plane.layout());
    detail::copy_windows<T, D>(context, from.slice(image, 1), top, left, std::numeric_limits<T>::max(), to);
  });
}

/// Clears the pixels of each window that lie outside the plane it belongs to.
/// windows U x C x h x w, either layout; window u's first pixel is (tops[u], lefts[u]) of a plane of
/// plane_height x plane_width. Throws ShapeError.
template <class T, Device D>
void zero_outside(const Context<D>& context, TensorView<T, D> windows, std::span<const Index> tops,
                  std::span<const Index> lefts, Index plane_height, Index plane_width) {
  require<ShapeError>(
      windows.rank() == 4 && static_cast<Index>(tops.size()) == windows[0] && tops.size() == lefts.size(),
      "zero_outside: ", tops.size(), " and ", lefts.size(), " places for windows ", windows.shape());
  if (windows.count() == 0) return;
  if constexpr (std::same_as<D, Cpu>)
    cpu::zero_outside<T>(context, windows, tops, lefts, plane_height, plane_width);
  else
    cuda::zero_outside<T>(context, windows, tops, lefts, plane_height, plane_width);
}

}  // namespace deconv

#include "deconv/ops/cpu/window_copy.hpp"
