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

/// One line of windows that covers a line of pixels: its signals and switches, and the first of the taps that
/// meet it. The next line of windows begins `to_next` elements on; 0 on the last.
template <class T, class S>
struct CoveringLine {
  const T* signals;
  const S* switches;
  Index first_tap, to_next;
};

/// dst = what `Lines` times `Columns` covering windows give one pixel, on top of what stands there when
/// `Resumed`. Window (i, j) has its signals at lines[i].signals + columns[j].output * channels.
template <std::size_t Lines, std::size_t Columns, bool Resumed, bool Streamed, OverlapRule Overlap, class T,
          class S>
inline void gather_pixel(const CoveringLine<T, S>* lines, const Coverage::Entry* columns, Index channels,
                         T* dst) {
  using Vector = typename Lanes<T>::Vector;
  using Mask = typename Lanes<T>::Mask;
  std::array<const T*, Lines * Columns> signals;
  std::array<const S*, Lines * Columns> switches;
  std::array<Lane<T>, Lines * Columns> taps;
  for (std::size_t i = 0; i < Lines * Columns; ++i) {
    const auto& line = lines[i / Columns];
    const auto& column = columns[i % Columns];
    signals[i] = line.signals + column.output * channels;
    switches[i] = line.switches + column.output * channels;
    taps[i] = static_cast<Lane<T>>(line.first_tap + column.tap);
  }
  // The last vector may overlap its neighbour, which must not be added to twice.
  const bool whole = !Resumed || channels % static_cast<Index>(Lanes<T>::count) == 0;
  const bool vectors = whole && over_lanes<T>(
                                    channels, [&](Index c) __attribute__((always_inline)) {
                                      Vector sum{}, signal;
                                      Mask met;
                                      if constexpr (Resumed) std::memcpy(&sum, dst + c, sizeof sum);
#pragma GCC unroll 4
                                      for (std::size_t i = 0; i < Lines * Columns; ++i) {
                                        load_widened<T>(switches[i] + c, met);
                                        std::memcpy(&signal, signals[i] + c, sizeof signal);
                                        const Mask mine = met == taps[i];
                                        if constexpr (Overlap == OverlapRule::sum)
                                          sum += mine ? signal : Vector{};
                                        else
                                          sum = mine ? signal : sum;
                                      }
                                      store_lanes<Streamed>(dst + c, sum);
                                    });
  if (vectors) return;
  for (Index c = 0; c < channels; ++c) {
    T sum = Resumed ? dst[c] : T(0);
    for (std::size_t i = 0; i < Lines * Columns; ++i) {
      const bool mine = static_cast<Lane<T>>(switches[i][c]) == taps[i];
      if constexpr (Overlap == OverlapRule::sum)
        sum += mine ? signals[i][c] : T(0);
      else
        sum = mine ? signals[i][c] : sum;
    }
    dst[c] = sum;
  }
}

/// A line of pixels that `Lines` (1 or 2) lines of windows cover, or, for more, one line after the other onto
/// dst.
template <std::size_t Lines, bool Resumed, bool Streamed, OverlapRule Overlap, class T, class S>
void gather_line(const CoveringLine<T, S>* lines, const Coverage& columns, Index width, Index channels,
                 T* dst) {
  Index asked_for = -1;
  for (Index x = 0; x < width; ++x, dst += channels) {
    const auto* begin = columns.begin(x);
    const auto count = columns.end(x) - begin;
    if (count > 0 && begin->output != asked_for) {
      // What the next line of windows adds, asked for while this one is worked on: half of the time
      // otherwise.
      asked_for = begin->output;
      const CoveringLine<T, S>& line = lines[Lines - 1];
      const Index ahead = asked_for * channels + line.to_next;
      prefetch(line.signals + ahead, channels * static_cast<Index>(sizeof(T)));
      prefetch(line.switches + ahead, channels * static_cast<Index>(sizeof(S)));
    }
    if (count == 1) {
      gather_pixel<Lines, 1, Resumed, Streamed, Overlap>(lines, begin, channels, dst);
    } else if (count == 2) {
      gather_pixel<Lines, 2, Resumed, Streamed, Overlap>(lines, begin, channels, dst);
    } else {
      if (!Resumed) std::fill_n(dst, channels, T(0));
      for (std::size_t line = 0; line < Lines; ++line)
        for (const auto* column = begin; column != begin + count; ++column)
          gather_pixel<1, 1, true, false, Overlap>(lines + line, column, channels, dst);
    }
  }
}

template <OverlapRule Overlap, class T, class S>
void unpool2d_nhwc(const Context<Cpu>& context, TensorView<const T, Cpu> diff_dst, const S* switches,
                   const Window2d& w, TensorView<T, Cpu> diff_src) {
  const Index channels = diff_src[1], height = diff_src[2], width = diff_src[3];
  const Index out_height = diff_dst[2], out_width = diff_dst[3];
  const Coverage rows(rows_of(w), height, out_height), columns(columns_of(w), width, out_width);
  const bool streamed = diff_src.bytes() > streamed_bytes &&
                        channels % static_cast<Index>(Lanes<T>::count) == 0 &&
                        reinterpret_cast<std::uintptr_t>(diff_src.data()) % 64 == 0;
  const auto gather_first = [&]<std::size_t Lines>(const std::array<CoveringLine<T, S>, Lines>& lines,
                                                   T* dst) {
    if (streamed)
      gather_line<Lines, false, true, Overlap>(lines.data(), columns, width, channels, dst);
    else
      gather_line<Lines, false, false, Overlap>(lines.data(), columns, width, channels, dst);
  };
  const auto body = [&](Index row) {
    const Index n = row / height, y = row % height;
    T* dst = diff_src.data() + row * width * channels;
    const auto line = [&](const Coverage::Entry& covering) {
      const Index at = (n * out_height + covering.output) * out_width * channels;
      const Index to_next = covering.output + 1 < out_height ? out_width * channels : 0;
      return CoveringLine<T, S>{diff_dst.data() + at, switches + at, covering.tap * w.kernel_x, to_next};
    };
    const auto* r = rows.begin(y);
    if (rows.end(y) - r == 0) {
      std::fill_n(dst, width * channels, T(0));
    } else if (rows.end(y) - r == 2) {
      const std::array<CoveringLine<T, S>, 2> both{line(r[0]), line(r[1])};
      gather_first(both, dst);
    } else {
      const auto first = line(*r);
      if (rows.end(y) - r == 1)
        gather_first(std::array{first}, dst);
      else
        gather_line<1, false, false, Overlap>(&first, columns, width, channels, dst);
      for (++r; r != rows.end(y); ++r) {
        const auto next = line(*r);
        gather_line<1, true, false, Overlap>(&next, columns, width, channels, dst);
      }
    }
    if (streamed) finish_streaming();
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
  if (goes_through_nhwc(diff_src)) {
    const auto from = in_nhwc<T>(context, diff_dst);
    auto taps = like_in_nhwc(context, switches, window.taps());
    if (!taps.empty()) copy_switches(context, switches, taps);
    auto to = context.make<T>(diff_src.shape(), Layout::nhwc);
    cpu::unpool2d<T>(context, from, taps.view(), window, overlap, to.view());
    deconv::copy_layout<T>(context, to, diff_src);
    return;
  }
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
