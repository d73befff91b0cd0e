#pragma once

#include <algorithm>

#include "deconv/core/parallel.hpp"
#include "deconv/ops/window_copy.hpp"

namespace deconv::cpu {
namespace detail {

/// A rank-4 tensor as rows: `rows` rows of `pixels` pixels of `step` elements each, in blocks of `height`
/// rows.
struct RowsOf {
  Index blocks, height, pixels, step;
  explicit RowsOf(const Shape& shape, Layout layout)
      : blocks(layout == Layout::nhwc ? 1 : shape[1]),
        height(shape[2]),
        pixels(shape[3]),
        step(layout == Layout::nhwc ? shape[1] : 1) {}
  [[nodiscard]] Index row_elements() const noexcept { return pixels * step; }
};

/// A row of a window of `to`'s extents, from row `y` of block `block` of planes; `left` is its first pixel
/// there.
template <class T>
void copy_window_row(const RowsOf& from, const T* planes, Index block, Index y, Index left, T outside,
                     const RowsOf& to, T* line) {
  const Index first = std::clamp<Index>(-left, 0, to.pixels);
  const Index last = std::clamp<Index>(from.pixels - left, first, to.pixels);
  if (y < 0 || y >= from.height || first == last) {
    std::fill_n(line, to.row_elements(), outside);
    return;
  }
  std::fill_n(line, first * to.step, outside);
  std::copy_n(planes + (block * from.height + y) * from.row_elements() + (left + first) * to.step,
              (last - first) * to.step, line + first * to.step);
  std::fill_n(line + last * to.step, (to.pixels - last) * to.step, outside);
}

}  // namespace detail

template <class T>
void copy_windows(const Context<Cpu>& context, TensorView<const T, Cpu> src, Index top, Index left, T outside,
                  TensorView<T, Cpu> dst) {
  const detail::RowsOf from(src.shape(), src.layout()), to(dst.shape(), dst.layout());
  const auto body = [&](Index row) {
    detail::copy_window_row(from, src.data(), row / to.height, row % to.height + top, left, outside, to,
                            dst.data() + row * to.row_elements());
  };
  parallel_for(context, dst[0] * to.blocks * to.height, body, deconv::detail::row_grain(to.row_elements()));
}

template <class T>
void gather_windows(const Context<Cpu>& context,
                    std::span<const WindowPlace<TensorView<const T, Cpu>>> places, T outside,
                    TensorView<T, Cpu> dst) {
  const detail::RowsOf to(dst.shape(), dst.layout());
  const auto body = [&](Index row) {
    const Index line = row % to.height, block = row / to.height % to.blocks;
    const auto& place = places[static_cast<std::size_t>(row / to.height / to.blocks)];
    const detail::RowsOf from(place.planes.shape(), place.planes.layout());
    detail::copy_window_row(from, place.planes.data(), place.image * from.blocks + block, line + place.top,
                            place.left, outside, to, dst.data() + row * to.row_elements());
  };
  parallel_for(context, dst[0] * to.blocks * to.height, body, deconv::detail::row_grain(to.row_elements()));
}

template <class T>
void zero_outside(const Context<Cpu>& context, TensorView<T, Cpu> windows, std::span<const Index> tops,
                  std::span<const Index> lefts, Index plane_height, Index plane_width) {
  const detail::RowsOf rows(windows.shape(), windows.layout());
  const auto body = [&](Index row) {
    const auto unit = static_cast<std::size_t>(row / (rows.blocks * rows.height));
    const Index y = row % rows.height + tops[unit], left = lefts[unit];
    const Index first = std::clamp<Index>(-left, 0, rows.pixels);
    const Index last = std::clamp<Index>(plane_width - left, first, rows.pixels);
    T* line = windows.data() + row * rows.row_elements();
    if (y < 0 || y >= plane_height) {
      std::fill_n(line, rows.row_elements(), T(0));
      return;
    }
    std::fill_n(line, first * rows.step, T(0));
    std::fill_n(line + last * rows.step, (rows.pixels - last) * rows.step, T(0));
  };
  parallel_for(context, windows[0] * rows.blocks * rows.height, body,
               deconv::detail::row_grain(rows.row_elements()));
}

}  // namespace deconv::cpu
