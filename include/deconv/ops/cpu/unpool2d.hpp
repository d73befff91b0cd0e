#pragma once

#include <algorithm>
#include <array>

#include "deconv/core/parallel.hpp"
#include "deconv/ops/cpu/max_pool2d.hpp"
#include "deconv/ops/unpool2d.hpp"
#include "deconv/ops/window_taps.hpp"

namespace deconv::cpu {
namespace detail {

using deconv::detail::Coverage;

/// A window that covers the pixel at hand: its signals and switches (one a channel), and the tap that meets
/// the pixel.
template <class T, class S>
struct CoveringWindow {
  const T* signals;
  const S* switches;
  Lane<T> tap;
};

/// dst = what `Count` covering windows give the pixel, on top of what stands there when `resumed`.
template <std::size_t Count, OverlapRule Overlap, class T, class S>
void gather_pixel(const CoveringWindow<T, S>* windows, bool resumed, Index channels, T* __restrict dst) {
  std::array<CoveringWindow<T, S>, Count> from;
  std::copy_n(windows, Count, from.begin());
  const auto run = [&](auto start) {
#pragma omp simd
    for (Index c = 0; c < channels; ++c) {
      T sum = start(c);
#pragma GCC unroll 4
      for (std::size_t i = 0; i < Count; ++i) {
        const bool mine = static_cast<Lane<T>>(from[i].switches[c]) == from[i].tap;
        if constexpr (Overlap == OverlapRule::sum)
          sum += mine ? from[i].signals[c] : T(0);
        else
          sum = mine ? from[i].signals[c] : sum;
      }
      dst[c] = sum;
    }
  };
  if (resumed)
    run([dst](Index c) { return dst[c]; });
  else
    run([](Index) { return T(0); });
}

template <OverlapRule Overlap, class T, class S>
void unpool2d_nhwc(const Context<Cpu>& context, TensorView<const T, Cpu> diff_dst, const S* switches,
                   const Window2d& w, TensorView<T, Cpu> diff_src) {
  const Index channels = diff_src[1], height = diff_src[2], width = diff_src[3];
  const Index out_height = diff_dst[2], out_width = diff_dst[3];
  const Coverage rows(rows_of(w), height, out_height), columns(columns_of(w), width, out_width);
  const auto body = [&](Index row) {
    const Index n = row / height, y = row % height;
    for (Index x = 0; x < width; ++x) {
      T* dst = diff_src.data() + (row * width + x) * channels;
      constexpr std::size_t most = 4;
      std::array<CoveringWindow<T, S>, most> windows;
      std::size_t count = 0;
      bool resumed = false;
      const auto flush = [&] {
        switch (count) {
          case 1:
            gather_pixel<1, Overlap>(windows.data(), resumed, channels, dst);
            break;
          case 2:
            gather_pixel<2, Overlap>(windows.data(), resumed, channels, dst);
            break;
          case 3:
            gather_pixel<3, Overlap>(windows.data(), resumed, channels, dst);
            break;
          case 4:
            gather_pixel<4, Overlap>(windows.data(), resumed, channels, dst);
            break;
          default:
            break;
        }
        if (count > 0) resumed = true;
        count = 0;
      };
      for (const auto* r = rows.begin(y); r != rows.end(y); ++r)
        for (const auto* s = columns.begin(x); s != columns.end(x); ++s) {
          const Index at = ((n * out_height + r->output) * out_width + s->output) * channels;
          windows[count++] = {diff_dst.data() + at, switches + at,
                              static_cast<Lane<T>>(r->tap * w.kernel_x + s->tap)};
          if (count == most) flush();
        }
      flush();
      if (!resumed) std::fill_n(dst, channels, T(0));
    }
  };
  parallel_for(context, diff_src[0] * height, body, deconv::detail::row_grain(width * channels));
}

template <OverlapRule Overlap, class T, class S>
void unpool2d_nchw(const Context<Cpu>& context, TensorView<const T, Cpu> diff_dst, const S* switches,
                   const Window2d& w, TensorView<T, Cpu> diff_src) {
  const Index height = diff_src[2], width = diff_src[3], out_height = diff_dst[2], out_width = diff_dst[3];
  const Coverage rows(rows_of(w), height, out_height), columns(columns_of(w), width, out_width);
  const auto body = [&](Index row) {
    const Index plane = row / height, y = row % height;
    const T* signals = diff_dst.data() + plane * out_height * out_width;
    const S* taps = switches + plane * out_height * out_width;
    for (Index x = 0; x < width; ++x) {
      T sum = T(0);
      for (const auto* r = rows.begin(y); r != rows.end(y); ++r)
        for (const auto* s = columns.begin(x); s != columns.end(x); ++s) {
          const Index at = r->output * out_width + s->output;
          const bool mine = static_cast<Index>(taps[at]) == r->tap * w.kernel_x + s->tap;
          if constexpr (Overlap == OverlapRule::sum)
            sum += mine ? signals[at] : T(0);
          else
            sum = mine ? signals[at] : sum;
        }
      diff_src.data()[row * width + x] = sum;
    }
  };
  parallel_for(context, diff_src[0] * diff_src[1] * height, body, deconv::detail::row_grain(width * 2));
}

}  // namespace detail

template <class T>
void unpool2d(const Context<Cpu>& context, TensorView<const T, Cpu> diff_dst,
              SwitchesView<const std::byte, Cpu> switches, const Window2d& window, OverlapRule overlap,
              TensorView<T, Cpu> diff_src) {
  switches.visit([&](auto view) {
    const auto run = [&](auto rule) {
      constexpr OverlapRule Overlap = decltype(rule)::value;
      if (diff_src.layout() == Layout::nhwc)
        detail::unpool2d_nhwc<Overlap>(context, diff_dst, view.data(), window, diff_src);
      else
        detail::unpool2d_nchw<Overlap>(context, diff_dst, view.data(), window, diff_src);
    };
    if (overlap == OverlapRule::sum)
      run(std::integral_constant<OverlapRule, OverlapRule::sum>{});
    else
      run(std::integral_constant<OverlapRule, OverlapRule::last>{});
  });
}

}  // namespace deconv::cpu
