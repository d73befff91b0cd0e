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

  /// Before any tap: minus infinity, which the first tap need not beat to be the winner. Windows without a
  /// tap inside say so, and have switch 0.
  __device__ Leaders(std::uint32_t first_tap, bool /*any*/) {
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

/// The same for 16-bit values of which none is negative: their bits then order them (NaN, which rounding
/// makes all alike, above all), and one integer holds a value and, so that earlier ones win ties, what its
/// tap lacks to 65535. Half the instructions.
template <int N>
struct RectifiedLeaders {
  std::uint32_t key[N];
  bool any;

  __device__ RectifiedLeaders(std::uint32_t first_tap, bool any_tap) : any(any_tap) {
#pragma unroll
    for (int i = 0; i < N; ++i) key[i] = 0xffffu - first_tap;  // +0
  }
  template <class T>
  __device__ void meet(const Vector<T, N>& values, std::uint32_t their_tap) {
    static_assert(sizeof(T) == 2);
#pragma unroll
    for (int i = 0; i < N; ++i)
      key[i] = max(key[i], static_cast<std::uint32_t>(values.at[i].bits) << 16 | (0xffffu - their_tap));
  }
  template <class T, class S>
  __device__ void store(T* dst, S* switches, Index at) const {
    Vector<T, N> maxima;
#pragma unroll
    for (int i = 0; i < N; ++i) {
      maxima.at[i] = from_float<T>(-__builtin_huge_valf());
      if (any) maxima.at[i].bits = static_cast<std::uint16_t>(key[i] >> 16);
    }
    store_vector<N>(dst + at, maxima);
    if constexpr (!std::is_void_v<S>) {
      Vector<S, N> taps;
#pragma unroll
      for (int i = 0; i < N; ++i) taps.at[i] = static_cast<S>(0xffffu - (key[i] & 0xffffu));
      store_vector<N>(switches + at, taps);
    }
  }
};

/// The leaders of output (p, q) of any window, tap by tap, as Leading<N> keeps them. pixel(y, x) is the
/// address of a pixel's elements, `step` the elements from a tap to the next in its row.
template <int N, template <int> class Leading, class Pixel>
__device__ inline Leading<N> leaders_of_window(const Geometry& g, int p, int q, Index step,
                                               const Pixel& pixel) {
  const int y0 = g.y.start(p), x0 = g.x.start(q);
  const Range rows = g.y.taps_inside(y0), columns = g.x.taps_inside(x0);
  const auto tap_of = [&](int r, int s) {
    return static_cast<std::uint32_t>(r) * static_cast<std::uint32_t>(g.x.kernel) +
           static_cast<std::uint32_t>(s);
  };
  const bool met = !rows.empty() && !columns.empty();
  Leading<N> leaders(met ? tap_of(rows.first, columns.first) : 0, met);
  for (int r = rows.first; r < rows.last; ++r) {
    auto from = pixel(y0 + r * g.y.dilation, x0 + columns.first * g.x.dilation);
#pragma unroll 4
    for (int s = columns.first; s < columns.last; ++s, from += step)
      leaders.meet(load_vector<N>(from), tap_of(r, s));
  }
  return leaders;
}

}  // namespace deconv::cuda
