#pragma once

#include <type_traits>

#include "common/element.cuh"
#include "common/window.cuh"

// The maxima of pooling windows and the taps that hold them. Taps come in raster order and take the lead only
// when greater, or when the first NaN: so ties stay with the first tap, and NaN with the first NaN.
namespace deconv::cuda {

/// The leading tap of each of N elements.
template <int N>
struct Leaders {
  float best[N];
  std::uint32_t tap[N];

  /// Before any tap: minus infinity, which the first tap need not beat to be the winner.
  __device__ explicit Leaders(std::uint32_t first_tap) {
#pragma unroll
    for (int i = 0; i < N; ++i) {
      best[i] = -__builtin_huge_valf();
      tap[i] = first_tap;
    }
  }
  /// The first tap of a window that lies wholly inside.
  template <class T>
  __device__ explicit Leaders(const Vector<T, N>& values) {
#pragma unroll
    for (int i = 0; i < N; ++i) {
      best[i] = to_float(values.at[i]);
      tap[i] = 0;
    }
  }
  template <class T>
  __device__ void meet(const Vector<T, N>& values, std::uint32_t their_tap) {
#pragma unroll
    for (int i = 0; i < N; ++i) {
      const float value = to_float(values.at[i]);
      // Greater, or the first NaN.
      const bool leads = !(value <= best[i]) && best[i] == best[i];
      best[i] = leads ? value : best[i];
      tap[i] = leads ? their_tap : tap[i];
    }
  }
  template <class T, class S>
  __device__ void store(T* dst, S* switches, Index at) const {
    Vector<T, N> maxima;
#pragma unroll
    for (int i = 0; i < N; ++i) maxima.at[i] = from_float<T>(best[i]);
    store_vector<N>(dst + at, maxima);
    if constexpr (!std::is_void_v<S>) {
      Vector<S, N> taps;
#pragma unroll
      for (int i = 0; i < N; ++i) taps.at[i] = static_cast<S>(tap[i]);
      store_vector<N>(switches + at, taps);
    }
  }
};

/// The leaders of output (p, q) of any window, tap by tap. pixel(y, x) is the address of a pixel's elements,
/// `step` the elements from a tap to the next in its row.
template <int N, class Pixel>
__device__ inline Leaders<N> leaders_of_window(const Geometry& g, int p, int q, Index step,
                                               const Pixel& pixel) {
  const int y0 = g.y.start(p), x0 = g.x.start(q);
  const Range rows = g.y.taps_inside(y0), columns = g.x.taps_inside(x0);
  const auto tap_of = [&](int r, int s) {
    return static_cast<std::uint32_t>(r) * static_cast<std::uint32_t>(g.x.kernel) +
           static_cast<std::uint32_t>(s);
  };
  const bool met = !rows.empty() && !columns.empty();
  Leaders<N> leaders(met ? tap_of(rows.first, columns.first) : 0);
  for (int r = rows.first; r < rows.last; ++r) {
    auto from = pixel(y0 + r * g.y.dilation, x0 + columns.first * g.x.dilation);
#pragma unroll 4
    for (int s = columns.first; s < columns.last; ++s, from += step)
      leaders.meet(load_vector<N>(from), tap_of(r, s));
  }
  return leaders;
}

}  // namespace deconv::cuda
