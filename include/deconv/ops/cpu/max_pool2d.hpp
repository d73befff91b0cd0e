#pragma once

#include <algorithm>
#include <array>
#include <limits>
#include <vector>

#include "deconv/core/parallel.hpp"
#include "deconv/ops/cpu/lanes.hpp"
#include "deconv/ops/cpu/through_nhwc.hpp"
#include "deconv/ops/max_pool2d.hpp"
#include "deconv/ops/window_taps.hpp"

namespace deconv::cpu {
namespace detail {

using deconv::detail::TapRange;
using deconv::detail::WindowAxis;

[[nodiscard]] inline WindowAxis rows_of(const Window2d& w) noexcept {
  return {w.kernel_y, w.stride_y, w.dilation_y, w.padding.top};
}
[[nodiscard]] inline WindowAxis columns_of(const Window2d& w) noexcept {
  return {w.kernel_x, w.stride_x, w.dilation_x, w.padding.left};
}

/// Whether `value` takes the place of `best`: greater, or the first NaN.
template <class T>
[[nodiscard]] inline bool beats(T value, T best) noexcept {
  return !(value <= best) & (best == best);
}

template <class T>
using Lane = typename Lanes<T>::Integer;

/// The maximum over pixels of `channels` channels each, with the winning tap where S is not void. `pixel(i)`
/// is tap i's first channel and `tap(i)` its index, for i < count; at least one.
template <class T, class S, class Pixel, class Tap>
inline __attribute__((always_inline)) void pool_pixels(Index count, const Pixel& pixel, const Tap& tap,
                                                       Index channels, T* dst, S* switches) {
  using Vector = typename Lanes<T>::Vector;
  using Mask = typename Lanes<T>::Mask;
  using Integer = typename Lanes<T>::Integer;
  const bool vectors = over_lanes<T>(
      channels, [&](Index c) __attribute__((always_inline)) {
        Vector best, value;
        [[maybe_unused]] Mask winner = Mask{} + static_cast<Integer>(tap(0));
        std::memcpy(&best, pixel(0) + c, sizeof best);
#pragma GCC unroll 9
        for (Index i = 1; i < count; ++i) {
          std::memcpy(&value, pixel(i) + c, sizeof value);
          // Greater, or the first NaN.
          const Mask won = ~(value <= best) & (best == best);
          best = won ? value : best;
          if constexpr (!std::is_void_v<S>) winner = won ? Mask{} + static_cast<Integer>(tap(i)) : winner;
        }
        std::memcpy(dst + c, &best, sizeof best);
        if constexpr (!std::is_void_v<S>) {
          const auto narrow = __builtin_convertvector(winner, typename NarrowLanes<S, T>::Vector);
          std::memcpy(switches + c, &narrow, sizeof narrow);
        }
      });
  if (vectors) return;
  for (Index c = 0; c < channels; ++c) {
    T best = pixel(0)[c];
    [[maybe_unused]] Index winner = tap(0);
    for (Index i = 1; i < count; ++i) {
      const T value = pixel(i)[c];
      if (!beats(value, best)) continue;
      best = value;
      winner = tap(i);
    }
    dst[c] = best;
    if constexpr (!std::is_void_v<S>) switches[c] = static_cast<S>(winner);
  }
}

/// A window that lies wholly inside the image, of a size known here, so that the loop over its taps unrolls.
template <std::size_t Side, class T, class S>
void pool_square(const T* corner, Index row_step, Index column_step, Index channels, T* dst, S* switches) {
  std::array<const T*, Side * Side> pixels;
  for (std::size_t i = 0; i < Side * Side; ++i)
    pixels[i] = corner + static_cast<Index>(i / Side) * row_step + static_cast<Index>(i % Side) * column_step;
  pool_pixels<T, S>(
      static_cast<Index>(Side * Side), [&](Index i) { return pixels[static_cast<std::size_t>(i)]; },
      [](Index i) { return i; }, channels, dst, switches);
}

/// Any window; those without a tap inside the image give -infinity and tap 0.
template <class T, class S>
void pool_window(const T* image, Index width, Index channels, const Window2d& w, const TapRange& rows,
                 const TapRange& columns, T* dst, S* switches) {
  if (rows.empty() || columns.empty()) {
    std::fill_n(dst, channels, -std::numeric_limits<T>::infinity());
    if constexpr (!std::is_void_v<S>) std::fill_n(switches, channels, S{0});
    return;
  }
  const Index across = columns.last - columns.first;
  const T* corner = image + ((rows.start + rows.first * w.dilation_y) * width + columns.start +
                             columns.first * w.dilation_x) *
                                channels;
  const Index row_step = w.dilation_y * width * channels, column_step = w.dilation_x * channels;
  const Index first_tap = rows.first * w.kernel_x + columns.first;
  pool_pixels<T, S>((rows.last - rows.first) * across,
                    [&](Index i) { return corner + i / across * row_step + i % across * column_step; },
                    [&](Index i) { return first_tap + i / across * w.kernel_x + i % across; }, channels, dst,
                    switches);
}

template <class T, class S>
void max_pool2d_nhwc(const Context<Cpu>& context, TensorView<const T, Cpu> src, const Window2d& w,
                     TensorView<T, Cpu> dst, S* switches) {
  const Index channels = src[1], height = src[2], width = src[3], out_height = dst[2], out_width = dst[3];
  const auto body = [&](Index row) {
    const Index n = row / out_height, p = row % out_height;
    const T* image = src.data() + n * height * width * channels;
    const TapRange rows = deconv::detail::taps_inside(rows_of(w), p, height);
    // The rows that the next row of windows adds, asked for while this one is worked on.
    const Index next = std::clamp<Index>(rows.start + w.reach_y(), 0, height),
                next_end = std::min(next + w.stride_y, height);
    for (Index q = 0; q < out_width; ++q) {
      const TapRange columns = deconv::detail::taps_inside(columns_of(w), q, width);
      const Index ahead = std::clamp<Index>(columns.start, 0, width - 1);
      for (Index y = next; y < next_end; ++y)
        prefetch(image + (y * width + ahead) * channels,
                 std::min(w.stride_x, width - ahead) * channels * static_cast<Index>(sizeof(T)));
      const Index at = (row * out_width + q) * channels;
      S* here = nullptr;
      if constexpr (!std::is_void_v<S>) here = switches + at;
      const bool whole =
          rows.first == 0 && rows.last == w.kernel_y && columns.first == 0 && columns.last == w.kernel_x;
      const T* corner = image + (rows.start * width + columns.start) * channels;
      const Index row_step = w.dilation_y * width * channels, column_step = w.dilation_x * channels;
      if (whole && w.kernel_y == 3 && w.kernel_x == 3)
        pool_square<3>(corner, row_step, column_step, channels, dst.data() + at, here);
      else if (whole && w.kernel_y == 2 && w.kernel_x == 2)
        pool_square<2>(corner, row_step, column_step, channels, dst.data() + at, here);
      else
        pool_window(image, width, channels, w, rows, columns, dst.data() + at, here);
    }
  };
  parallel_for(context, dst[0] * out_height, body, deconv::detail::row_grain(out_width * channels * 4));
}

/// One tap after the other over a row of outputs.
template <class T, class S>
void max_pool2d_nchw(const Context<Cpu>& context, TensorView<const T, Cpu> src, const Window2d& w,
                     TensorView<T, Cpu> dst, S* switches) {
  const Index height = src[2], width = src[3], out_height = dst[2], out_width = dst[3];
  const WindowAxis across = columns_of(w);
  parallel_ranges(
      context, dst[0] * dst[1] * out_height, deconv::detail::row_grain(out_width * 4),
      [&](Index begin, Index end) {
        std::vector<Lane<T>> winner(static_cast<std::size_t>(out_width));
        for (Index row = begin; row < end; ++row) {
          const T* plane = src.data() + row / out_height * height * width;
          T* __restrict best = dst.data() + row * out_width;
          Lane<T>* __restrict won_by = winner.data();
          const TapRange rows = deconv::detail::taps_inside(rows_of(w), row % out_height, height);
          for (Index q = 0; q < out_width; ++q) {
            best[q] = -std::numeric_limits<T>::infinity();
            const TapRange columns = deconv::detail::taps_inside(across, q, width);
            won_by[q] = rows.empty() || columns.empty()
                            ? 0
                            : static_cast<Lane<T>>(rows.first * w.kernel_x + columns.first);
          }
          for (Index r = rows.first; r < rows.last; ++r) {
            const T* line = plane + (rows.start + r * w.dilation_y) * width;
            for (Index s = 0; s < w.kernel_x; ++s) {
              // The outputs whose tap s lies inside the row.
              const Index shift = s * w.dilation_x - w.padding.left;
              const Index first = std::max<Index>(0, deconv::detail::ceil_div(-shift, w.stride_x));
              const Index last = std::min(out_width, deconv::detail::ceil_div(width - shift, w.stride_x));
              const auto tap = static_cast<Lane<T>>(r * w.kernel_x + s);
              const Index stride = w.stride_x;
              for (Index q = first; q < last; ++q) {
                const T value = line[q * stride + shift];
                const bool won = beats(value, best[q]);
                best[q] = won ? value : best[q];
                won_by[q] = won ? tap : won_by[q];
              }
            }
          }
          if constexpr (!std::is_void_v<S>)
            for (Index q = 0; q < out_width; ++q) switches[row * out_width + q] = static_cast<S>(won_by[q]);
        }
      });
}

}  // namespace detail

template <class T>
void max_pool2d_forward(const Context<Cpu>& context, TensorView<const T, Cpu> src, const Window2d& window,
                        TensorView<T, Cpu> dst, SwitchesView<std::byte, Cpu> switches) {
  if (goes_through_nhwc(src)) {
    const auto from = in_nhwc<T>(context, src);
    auto to = context.make<T>(dst.shape(), Layout::nhwc);
    auto taps = like_in_nhwc(context, switches, window.taps());
    cpu::max_pool2d_forward<T>(context, from, window, to.view(), taps.view());
    deconv::copy_layout<T>(context, to, dst);
    if (!switches.empty()) copy_switches(context, taps, switches);
    return;
  }
  const auto run = [&](auto* data) {
    if (src.layout() == Layout::nhwc)
      detail::max_pool2d_nhwc(context, src, window, dst, data);
    else
      detail::max_pool2d_nchw(context, src, window, dst, data);
  };
  if (switches.empty())
    run(static_cast<void*>(nullptr));
  else
    switches.visit([&](auto view) { run(view.data()); });
}

inline void switches_to_indices(const Context<Cpu>& context, SwitchesView<const std::byte, Cpu> switches,
                                const Window2d& w, Index height, Index width, bool column_major,
                                TensorView<std::int64_t, Cpu> indices) {
  const Index out_height = indices[2], out_width = indices[3], channels = indices[1];
  switches.visit([&](auto view) {
    parallel_for(
        context, indices[0] * channels * out_height,
        [&](Index row) {
          const Index plane = row / out_height, p = row % out_height;
          for (Index q = 0; q < out_width; ++q) {
            const Index tap = static_cast<Index>(view(plane / channels, plane % channels, p, q));
            const Index y = p * w.stride_y - w.padding.top + tap / w.kernel_x * w.dilation_y;
            const Index x = q * w.stride_x - w.padding.left + tap % w.kernel_x * w.dilation_x;
            const bool inside = y >= 0 && y < height && x >= 0 && x < width;
            const Index place = column_major ? x * height + y : y * width + x;
            indices.data()[row * out_width + q] = inside ? plane * height * width + place : -1;
          }
        },
        deconv::detail::row_grain(out_width));
  });
}

}  // namespace deconv::cpu
