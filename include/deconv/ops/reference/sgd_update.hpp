#pragma once

#include <cmath>

#include "deconv/ops/sgd_update.hpp"

namespace deconv::reference {

/// As deconv::sgd_update, for row-major tensors.
template <class T>
void sgd_update(const SgdParams& params, Source<T, Cpu> gradient, TensorView<T, Cpu> velocity,
                TensorView<T, Cpu> weights) {
  const Index filters = weights[0], filter = filters == 0 ? 0 : weights.count() / filters;
  for (Index k = 0; k < filters; ++k) {
    T *v = velocity.data() + k * filter, *w = weights.data() + k * filter;
    T squares = 0;
    for (Index i = 0; i < filter; ++i) {
      const T slope = static_cast<T>(params.gradient_scale) * gradient.data()[k * filter + i] +
                      static_cast<T>(params.decay) * w[i];
      v[i] = static_cast<T>(params.momentum) * v[i] - static_cast<T>(params.rate) * slope;
      w[i] = w[i] + v[i];
      squares += w[i] * w[i];
    }
    const T rms = std::sqrt(squares / static_cast<T>(filter));
    if (params.largest_rms > 0 && rms > static_cast<T>(params.largest_rms))
      for (Index i = 0; i < filter; ++i) w[i] = w[i] / rms * static_cast<T>(params.largest_rms);
  }
}

}  // namespace deconv::reference
