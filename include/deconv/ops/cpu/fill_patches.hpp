#pragma once

#include <algorithm>

#include "deconv/core/parallel.hpp"
#include "deconv/ops/fill_patches.hpp"

namespace deconv::cpu {

template <class T>
void fill_patches(const Context<Cpu>& context, TensorView<const T, Cpu> src, const T* values,
                  const PatchGrid& grid, Index first, TensorView<T, Cpu> dst) {
  const Index channels = src[1], height = src[2], width = src[3];
  const bool together = src.layout() == Layout::nhwc;
  const Index planes = together ? 1 : channels, inner = together ? channels : 1, row = width * inner;
  const auto body = [&](Index line) {
    const Index y = line % height, plane = line / height % planes, at = first + line / (height * planes);
    T* to = dst.data() + line * row;
    std::copy_n(src.data() + (plane * height + y) * row, row, to);
    const Index top = grid.top + at / grid.columns * grid.step_y;
    if (y < top || y >= top + grid.height) return;
    const Index left = grid.left + at % grid.columns * grid.step_x;
    const Index begin = std::clamp<Index>(left, 0, width),
                end = std::clamp<Index>(left + grid.width, begin, width);
    for (Index x = begin; x < end; ++x)
      for (Index i = 0; i < inner; ++i) to[x * inner + i] = values[plane + i];
  };
  parallel_for(context, dst[0] * planes * height, body, deconv::detail::row_grain(row));
}

}  // namespace deconv::cpu
