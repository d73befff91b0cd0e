#pragma once

#include "deconv/ops/copy_layout.hpp"

namespace deconv::reference {

/// As deconv::copy_layout, for rank 4.
template <class T>
void copy_layout(Source<T, Cpu> src, TensorView<T, Cpu> dst) {
  for (Index n = 0; n < dst[0]; ++n)
    for (Index c = 0; c < dst[1]; ++c)
      for (Index y = 0; y < dst[2]; ++y)
        for (Index x = 0; x < dst[3]; ++x) dst(n, c, y, x) = src(n, c, y, x);
}

}  // namespace deconv::reference
