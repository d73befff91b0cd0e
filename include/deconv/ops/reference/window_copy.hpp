#pragma once

#include "deconv/ops/window_copy.hpp"

namespace deconv::reference {

/// As deconv::gather_windows.
template <class T>
void gather_windows(std::span<const std::type_identity_t<WindowPlace<TensorView<const T, Cpu>>>> places,
                    TensorView<T, Cpu> dst) {
  for (Index n = 0; n < dst[0]; ++n) {
    const auto& [planes, image, top, left] = places[static_cast<std::size_t>(n)];
    for (Index c = 0; c < dst[1]; ++c)
      for (Index y = 0; y < dst[2]; ++y)
        for (Index x = 0; x < dst[3]; ++x) {
          const Index from_y = top + y, from_x = left + x;
          const bool inside = from_y >= 0 && from_y < planes[2] && from_x >= 0 && from_x < planes[3];
          dst(n, c, y, x) = inside ? planes(image, c, from_y, from_x) : T(0);
        }
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
