#pragma once

#include "deconv/core/tensor_view.hpp"
#include "deconv/ops/operands.hpp"

namespace deconv::reference {

/// dst (N x O) = src (N x F) * weights (O x F) transposed + bias (O or empty).
template <class T>
void linear_forward(Source<T, Cpu> src, Source<T, Cpu> weights, Source<T, Cpu> bias, TensorView<T, Cpu> dst) {
  const Index outputs = weights[0], features = weights[1];
  for (Index n = 0; n < src[0]; ++n)
    for (Index o = 0; o < outputs; ++o) {
      T sum = bias.empty() ? T(0) : bias.data()[o];
      for (Index f = 0; f < features; ++f)
        sum += src.data()[n * features + f] * weights.data()[o * features + f];
      dst.data()[n * outputs + o] = sum;
    }
}

/// diff_src (N x F) = diff_dst (N x O) * weights (O x F).
template <class T>
void linear_reverse_data(Source<T, Cpu> diff_dst, Source<T, Cpu> weights, TensorView<T, Cpu> diff_src) {
  const Index outputs = weights[0], features = weights[1];
  for (Index n = 0; n < diff_src[0]; ++n)
    for (Index f = 0; f < features; ++f) {
      T sum = T(0);
      for (Index o = 0; o < outputs; ++o)
        sum += diff_dst.data()[n * outputs + o] * weights.data()[o * features + f];
      diff_src.data()[n * features + f] = sum;
    }
}

/// diff_weights (O x F) = diff_dst transposed * src and, unless empty, diff_bias (O), summed over the images.
template <class T>
void linear_reverse_weights(Source<T, Cpu> src, Source<T, Cpu> diff_dst, TensorView<T, Cpu> diff_weights,
                            TensorView<T, Cpu> diff_bias) {
  const Index outputs = diff_weights[0], features = diff_weights[1];
  for (Index o = 0; o < outputs; ++o) {
    for (Index f = 0; f < features; ++f) {
      T sum = T(0);
      for (Index n = 0; n < src[0]; ++n)
        sum += diff_dst.data()[n * outputs + o] * src.data()[n * features + f];
      diff_weights.data()[o * features + f] = sum;
    }
    if (diff_bias.empty()) continue;
    T sum = T(0);
    for (Index n = 0; n < src[0]; ++n) sum += diff_dst.data()[n * outputs + o];
    diff_bias.data()[o] = sum;
  }
}

}  // namespace deconv::reference
