#pragma once

#include <cstdint>

#include "deconv/core/context.hpp"
#include "deconv/ops/cuda/softmax_cross_entropy.hpp"
#include "deconv/ops/operands.hpp"

namespace deconv {

namespace cpu {
template <class T>
void softmax_cross_entropy_forward(const Context<Cpu>& context, const T* logits, const std::int64_t* labels,
                                   Index images, Index classes, T* loss);
template <class T>
void softmax_cross_entropy_reverse(const Context<Cpu>& context, const T* logits, const std::int64_t* labels,
                                   const T* diff_loss, Index images, Index classes, T* diff_logits);
}  // namespace cpu

namespace detail {

/// logits N x C, or N x C x 1 x 1 of any layout; labels and losses N.
template <class T, Device D>
void check_softmax_cross_entropy(std::string_view what, TensorView<const T, D> logits,
                                 TensorView<const std::int64_t, D> labels, TensorView<const T, D> loss) {
  const std::size_t rank = logits.rank();
  require<ShapeError>((rank == 2 || (rank == 4 && logits[2] == 1 && logits[3] == 1)) && logits[1] >= 1, what,
                      ": logits want shape N,C or N,C,1,1 with at least one class, met ", logits.shape());
  check_shape(what, "labels", Shape{logits[0]}, labels.shape());
  check_shape(what, "loss", Shape{logits[0]}, loss.shape());
}

}  // namespace detail

/// loss[n] = -log(softmax(logits[n])[labels[n]]), computed as log(sum of exp(logits - maximum)) - (logit of
/// the label - maximum), which neither overflows nor loses a small loss.
///
/// logits N x C or N x C x 1 x 1, labels N with numbers from 0 to C - 1, loss N. Throws ShapeError. A label
/// outside throws ArgumentError on the Cpu, before anything is written; on Cuda, where nothing waits for the
/// labels, that image's loss is NaN. For the mean over a batch give the reverse pass a diff_loss of 1 / N.
/// Bytes: logits twice, the second time from cache. Flops: an exp and 3 more an element.
template <class T, Device D>
void softmax_cross_entropy_forward(const Context<D>& context, Source<T, D> logits,
                                   Source<std::int64_t, D> labels, TensorView<T, D> loss) {
  detail::check_softmax_cross_entropy<T, D>("softmax_cross_entropy_forward", logits, labels, loss);
  if (loss.count() == 0) return;
  if constexpr (std::same_as<D, Cpu>)
    cpu::softmax_cross_entropy_forward<T>(context, logits.data(), labels.data(), logits[0], logits[1],
                                          loss.data());
  else
    cuda::softmax_cross_entropy_forward<T>(context, logits.data(), labels.data(), logits[0], logits[1],
                                           loss.data());
}

/// The gradient: diff_logits[n] = diff_loss[n] * (softmax(logits[n]) - 1 at the label). diff_loss N,
/// diff_logits like logits, which it may be. Throws as softmax_cross_entropy_forward; on Cuda a label outside
/// makes that image's gradient NaN. Bytes: logits three times, two of them from cache, diff_logits once.
template <class T, Device D>
void softmax_cross_entropy_reverse(const Context<D>& context, Source<T, D> logits,
                                   Source<std::int64_t, D> labels, Source<T, D> diff_loss,
                                   TensorView<T, D> diff_logits) {
  constexpr std::string_view what = "softmax_cross_entropy_reverse";
  detail::check_softmax_cross_entropy<T, D>(what, logits, labels, diff_loss);
  detail::check_shape(what, "diff_logits", logits.shape(), diff_logits.shape());
  if (diff_logits.count() == 0) return;
  if constexpr (std::same_as<D, Cpu>)
    cpu::softmax_cross_entropy_reverse<T>(context, logits.data(), labels.data(), diff_loss.data(), logits[0],
                                          logits[1], diff_logits.data());
  else
    cuda::softmax_cross_entropy_reverse<T>(context, logits.data(), labels.data(), diff_loss.data(), logits[0],
                                           logits[1], diff_logits.data());
}

}  // namespace deconv

#include "deconv/ops/cpu/softmax_cross_entropy.hpp"
