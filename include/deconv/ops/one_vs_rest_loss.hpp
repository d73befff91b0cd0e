#pragma once

#include "deconv/core/context.hpp"
#include "deconv/ops/cuda/one_vs_rest_loss.hpp"
#include "deconv/ops/one_vs_rest_params.hpp"
#include "deconv/ops/operands.hpp"

namespace deconv {

namespace cpu {
template <class T>
void one_vs_rest_loss_forward(const Context<Cpu>& context, OneVsRestLoss kind, const T* logits,
                              const T* targets, Index images, Index classes, T* loss);
template <class T>
void one_vs_rest_loss_reverse(const Context<Cpu>& context, OneVsRestLoss kind, const T* logits,
                              const T* targets, const T* diff_loss, Index images, Index classes,
                              T* diff_logits);
}  // namespace cpu

namespace detail {

/// logits N x C, or N x C x 1 x 1 of any layout; targets N x C or like logits; losses N.
template <class T, Device D>
void check_one_vs_rest_loss(std::string_view what, TensorView<const T, D> logits,
                            TensorView<const T, D> targets, TensorView<const T, D> loss) {
  const std::size_t rank = logits.rank();
  require<ShapeError>((rank == 2 || (rank == 4 && logits[2] == 1 && logits[3] == 1)) && logits[1] >= 1, what,
                      ": logits want shape N,C or N,C,1,1 with at least one class, met ", logits.shape());
  const Shape plain{logits[0], logits[1]};
  require<ShapeError>(targets.shape() == plain || targets.shape() == logits.shape(), what,
                      ": targets want shape ", plain, ", met ", targets.shape());
  check_shape(what, "loss", Shape{logits[0]}, loss.shape());
}

}  // namespace detail

/// loss[n] = sum over the classes of what OneVsRestLoss says of logits[n][c] and targets[n][c], which is 1
/// (the picture is of the class), 0 (it is not) or -1 (not counted: PASCAL VOC's difficult objects).
///
/// logits N x C or N x C x 1 x 1, targets N x C, loss N. Throws ShapeError. Another target throws
/// ArgumentError on the Cpu, before anything is written; on Cuda, where nothing waits for the targets, that
/// image's loss is NaN. For the mean over a batch give the reverse pass a diff_loss of 1 / N. Bytes: logits
/// and targets once. Flops: five an element, or an exp and a log.
template <class T, Device D>
void one_vs_rest_loss_forward(const Context<D>& context, OneVsRestLoss kind, Source<T, D> logits,
                              Source<T, D> targets, TensorView<T, D> loss) {
  detail::check_one_vs_rest_loss<T, D>("one_vs_rest_loss_forward", logits, targets, loss);
  if (loss.count() == 0) return;
  if constexpr (std::same_as<D, Cpu>)
    cpu::one_vs_rest_loss_forward<T>(context, kind, logits.data(), targets.data(), logits[0], logits[1],
                                     loss.data());
  else
    cuda::one_vs_rest_loss_forward<T>(context, kind, logits.data(), targets.data(), logits[0], logits[1],
                                      loss.data());
}

/// The gradient: diff_logits[n][c] = diff_loss[n] * d loss[n] / d logits[n][c], 0 where the target is not
/// counted. diff_loss N, diff_logits like logits, which it may be. Throws as one_vs_rest_loss_forward; on
/// Cuda another target makes its own gradient NaN. Bytes: logits, targets and diff_logits once.
template <class T, Device D>
void one_vs_rest_loss_reverse(const Context<D>& context, OneVsRestLoss kind, Source<T, D> logits,
                              Source<T, D> targets, Source<T, D> diff_loss, TensorView<T, D> diff_logits) {
  constexpr std::string_view what = "one_vs_rest_loss_reverse";
  detail::check_one_vs_rest_loss<T, D>(what, logits, targets, diff_loss);
  detail::check_shape(what, "diff_logits", logits.shape(), diff_logits.shape());
  if (diff_logits.count() == 0) return;
  if constexpr (std::same_as<D, Cpu>)
    cpu::one_vs_rest_loss_reverse<T>(context, kind, logits.data(), targets.data(), diff_loss.data(),
                                     logits[0], logits[1], diff_logits.data());
  else
    cuda::one_vs_rest_loss_reverse<T>(context, kind, logits.data(), targets.data(), diff_loss.data(),
                                      logits[0], logits[1], diff_logits.data());
}

}  // namespace deconv

#include "deconv/ops/cpu/one_vs_rest_loss.hpp"
