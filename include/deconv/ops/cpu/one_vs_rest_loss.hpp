#pragma once

#include <cmath>

#include "deconv/core/parallel.hpp"
#include "deconv/ops/one_vs_rest_loss.hpp"

namespace deconv::cpu {
namespace detail {

/// Throws ArgumentError unless all targets are 1, 0 or -1.
template <class T>
void check_targets(const T* targets, Index images, Index classes) {
  for (Index i = 0; i < images * classes; ++i)
    require<ArgumentError>(targets[i] == T(1) || targets[i] == T(0) || targets[i] == T(-1),
                           "one_vs_rest_loss: the target of image ", i / classes, " and class ", i % classes,
                           " must be 1, 0 or -1, met ", targets[i]);
}

/// The loss of one class by `agreement`, which is the logit, or its negative where the picture is not of the
/// class. A logit that is NaN stays NaN.
inline double one_vs_rest_value(OneVsRestLoss kind, double agreement) {
  if (kind == OneVsRestLoss::squared_hinge) {
    const double missing = 1 - agreement;
    return missing <= 0 ? 0 : missing * missing;
  }
  // The logarithm of a sum of which one term is 1 and the other at most 1: neither overflows nor cancels.
  return (agreement < 0 ? -agreement : 0) + std::log1p(std::exp(-std::abs(agreement)));
}

/// Its derivative.
inline double one_vs_rest_slope(OneVsRestLoss kind, double agreement) {
  if (kind == OneVsRestLoss::squared_hinge) return agreement >= 1 ? 0 : -2 * (1 - agreement);
  return -1 / (1 + std::exp(agreement));
}

}  // namespace detail

template <class T>
void one_vs_rest_loss_forward(const Context<Cpu>& context, OneVsRestLoss kind, const T* logits,
                              const T* targets, Index images, Index classes, T* loss) {
  detail::check_targets(targets, images, classes);
  const auto body = [&](Index n) {
    double sum = 0;
    for (Index i = n * classes; i < (n + 1) * classes; ++i) {
      if (targets[i] < T(0)) continue;
      const auto logit = static_cast<double>(logits[i]);
      sum += detail::one_vs_rest_value(kind, targets[i] > T(0) ? logit : -logit);
    }
    loss[n] = static_cast<T>(sum);
  };
  parallel_for(context, images, body, deconv::detail::row_grain(classes * 8));
}

template <class T>
void one_vs_rest_loss_reverse(const Context<Cpu>& context, OneVsRestLoss kind, const T* logits,
                              const T* targets, const T* diff_loss, Index images, Index classes,
                              T* diff_logits) {
  detail::check_targets(targets, images, classes);
  const auto body = [&](Index n) {
    const auto signal = static_cast<double>(diff_loss[n]);
    for (Index i = n * classes; i < (n + 1) * classes; ++i) {
      const double sign = targets[i] > T(0) ? 1 : -1, logit = static_cast<double>(logits[i]);
      diff_logits[i] = targets[i] < T(0)
                           ? T(0)
                           : static_cast<T>(signal * (sign * detail::one_vs_rest_slope(kind, sign * logit)));
    }
  };
  parallel_for(context, images, body, deconv::detail::row_grain(classes * 8));
}

}  // namespace deconv::cpu
