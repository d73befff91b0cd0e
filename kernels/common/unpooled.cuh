#pragma once

#include "common/element.cuh"
#include "common/window.cuh"

// What a pixel receives when maxima are put back to where they came from: the signals of those windows over
// it whose switches name it, in raster order of the windows, so that sums have one order and "last" is the
// last.
namespace deconv::cuda {

/// A signal joins what a pixel has received, where the switch says that it came from there.
__device__ inline float joined(float sum, bool mine, float signal, bool last) {
  return mine ? (last ? signal : sum + signal) : sum;
}

/// The tap r, s of a window as switches count it.
__device__ inline std::uint32_t switch_of(const Geometry& g, int r, int s) {
  return static_cast<std::uint32_t>(r) * static_cast<std::uint32_t>(g.x.kernel) +
         static_cast<std::uint32_t>(s);
}

/// The N elements of pixel (y, x) under any windows, one window after the other. `signals` and `switches` are
/// those of the plane's first output, whose pixels are `inner` elements apart.
template <int N, class T, class S>
__device__ inline Vector<T, N> unpooled(const Geometry& g, int y, int x, Index inner, bool last,
                                        const T* signals, const S* switches) {
  const Range rows = g.y.covering(y), columns = g.x.covering(x);
  float sums[N] = {};
  for (int p = rows.first; p < rows.last; ++p) {
    const int r = g.y.tap(y, p);
    if (r < 0) continue;
    for (int q = columns.first; q < columns.last; ++q) {
      const int s = g.x.tap(x, q);
      if (s < 0) continue;
      const Index at = (static_cast<Index>(p) * g.x.outputs + q) * inner;
      const auto here = load_vector<N>(signals + at);
      const auto taps = load_vector<N>(switches + at);
      const std::uint32_t mine = switch_of(g, r, s);
#pragma unroll
      for (int i = 0; i < N; ++i) sums[i] = joined(sums[i], taps.at[i] == mine, to_float(here.at[i]), last);
    }
  }
  Vector<T, N> result;
#pragma unroll
  for (int i = 0; i < N; ++i) result.at[i] = from_float<T>(sums[i]);
  return result;
}

/// The same where no pixel lies under more than two windows along either axis and windows have no gaps: all
/// four are read at once.
template <int N, class T, class S>
__device__ inline Vector<T, N> unpooled_from_four(const Geometry& g, int y, int x, Index inner, bool last,
                                                  const T* signals, const S* switches) {
  const Range rows = g.y.covering(y), columns = g.x.covering(x);
  Vector<T, N> here[2][2];
  Vector<S, N> taps[2][2];
#pragma unroll
  for (int j = 0; j < 2; ++j)
#pragma unroll
    for (int k = 0; k < 2; ++k)
      if (rows.first + j < rows.last && columns.first + k < columns.last) {
        const Index at = (static_cast<Index>(rows.first + j) * g.x.outputs + columns.first + k) * inner;
        here[j][k] = load_vector<N>(signals + at);
        taps[j][k] = load_vector<N>(switches + at);
      }
  float sums[N] = {};
#pragma unroll
  for (int j = 0; j < 2; ++j)
#pragma unroll
    for (int k = 0; k < 2; ++k)
      if (rows.first + j < rows.last && columns.first + k < columns.last) {
        const std::uint32_t mine =
            switch_of(g, y - g.y.start(rows.first + j), x - g.x.start(columns.first + k));
#pragma unroll
        for (int i = 0; i < N; ++i)
          sums[i] = joined(sums[i], taps[j][k].at[i] == mine, to_float(here[j][k].at[i]), last);
      }
  Vector<T, N> result;
#pragma unroll
  for (int i = 0; i < N; ++i) result.at[i] = from_float<T>(sums[i]);
  return result;
}

}  // namespace deconv::cuda
