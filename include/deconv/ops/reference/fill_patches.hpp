#pragma once

#include "deconv/ops/fill_patches.hpp"

namespace deconv::reference {

/// As deconv::fill_patches.
template <class T>
void fill_patches(Source<T, Cpu> src, Source<T, Cpu> values, const PatchGrid& grid, Index first,
                  TensorView<T, Cpu> dst) {
  for (Index b = 0; b < dst[0]; ++b)
    for (Index c = 0; c < dst[1]; ++c)
      for (Index y = 0; y < dst[2]; ++y)
        for (Index x = 0; x < dst[3]; ++x) {
          const Index in_y = y - grid.top - (first + b) / grid.columns * grid.step_y;
          const Index in_x = x - grid.left - (first + b) % grid.columns * grid.step_x;
          const bool covered = in_y >= 0 && in_y < grid.height && in_x >= 0 && in_x < grid.width;
          dst(b, c, y, x) = covered ? values.data()[c] : src(0, c, y, x);
        }
}

}  // namespace deconv::reference
