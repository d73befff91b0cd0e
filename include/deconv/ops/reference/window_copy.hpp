#pragma once

#include "deconv/ops/window_copy.hpp"

namespace deconv::reference {

/// As deconv::gather_window.
template <class T>
void gather_window(Source<T, Cpu> plane, Index image, Index top, Index left, TensorView<T, Cpu> dst) {
  for (Index c = 0; c < dst[1]; ++c)
    for (Index y = 0; y < dst[2]; ++y)
      for (Index x = 0; x < dst[3]; ++x) {
        const Index from_y = top + y, from_x = left + x;
        const bool inside = from_y >= 0 && from_y < plane[2] && from_x >= 0 && from_x < plane[3];
        dst(0, c, y, x) = inside ? plane(image, c, from_y, from_x) : T(0);
      }
}

/// As deconv::zero_outside.
template <class T>
void zero_outside(TensorView<T, Cpu> windows, std::span<const Index> tops, std::span<const Index> lefts,
                  Index plane_height, Index plane_width) {
  for (Index n = 0; n < windows[0]; ++n)
    for (Index c = 0; c < windows[1]; ++c)
      for (Index y = 0; y < windows[2]; ++y)
        for (Index x = 0; x < windows[3]; ++x) {
          const Index at_y = tops[static_cast<std::size_t>(n)] + y,
                      at_x = lefts[static_cast<std::size_t>(n)] + x;
          if (at_y < 0 || at_y >= plane_height || at_x < 0 || at_x >= plane_width) windows(n, c, y, x) = T(0);
        }
}

}  // namespace deconv::reference
