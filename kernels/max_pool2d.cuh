#pragma once

#include "common/leaders.cuh"
#include "common/planes.cuh"

// Max-pooling with switches. A thread takes one vector of channels (nhwc) or one element (nchw) of a column
// of outputs. 3x3 windows two apart, two outputs a thread; the row in between serves both:
//
//      x0 x0+1 x0+2
//   y0  .  .  .   \  output p                 15 loads of 16 bytes for 2 outputs, all under way at once;
//       .  .  .    }                          the neighbour to the right finds its first column in L1
//       .  .  .   /\                          and the two rows of the next line of threads' in L2.
//       .  .  .     } output p + 1
//       .  .  .    /
//
// Where a window hangs over the image, or its second row of outputs over the output, the thread goes tap by
// tap instead. Taps go in raster order and take the lead only when greater, or when the first NaN: so ties
// stay with the first tap, and NaN with the first NaN. Bytes: src and dst once, one switch an output. Flops:
// a comparison and three more instructions a tap and element, some 40 an output of 3x3: a quarter of an
// H200's issue slots at the memory's pace in float, half of them in half.
namespace deconv::cuda {

/// One output of any window, tap by tap; `at` is its place in dst.
template <int N, class T, class S>
__device__ inline void pool_window(const Geometry& g, Index inner, int p, int q, const T* plane, T* dst,
                                   S* switches, Index at) {
  leaders_of_window<N, Leaders>(g, p, q, g.x.dilation * inner, [&](int y, int x) {
    return plane + (static_cast<Index>(y) * g.x.extent + x) * inner;
  }).store(dst, switches, at);
}

/// Outputs below each other that a thread computes.
inline constexpr int max_pool_rows = 2;

/// Windows of Kernel x Kernel, strides Stride, no dilation. S is the switches' type, or void for none.
template <class T, int N, class S, int Kernel, int Stride>
__global__ void __launch_bounds__(box_threads, N <= 4 ? 2 : 1)
    max_pool_square(Box box, Geometry g, Index inner, const T* src, T* dst, S* switches) {
  const std::uint32_t item = item_of_thread();
  if (item >= box.count) return;
  constexpr int Rows = max_pool_rows, height = (Rows - 1) * Stride + Kernel;
  const auto place = box.place(item);
  const int p = place.row * Rows, q = place.column;
  const int y0 = p * Stride - g.y.before, x0 = q * Stride - g.x.before;
  const Index row = g.x.outputs * inner;
  const T* plane = src + place.plane * g.y.extent * g.x.extent * inner + place.vector * N;
  const Index at = (place.plane * g.y.outputs + p) * row + q * inner + place.vector * N;

  const bool whole =
      y0 >= 0 && y0 + height <= g.y.extent && x0 >= 0 && x0 + Kernel <= g.x.extent && p + Rows <= g.y.outputs;
  if (!whole) {
    for (int i = 0; i < Rows && p + i < g.y.outputs; ++i)
      pool_window<N>(g, inner, p + i, q, plane, dst, switches, at + i * row);
    return;
  }
  const Index line = g.x.extent * inner;
  const T* corner = plane + y0 * line + x0 * inner;
  Vector<T, N> values[height][Kernel];
#pragma unroll
  for (int y = 0; y < height; ++y)
#pragma unroll
    for (int s = 0; s < Kernel; ++s) values[y][s] = load_vector<N>(corner + y * line + s * inner);
#pragma unroll
  for (int i = 0; i < Rows; ++i) {
    Leaders<N> leaders(values[i * Stride][0]);
#pragma unroll
    for (int tap = 1; tap < Kernel * Kernel; ++tap)
      leaders.meet(values[i * Stride + tap / Kernel][tap % Kernel], static_cast<std::uint32_t>(tap));
    leaders.store(dst, switches, at + i * row);
  }
}

/// Any windows, one output a thread.
template <class T, int N, class S>
__global__ void __launch_bounds__(box_threads, 4)
    max_pool_any(Box box, Geometry g, Index inner, const T* src, T* dst, S* switches) {
  const std::uint32_t item = item_of_thread();
  if (item >= box.count) return;
  const auto place = box.place(item);
  const T* plane = src + place.plane * g.y.extent * g.x.extent * inner + place.vector * N;
  const Index pixel = (place.plane * g.y.outputs + place.row) * g.x.outputs + place.column;
  pool_window<N>(g, inner, place.row, place.column, plane, dst, switches, pixel * inner + place.vector * N);
}

/// index = the row-major place in N x C x H x W of the tap that won, or with `column_major` with y running
/// fastest inside a plane; -1 for taps outside. `box` is N x (C x P) x Q in row-major order.
template <class S>
__global__ void __launch_bounds__(box_threads)
    indices_of_switches(Box box, Divider outputs, Divider taps_across, Geometry g, Index channels, bool woven,
                        bool column_major, Index first_image, const S* switches, std::int64_t* indices) {
  const std::uint32_t item = item_of_thread();
  if (item >= box.count) return;
  const auto place = box.place(item);
  const auto line = outputs(static_cast<std::uint32_t>(place.row));
  const Index image = first_image + place.plane, c = line.quotient, p = line.remainder, q = place.column;
  const Index plane = image * channels + c, P = g.y.outputs, Q = g.x.outputs;
  const Index at = woven ? ((image * P + p) * Q + q) * channels + c : (plane * P + p) * Q + q;
  const S tap = switches[at];
  Index r, s;
  if (static_cast<std::uint32_t>(tap) <= divider_limit) {
    const auto parts = taps_across(static_cast<std::uint32_t>(tap));
    r = parts.quotient;
    s = parts.remainder;
  } else {
    r = static_cast<Index>(tap) / g.x.kernel;
    s = static_cast<Index>(tap) % g.x.kernel;
  }
  const Index y = g.y.start(static_cast<int>(p)) + r * g.y.dilation;
  const Index x = g.x.start(static_cast<int>(q)) + s * g.x.dilation;
  const Index H = g.y.extent, W = g.x.extent;
  const bool inside = y >= 0 && y < H && x >= 0 && x < W;
  indices[(plane * P + p) * Q + q] = inside ? plane * H * W + (column_major ? x * H + y : y * W + x) : -1;
}

}  // namespace deconv::cuda
