#pragma once

#include <limits>
#include <span>
#include <vector>

#include "deconv/core/context.hpp"
#include "deconv/ops/cuda/window_copy.hpp"
#include "deconv/ops/operands.hpp"
#include "deconv/ops/switches.hpp"
#include "deconv/ops/window_place.hpp"

// Windows cut from whole planes, for work that needs only a unit's surroundings.
namespace deconv {

namespace cpu {
/// Every image of dst = the window of the same image of src whose first pixel is (top, left); `outside` where
/// it overhangs.
template <class T>
void copy_windows(const Context<Cpu>& context, TensorView<const T, Cpu> src, Index top, Index left, T outside,
                  TensorView<T, Cpu> dst);
template <class T>
void gather_windows(const Context<Cpu>& context,
                    std::span<const WindowPlace<TensorView<const T, Cpu>>> places, T outside,
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

/// gather_windows without its checks, on the device of the context.
template <class T, Device D>
void gather_windows(const Context<D>& context, std::span<const WindowPlace<TensorView<const T, D>>> places,
                    T outside, TensorView<T, D> dst) {
  if (dst.count() == 0) return;
  if constexpr (std::same_as<D, Cpu>)
    cpu::gather_windows<T>(context, places, outside, dst);
  else
    cuda::gather_windows<T>(context, places, outside, dst);
}

/// Throws ShapeError unless dst takes a window from each place and all planes are of one size and layout.
template <class View, class Target>
void check_gather_windows(std::span<const WindowPlace<View>> places, const Target& dst) {
  constexpr std::string_view what = "gather_windows";
  require<ShapeError>(dst.shape().rank() == 4 && dst.shape()[0] == static_cast<Index>(places.size()), what,
                      ": cannot put ", places.size(), " windows into ", dst.shape());
  for (const auto& place : places) {
    const Shape& planes = place.planes.shape();
    require<ShapeError>(planes.rank() == 4 && planes[1] == dst.shape()[1], what, ": cannot cut ", dst.shape(),
                        " from ", planes);
    require<ShapeError>(planes.with(0, 1) == places.front().planes.shape().with(0, 1), what,
                        ": wants planes of one size, met ", places.front().planes.shape(), " and ", planes);
    require<ShapeError>(place.planes.layout() == dst.layout(), what, ": wants one layout, met ",
                        name_of(place.planes.layout()), " and ", name_of(dst.layout()));
    require<ShapeError>(place.image >= 0 && place.image < planes[0], what, ": image ", place.image, " of ",
                        planes[0]);
  }
}

}  // namespace detail

/// Image u of dst = the window at places[u]; what overhangs its planes is 0. Planes N x C x H x W, of one
/// C x H x W but any N and any number of tensors, dst U x C x h x w, all in one layout. Throws ShapeError.
/// Bytes: what is inside read once, dst written once. On Cuda one launch for up to 224 windows, which may be
/// recorded.
template <class T, Device D>
void gather_windows(const Context<D>& context,
                    std::span<const std::type_identity_t<WindowPlace<TensorView<const T, D>>>> places,
                    TensorView<T, D> dst) {
  detail::check_gather_windows(places, dst);
  detail::gather_windows<T, D>(context, places, T{}, dst);
}

/// The same for switches. A switch outside its plane is the largest number that it may hold, a tap that only
/// windows of exactly 256 (65536, ...) taps have, so that unpooling leaves it out.
template <Device D>
void gather_windows(
    const Context<D>& context,
    std::span<const std::type_identity_t<WindowPlace<SwitchesView<const std::byte, D>>>> places,
    std::type_identity_t<SwitchesView<std::byte, D>> dst) {
  detail::check_gather_windows(places, dst);
  for (const auto& place : places)
    require<ShapeError>(place.planes.width() == dst.width(), "gather_windows: wants switches of ",
                        place.planes.width(), " bytes, met ", dst.width());
  dst.visit([&]<class T>(TensorView<T, D> to) {
    std::vector<WindowPlace<TensorView<const T, D>>> typed;
    for (const auto& [planes, image, top, left] : places)
      typed.push_back(
          {{reinterpret_cast<const T*>(planes.data()), planes.shape(), planes.layout()}, image, top, left});
    detail::gather_windows<T, D>(context, typed, std::numeric_limits<T>::max(), to);
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
