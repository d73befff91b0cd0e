#pragma once

#include "deconv/ops/pad2d.hpp"

namespace deconv::reference {

/// As deconv::pad2d_forward.
template <class T>
void pad2d_forward(Source<T, Cpu> src, const Pad2dParams& params, TensorView<T, Cpu> dst) {
  for (Index n = 0; n < dst[0]; ++n)
    for (Index c = 0; c < dst[1]; ++c)
      for (Index y = 0; y < dst[2]; ++y)
        for (Index x = 0; x < dst[3]; ++x) {
          const Index from_y = y - params.top, from_x = x - params.left;
          const bool inside = from_y >= 0 && from_y < src[2] && from_x >= 0 && from_x < src[3];
          dst(n, c, y, x) = inside ? src(n, c, from_y, from_x) : static_cast<T>(params.value);
        }
}

/// As deconv::pad2d_reverse.
template <class T>
void pad2d_reverse(Source<T, Cpu> diff_dst, const Pad2dParams& params, TensorView<T, Cpu> diff_src) {
  for (Index n = 0; n < diff_src[0]; ++n)
    for (Index c = 0; c < diff_src[1]; ++c)
      for (Index y = 0; y < diff_src[2]; ++y)
        for (Index x = 0; x < diff_src[3]; ++x) {
          const Index to_y = y + params.top, to_x = x + params.left;
          const bool inside = to_y >= 0 && to_y < diff_dst[2] && to_x >= 0 && to_x < diff_dst[3];
          diff_src(n, c, y, x) = inside ? diff_dst(n, c, to_y, to_x) : T(0);
        }
}

}  // namespace deconv::reference
