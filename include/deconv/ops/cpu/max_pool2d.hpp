#pragma once

#include <algorithm>
#include <array>
#include <limits>
#include <vector>

#include "deconv/core/parallel.hpp"
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

/// An integer as wide as T, so that comparison and choice of tap run in equal vector lanes.
template <class T>
using Lane = std::conditional_t<sizeof(T) == 8, std::int64_t, std::int32_t>;

/// The maximum of `Count` pixels of `channels` channels, with the winning tap where S is not void.
template <std::size_t Count, class T, class S>
void pool_pixels(const std::array<const T*, Count>& pixels, const std::array<Index, Count>& taps,
                 Index channels, T* __restrict dst, S* __restrict switches) {
  const std::array<const T*, Count> from = pixels;
#pragma omp simd
  for (Index c = 0; c < channels; ++c) {
    T best = from[0][c];
    [[maybe_unused]] Lane<T> winner = static_cast<Lane<T>>(taps[0]);
#pragma GCC unroll 9
    for (std::size_t i = 1; i < Count; ++i) {
      const T value = from[i][c];
      const bool won = beats(value, best);
      best = won ? value : best;
      if constexpr (!std::is_void_v<S>) winner = won ? static_cast<Lane<T>>(taps[i]) : winner;
    }
    dst[c] = best;
    if constexpr (!std::is_void_v<S>) switches[c] = static_cast<S>(winner);
  }
}

/// Any window, one tap after the other over a block of channels.
template <class T, class S>
void pool_window(const T* image, Index width, Index channels, const Window2d& w, const TapRange& rows,
                 const TapRange& columns, T* __restrict dst, S* __restrict switches) {
  constexpr Index block = 64;
  for (Index begin = 0; begin < channels; begin += block) {
    const Index count = std::min(block, channels - begin);
    std::array<T, block> best;
    [[maybe_unused]] std::array<Lane<T>, block> winner;
    best.fill(-std::numeric_limits<T>::infinity());
    if constexpr (!std::is_void_v<S>)
      winner.fill(rows.empty() || columns.empty()
                      ? 0
                      : static_cast<Lane<T>>(rows.first * w.kernel_x + columns.first));
    for (Index r = rows.first; r < rows.last; ++r)
      for (Index s = columns.first; s < columns.last; ++s) {
        const T* pixel =
            image + ((rows.start + r * w.dilation_y) * width + columns.start + s * w.dilation_x) * channels +
            begin;
        [[maybe_unused]] const auto tap = static_cast<Lane<T>>(r * w.kernel_x + s);
#pragma omp simd
        for (Index c = 0; c < count; ++c) {
          const auto i = static_cast<std::size_t>(c);
          const bool won = beats(pixel[c], best[i]);
          best[i] = won ? pixel[c] : best[i];
          if constexpr (!std::is_void_v<S>) winner[i] = won ? tap : winner[i];
        }
      }
    for (Index c = 0; c < count; ++c) {
      dst[begin + c] = best[static_cast<std::size_t>(c)];
      if constexpr (!std::is_void_v<S>)
        switches[begin + c] = static_cast<S>(winner[static_cast<std::size_t>(c)]);
    }
  }
}

template <std::size_t Side, class T, class S>
void pool_square(const T* image, Index width, Index channels, const Window2d& w, const TapRange& rows,
                 const TapRange& columns, T* __restrict dst, S* __restrict switches) {
  std::array<const T*, Side * Side> pixels;
  std::array<Index, Side * Side> taps;
  for (std::size_t r = 0; r < Side; ++r)
    for (std::size_t s = 0; s < Side; ++s) {
      const std::size_t i = r * Side + s;
      const Index y = rows.start + static_cast<Index>(r) * w.dilation_y,
                  x = columns.start + static_cast<Index>(s) * w.dilation_x;
      pixels[i] = image + (y * width + x) * channels;
      taps[i] = static_cast<Index>(i);
    }
  pool_pixels<Side * Side>(pixels, taps, channels, dst, switches);
}

template <class T, class S>
void max_pool2d_nhwc(const Context<Cpu>& context, TensorView<const T, Cpu> src, const Window2d& w,
                     TensorView<T, Cpu> dst, S* switches) {
  const Index channels = src[1], height = src[2], width = src[3], out_height = dst[2], out_width = dst[3];
  const auto body = [&](Index row) {
    const Index n = row / out_height, p = row % out_height;
    const T* image = src.data() + n * height * width * channels;
    const TapRange rows = deconv::detail::taps_inside(rows_of(w), p, height);
    for (Index q = 0; q < out_width; ++q) {
      const TapRange columns = deconv::detail::taps_inside(columns_of(w), q, width);
      const Index at = (row * out_width + q) * channels;
      S* here = nullptr;
      if constexpr (!std::is_void_v<S>) here = switches + at;
      const bool whole =
          rows.first == 0 && rows.last == w.kernel_y && columns.first == 0 && columns.last == w.kernel_x;
      if (whole && w.kernel_y == 3 && w.kernel_x == 3)
        pool_square<3>(image, width, channels, w, rows, columns, dst.data() + at, here);
      else if (whole && w.kernel_y == 2 && w.kernel_x == 2)
        pool_square<2>(image, width, channels, w, rows, columns, dst.data() + at, here);
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
