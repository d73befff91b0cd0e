#pragma once

#include "deconv/ops/max_unpool2d.hpp"

namespace deconv::reference {

/// Calls body(output element's reference, input element's reference) in raster order for every index.
template <class T, class Body>
void each_index(TensorView<const std::int64_t, Cpu> indices, TensorView<T, Cpu> plane, const Body& body) {
  for (Index n = 0; n < indices[0]; ++n)
    for (Index c = 0; c < indices[1]; ++c)
      for (Index p = 0; p < indices[2]; ++p)
        for (Index q = 0; q < indices[3]; ++q) {
          const Index i = indices(n, c, p, q), x = i % plane[3], y = i / plane[3] % plane[2];
          const Index image = i / (plane[3] * plane[2]);
          body(n, c, p, q, plane(image / plane[1], image % plane[1], y, x));
        }
}

/// As deconv::max_unpool2d.
template <class T>
void max_unpool2d(Source<T, Cpu> src, TensorView<const std::int64_t, Cpu> indices, TensorView<T, Cpu> dst) {
  for (T& value : dst.span()) value = T(0);
  each_index(indices, dst, [&](Index n, Index c, Index p, Index q, T& to) { to = src(n, c, p, q); });
}

/// As deconv::max_unpool2d_reverse.
template <class T>
void max_unpool2d_reverse(Source<T, Cpu> diff_dst, TensorView<const std::int64_t, Cpu> indices,
                          TensorView<T, Cpu> diff_src) {
  each_index(indices, diff_dst,
             [&](Index n, Index c, Index p, Index q, const T& from) { diff_src(n, c, p, q) = from; });
}

}  // namespace deconv::reference
