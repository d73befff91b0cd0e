#pragma once

#include <cmath>

#include "deconv/core/parallel.hpp"
#include "deconv/ops/cpu/softmax.hpp"
#include "deconv/ops/softmax_cross_entropy.hpp"

namespace deconv::cpu {
namespace detail {

/// Throws ArgumentError unless all labels name a class.
inline void check_labels(const std::int64_t* labels, Index images, Index classes) {
  for (Index n = 0; n < images; ++n)
    require<ArgumentError>(labels[n] >= 0 && labels[n] < classes,
                           "softmax_cross_entropy: the label of image ", n, " must be 0 to ", classes - 1,
                           ", met ", labels[n]);
}

}  // namespace detail

template <class T>
void softmax_cross_entropy_forward(const Context<Cpu>& context, const T* logits, const std::int64_t* labels,
                                   Index images, Index classes, T* loss) {
  detail::check_labels(labels, images, classes);
  const auto body = [&](Index n) {
    const T* line = logits + n * classes;
    const auto [most, log_sum] = detail::log_sum_exp(line, {1, classes, 1});
    loss[n] = static_cast<T>(log_sum - (static_cast<double>(line[labels[n]]) - static_cast<double>(most)));
  };
  parallel_for(context, images, body, deconv::detail::row_grain(classes * 8));
}

template <class T>
void softmax_cross_entropy_reverse(const Context<Cpu>& context, const T* logits, const std::int64_t* labels,
                                   const T* diff_loss, Index images, Index classes, T* diff_logits) {
  detail::check_labels(labels, images, classes);
  cpu::softmax_forward<T>(context, logits, {images, classes, 1}, diff_logits);
  const auto body = [&](Index n) {
    T* line = diff_logits + n * classes;
    line[labels[n]] -= T(1);
    for (Index c = 0; c < classes; ++c) line[c] *= diff_loss[n];
  };
  parallel_for(context, images, body, deconv::detail::row_grain(classes));
}

}  // namespace deconv::cpu
