#pragma once

#include "deconv/ops/concat.hpp"

namespace deconv::reference {

/// Calls body(flat index in the part, flat index in the whole) for every element of a part; row-major, any
/// rank.
template <class Body>
void each_of_part(const Shape& whole, const Shape& part, Index axis, Index offset, const Body& body) {
  const std::size_t at = whole.normal_axis(axis);
  for (Index i = 0; i < part.count(); ++i) {
    Index rest = i, there = 0, step = 1;
    for (std::size_t d = part.rank(); d-- > 0;) {
      there += (rest % part[d] + (d == at ? offset : 0)) * step;
      rest /= part[d];
      step *= whole[d];
    }
    body(i, there);
  }
}

/// As deconv::concat_forward, for layout nchw.
template <class T>
void concat_forward(Sources<T, Cpu> sources, Index axis, TensorView<T, Cpu> dst) {
  Index offset = 0;
  for (const auto& src : sources) {
    each_of_part(dst.shape(), src.shape(), axis, offset,
                 [&](Index i, Index there) { dst.data()[there] = src.data()[i]; });
    offset += src.shape().extent(axis);
  }
}

/// As deconv::concat_reverse, for layout nchw.
template <class T>
void concat_reverse(Source<T, Cpu> diff_dst, Index axis, Index offset, TensorView<T, Cpu> diff_src) {
  each_of_part(diff_dst.shape(), diff_src.shape(), axis, offset,
               [&](Index i, Index there) { diff_src.data()[i] = diff_dst.data()[there]; });
}

}  // namespace deconv::reference
