#pragma once

#include <algorithm>

#include "deconv/core/parallel.hpp"
#include "deconv/ops/concat.hpp"

namespace deconv::cpu {

template <class T>
void copy_into_part(const Context<Cpu>& context, TensorView<const T, Cpu> part, Index axis, Index offset,
                    TensorView<T, Cpu> whole) {
  const auto from = deconv::detail::axis_span(part.shape(), part.layout(), axis);
  const auto to = deconv::detail::axis_span(whole.shape(), whole.layout(), axis);
  const Index run = from.extent * from.inner, step = to.extent * to.inner, first = offset * to.inner;
  parallel_for(
      context, from.outer,
      [&](Index i) { std::copy_n(part.data() + i * run, run, whole.data() + i * step + first); },
      deconv::detail::row_grain(run));
}

template <class T>
void copy_from_part(const Context<Cpu>& context, TensorView<const T, Cpu> whole, Index axis, Index offset,
                    TensorView<T, Cpu> part) {
  const auto from = deconv::detail::axis_span(whole.shape(), whole.layout(), axis);
  const auto to = deconv::detail::axis_span(part.shape(), part.layout(), axis);
  const Index run = to.extent * to.inner, step = from.extent * from.inner, first = offset * from.inner;
  parallel_for(
      context, to.outer,
      [&](Index i) { std::copy_n(whole.data() + i * step + first, run, part.data() + i * run); },
      deconv::detail::row_grain(run));
}

}  // namespace deconv::cpu
