#pragma once

#include <cmath>

#include "deconv/ops/reference/softmax.hpp"
#include "deconv/ops/softmax_cross_entropy.hpp"

namespace deconv::reference {

/// As deconv::softmax_cross_entropy_forward.
template <class T>
void softmax_cross_entropy_forward(Source<T, Cpu> logits, Source<std::int64_t, Cpu> labels,
                                   TensorView<T, Cpu> loss) {
  Tensor<T, Cpu> logarithms(logits.shape());
  reference::log_softmax_forward<T>(logits, 1, logarithms.view());
  for (Index n = 0; n < logits[0]; ++n) loss.data()[n] = -logarithms.data()[n * logits[1] + labels.data()[n]];
}

/// As deconv::softmax_cross_entropy_reverse: the gradient of a logarithm of softmax, fed with the signal of
/// the label's class alone.
template <class T>
void softmax_cross_entropy_reverse(Source<T, Cpu> logits, Source<std::int64_t, Cpu> labels,
                                   Source<T, Cpu> diff_loss, TensorView<T, Cpu> diff_logits) {
  Tensor<T, Cpu> logarithms(logits.shape());
  reference::log_softmax_forward<T>(logits, 1, logarithms.view());
  auto signal = Tensor<T, Cpu>::filled(logits.shape(), T(0));
  for (Index n = 0; n < logits[0]; ++n)
    signal.data()[n * logits[1] + labels.data()[n]] = -diff_loss.data()[n];
  reference::log_softmax_reverse<T>(logarithms, signal, 1, diff_logits);
}

}  // namespace deconv::reference
