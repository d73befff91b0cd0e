#pragma once

#include "common/planes.cuh"
#include "common/unpooled.cuh"
#include "deconv/ops/rules.hpp"

// Unpooling as a gather: no atomics, no clearing pass, the same bits every run. Pixels fall into blocks of
// Stride x Stride, one where each window begins, and all pixels of a block are covered by the same windows.
// For 3x3 windows two apart:
//
//        q-1   q
//       ┌───┬───┐    a thread owns one vector of channels of a block's four pixels: it reads the signals
//   p-1 │  ←│←  │    and switches of windows (p-1, q-1), (p-1, q), (p, q-1), (p, q), compares each switch
//       ├──↖┼─↑─┤    with the taps that fall into the block (of window (p, q) taps 0, 1, 3, 4, of its left
//    p  │  ←│ ■ │    neighbour taps 2, 5, ...: nine in all, each once), and writes the block in one go.
//       └───┴───┘
//
// Windows come in raster order, so that sums have one order and "last" is the last. Bytes: diff_dst, switches
// and diff_src once; of the four windows three come from L1 and L2. Flops: nine comparisons, choices and
// additions for four elements.
namespace deconv::cuda {

/// Where the blocks of pixels begin: the window that starts in the first one.
struct BlockOrigin {
  int y, x;
};

/// Windows of Kernel x Kernel, strides Stride, no dilation. A thread's block is Stride rows by `Wide`
/// columns: Stride for pixels of many channels, 1 where neighbouring threads should write neighbouring
/// columns.
template <class T, int N, int Kernel, int Stride, int Wide, bool Last>
__global__ void __launch_bounds__(box_threads)
    unpool_square(Box box, Geometry g, BlockOrigin origin, Index inner, const T* diff_dst,
                  const std::uint8_t* switches, T* diff_src) {
  static_assert(Kernel * Kernel < 255 && (Wide == Stride || Wide == 1));
  const std::uint32_t item = item_of_thread();
  if (item >= box.count) return;
  const auto place = box.place(item);
  const int p = origin.y + place.row, y0 = p * Stride - g.y.before;
  // The last window that begins at or before the thread's columns, and the columns' place in its block.
  int q = origin.x + place.column, x0 = q * Stride - g.x.before, phase = 0;
  if constexpr (Wide != Stride) {
    x0 = place.column;
    const int reached = x0 + g.x.before;
    q = reached >= 0 ? reached / Stride : -((Stride - 1 - reached) / Stride);
    phase = reached - q * Stride;
  }
  constexpr int before = (Kernel - 1) / Stride;  // further windows that reach into the block
  const Index outputs = place.plane * g.y.outputs * g.x.outputs;

  Vector<T, N> signals[before + 1][before + 1];
  Vector<std::uint8_t, N> taps[before + 1][before + 1];
#pragma unroll
  for (int j = 0; j <= before; ++j)
#pragma unroll
    for (int k = 0; k <= before; ++k) {
      const int row = p - before + j, column = q - before + k;
      const bool there = row >= 0 && row < g.y.outputs && column >= 0 && column < g.x.outputs;
      signals[j][k] = {};
#pragma unroll
      for (int i = 0; i < N; ++i) taps[j][k].at[i] = 255;  // the tap of no pixel
      if (there) {
        const Index at =
            (outputs + static_cast<Index>(row) * g.x.outputs + column) * inner + place.vector * N;
        signals[j][k] = load_vector<N>(diff_dst + at);
        taps[j][k] = load_vector<N>(switches + at);
      }
    }

#pragma unroll
  for (int dy = 0; dy < Stride; ++dy)
#pragma unroll
    for (int dx = 0; dx < Wide; ++dx) {
      float sums[N] = {};
#pragma unroll
      for (int j = 0; j <= before; ++j)
#pragma unroll
        for (int k = 0; k <= before; ++k) {
          const int r = dy + (before - j) * Stride, s = phase + dx + (before - k) * Stride;
          if (r >= Kernel || s >= Kernel) continue;
#pragma unroll
          for (int i = 0; i < N; ++i)
            sums[i] =
                joined(sums[i], taps[j][k].at[i] == r * Kernel + s, to_float(signals[j][k].at[i]), Last);
        }
      const int y = y0 + dy, x = x0 + dx;
      if (y < 0 || y >= g.y.extent || x < 0 || x >= g.x.extent) continue;
      Vector<T, N> result;
#pragma unroll
      for (int i = 0; i < N; ++i) result.at[i] = from_float<T>(sums[i]);
      const Index pixel = (place.plane * g.y.extent + y) * g.x.extent + x;
      store_vector<N>(diff_src + pixel * inner + place.vector * N, result);
    }
}

/// Any windows, one vector of one pixel a thread.
template <class T, int N, class S>
__global__ void __launch_bounds__(box_threads, 4)
    unpool_any(Box box, Geometry g, Index inner, bool last, const T* diff_dst, const S* switches,
               T* diff_src) {
  const std::uint32_t item = item_of_thread();
  if (item >= box.count) return;
  const auto place = box.place(item);
  const Index outputs = place.plane * g.y.outputs * g.x.outputs * inner + place.vector * N;
  const auto result =
      unpooled<N>(g, place.row, place.column, inner, last, diff_dst + outputs, switches + outputs);
  const Index pixel = (place.plane * g.y.extent + place.row) * g.x.extent + place.column;
  store_vector<N>(diff_src + pixel * inner + place.vector * N, result);
}

}  // namespace deconv::cuda
