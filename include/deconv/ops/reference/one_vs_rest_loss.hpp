#pragma once

#include <algorithm>
#include <cmath>

#include "deconv/ops/one_vs_rest_loss.hpp"

namespace deconv::reference {

/// As deconv::one_vs_rest_loss_forward, by the formulas as they stand: logits beyond the range of exp
/// overflow.
template <class T>
void one_vs_rest_loss_forward(OneVsRestLoss kind, Source<T, Cpu> logits, Source<T, Cpu> targets,
                              TensorView<T, Cpu> loss) {
  for (Index n = 0; n < logits[0]; ++n) {
    loss.data()[n] = T(0);
    for (Index c = 0; c < logits[1]; ++c) {
      const T z = logits.data()[n * logits[1] + c], target = targets.data()[n * logits[1] + c];
      if (target == T(-1)) continue;
      const T s = target == T(1) ? T(1) : T(-1), margin = std::max(T(0), T(1) - s * z);
      loss.data()[n] +=
          kind == OneVsRestLoss::squared_hinge ? margin * margin : std::log(T(1) + std::exp(-s * z));
    }
  }
}

/// As deconv::one_vs_rest_loss_reverse.
template <class T>
void one_vs_rest_loss_reverse(OneVsRestLoss kind, Source<T, Cpu> logits, Source<T, Cpu> targets,
                              Source<T, Cpu> diff_loss, TensorView<T, Cpu> diff_logits) {
  for (Index n = 0; n < logits[0]; ++n)
    for (Index c = 0; c < logits[1]; ++c) {
      const Index i = n * logits[1] + c;
      const T z = logits.data()[i], target = targets.data()[i], s = target == T(1) ? T(1) : T(-1);
      // The share of the class by the sigmoid, less the share that is wanted.
      const T excess = T(1) / (T(1) + std::exp(-z)) - (target == T(1) ? T(1) : T(0));
      const T slope =
          kind == OneVsRestLoss::squared_hinge ? T(-2) * s * std::max(T(0), T(1) - s * z) : excess;
      diff_logits.data()[i] = target == T(-1) ? T(0) : slope * diff_loss.data()[n];
    }
}

}  // namespace deconv::reference
