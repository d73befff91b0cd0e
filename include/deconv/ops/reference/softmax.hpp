#pragma once

#include <algorithm>
#include <cmath>

#include "deconv/ops/softmax.hpp"

namespace deconv::reference {

/// Calls body(indices i -> flat index) once for every line along the axis; layout nchw.
template <class Body>
void each_line(const Shape& shape, Index axis, const Body& body) {
  const auto span = detail::axis_span(shape, Layout::nchw, axis);
  for (Index outer = 0; outer < span.outer; ++outer)
    for (Index inner = 0; inner < span.inner; ++inner)
      body([=](Index i) { return (outer * span.extent + i) * span.inner + inner; }, span.extent);
}

/// As deconv::log_softmax_forward, for layout nchw.
template <class T>
void log_softmax_forward(Source<T, Cpu> src, Index axis, TensorView<T, Cpu> dst) {
  each_line(src.shape(), axis, [&](auto at, Index extent) {
    T most = src.data()[at(0)], sum = T(0);
    for (Index i = 0; i < extent; ++i) most = std::max(most, src.data()[at(i)]);
    for (Index i = 0; i < extent; ++i) sum += std::exp(src.data()[at(i)] - most);
    for (Index i = 0; i < extent; ++i) dst.data()[at(i)] = src.data()[at(i)] - most - std::log(sum);
  });
}

/// As deconv::softmax_forward, for layout nchw.
template <class T>
void softmax_forward(Source<T, Cpu> src, Index axis, TensorView<T, Cpu> dst) {
  reference::log_softmax_forward(src, axis, dst);
  for (T& value : dst.span()) value = std::exp(value);
}

/// As deconv::softmax_reverse, for layout nchw.
template <class T>
void softmax_reverse(Source<T, Cpu> dst, Source<T, Cpu> diff_dst, Index axis, TensorView<T, Cpu> diff_src) {
  each_line(dst.shape(), axis, [&](auto at, Index extent) {
    for (Index i = 0; i < extent; ++i) {
      T sum = T(0);
      for (Index j = 0; j < extent; ++j)
        sum += diff_dst.data()[at(j)] * dst.data()[at(j)] * ((i == j ? T(1) : T(0)) - dst.data()[at(i)]);
      diff_src.data()[at(i)] = sum;
    }
  });
}

/// As deconv::log_softmax_reverse, for layout nchw.
template <class T>
void log_softmax_reverse(Source<T, Cpu> dst, Source<T, Cpu> diff_dst, Index axis,
                         TensorView<T, Cpu> diff_src) {
  each_line(dst.shape(), axis, [&](auto at, Index extent) {
    for (Index i = 0; i < extent; ++i) {
      T sum = T(0);
      for (Index j = 0; j < extent; ++j)
        sum += diff_dst.data()[at(j)] * ((i == j ? T(1) : T(0)) - std::exp(dst.data()[at(i)]));
      diff_src.data()[at(i)] = sum;
    }
  });
}

}  // namespace deconv::reference
