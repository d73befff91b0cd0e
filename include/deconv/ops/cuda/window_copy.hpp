#pragma once

#include <span>

#include "deconv/core/context.hpp"
#include "deconv/ops/window_place.hpp"

// The launchers of windows and padding, see ops/window_copy.hpp and ops/pad2d.hpp; kernels/window_copy.cu. T
// is float, half, bfloat16, for copy_windows and gather_windows also std::uint8_t, std::uint16_t and
// std::uint32_t.
namespace deconv::cuda {

/// Every image of dst = the window of the same image of src whose first pixel is (top, left); `outside` where
/// it overhangs.
template <class T>
void copy_windows(const Context<Cuda>& context, TensorView<const T, Cuda> src, Index top, Index left,
                  T outside, TensorView<T, Cuda> dst);
/// Image u of dst = the window at places[u], `outside` where it overhangs. Planes of one size and layout.
template <class T>
void gather_windows(const Context<Cuda>& context,
                    std::span<const WindowPlace<TensorView<const T, Cuda>>> places, T outside,
                    TensorView<T, Cuda> dst);
template <class T>
void zero_outside(const Context<Cuda>& context, TensorView<T, Cuda> windows, std::span<const Index> tops,
                  std::span<const Index> lefts, Index plane_height, Index plane_width);

}  // namespace deconv::cuda
