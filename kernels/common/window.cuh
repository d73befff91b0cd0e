#pragma once

#include <cuda_runtime.h>

#include <algorithm>

#include "common/divide.cuh"
#include "deconv/core/error.hpp"
#include "deconv/core/shape.hpp"
#include "deconv/ops/window2d.hpp"

// Which taps of which windows meet which pixels, as ops/window_taps.hpp has it, in 32-bit arithmetic.
namespace deconv::cuda {

/// Numbers [first, last); may be empty.
struct Range {
  int first, last;
  [[nodiscard]] __host__ __device__ bool empty() const { return first >= last; }
};

/// One axis of a window geometry: output p's tap r sees input p * stride - before + r * dilation, of
/// [0, extent).
struct Axis {
  int kernel, stride, dilation, before, extent, outputs;
  Divider by_stride, by_dilation;

  [[nodiscard]] __device__ int start(int output) const { return output * stride - before; }
  /// The least n >= 0 with n * dilation >= distance.
  [[nodiscard]] __device__ int taps_to(int distance) const { return steps(distance, by_dilation); }
  /// The taps of a window that starts here which lie in [low, high).
  [[nodiscard]] __device__ Range taps_between(int start, int low, int high) const {
    return {taps_to(low - start), min(kernel, taps_to(high - start))};
  }
  [[nodiscard]] __device__ Range taps_inside(int start) const { return taps_between(start, 0, extent); }
  /// The outputs whose windows reach over an input place; with dilation not each has a tap there.
  [[nodiscard]] __device__ Range covering(int place) const {
    const int reached = place + before;
    if (reached < 0) return {0, 0};
    const int last = static_cast<int>(by_stride(static_cast<std::uint32_t>(reached)).quotient) + 1;
    return {steps(reached - (kernel - 1) * dilation, by_stride), min(outputs, last)};
  }
  /// The tap by which an output of covering(place) sees the place; -1 where dilation passes over it.
  [[nodiscard]] __device__ int tap(int place, int output) const {
    const auto parts = by_dilation(static_cast<std::uint32_t>(place - start(output)));
    return parts.remainder == 0 ? static_cast<int>(parts.quotient) : -1;
  }

 private:
  /// distance / step rounded up, at least 0.
  [[nodiscard]] static __device__ int steps(int distance, const Divider& step) {
    return distance <= 0 ? 0 : static_cast<int>(step(static_cast<std::uint32_t>(distance - 1)).quotient) + 1;
  }
};

/// Both axes of a window geometry between planes of H x W inputs and P x Q outputs.
struct Geometry {
  Axis y, x;
};

/// Throws ShapeError where 31 bits do not hold the axis' numbers.
[[nodiscard]] inline Axis axis_of(Index kernel, Index stride, Index dilation, Index before, Index extent,
                                  Index outputs) {
  constexpr Index limit = (Index{1} << 31) - 1;
  const bool fits = extent <= limit && outputs <= limit && kernel <= limit &&
                    (outputs > 0 ? outputs - 1 : 0) * stride + (kernel - 1) * dilation + extent +
                            (before < 0 ? -before : before) <=
                        limit;
  require<ShapeError>(fits, "windows of ", kernel, " taps, stride ", stride, ", dilation ", dilation,
                      " over an extent of ", extent, " are too large for a GPU");
  Axis axis;
  axis.kernel = static_cast<int>(kernel);
  axis.stride = static_cast<int>(stride);
  axis.dilation = static_cast<int>(dilation);
  axis.before = static_cast<int>(before);
  axis.extent = static_cast<int>(extent);
  axis.outputs = static_cast<int>(outputs);
  axis.by_stride = Divider(stride);
  axis.by_dilation = Divider(dilation);
  return axis;
}

/// `image` is the window's input side (H x W), `outputs` its output side (P x Q), both as N,C,y,x.
[[nodiscard]] inline Geometry geometry_of(const Window2d& w, const Shape& image, const Shape& outputs) {
  return {axis_of(w.kernel_y, w.stride_y, w.dilation_y, w.padding.top, image[2], outputs[2]),
          axis_of(w.kernel_x, w.stride_x, w.dilation_x, w.padding.left, image[3], outputs[3])};
}

/// Whether the window is Kernel x Kernel with strides Stride and no dilation.
template <int Kernel, int Stride>
[[nodiscard]] bool is_square(const Window2d& w) noexcept {
  return w.kernel_y == Kernel && w.kernel_x == Kernel && w.stride_y == Stride && w.stride_x == Stride &&
         w.dilation_y == 1 && w.dilation_x == 1;
}

}  // namespace deconv::cuda
