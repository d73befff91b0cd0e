#pragma once

#include <cmath>

#include "deconv/ops/relu.hpp"

namespace deconv::reference {

/// As deconv::relu_forward.
template <class T>
void relu_forward(Source<T, Cpu> src, float negative_slope, TensorView<T, Cpu> dst) {
  const T slope = static_cast<T>(negative_slope);
  for (Index i = 0; i < dst.count(); ++i) {
    const T x = src.data()[i];
    const T below = slope == T(0) && !std::isnan(x) ? T(0) : slope * x;
    dst.data()[i] = x > T(0) ? x : below;
  }
}

/// As deconv::relu_reverse.
template <class T>
void relu_reverse(RectifierRule rule, Source<T, Cpu> diff_dst, Source<T, Cpu> forward, float negative_slope,
                  TensorView<T, Cpu> diff_src) {
  const T slope = static_cast<T>(negative_slope);
  for (Index i = 0; i < diff_src.count(); ++i) {
    T signal = diff_dst.data()[i];
    if (rule != RectifierRule::deconvnet && !(forward.data()[i] > T(0)))
      signal = slope == T(0) ? T(0) : slope * signal;
    if (rule != RectifierRule::gradient && !(signal > T(0))) signal = slope == T(0) ? T(0) : slope * signal;
    diff_src.data()[i] = signal;
  }
}

}  // namespace deconv::reference
