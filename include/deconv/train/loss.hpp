#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "deconv/core/transfer.hpp"
#include "deconv/nn/network.hpp"
#include "deconv/ops/convert.hpp"
#include "deconv/ops/fill.hpp"
#include "deconv/ops/one_vs_rest_loss.hpp"
#include "deconv/ops/softmax_cross_entropy.hpp"
#include "deconv/train/recipe.hpp"

namespace deconv::train {

/// What a batch's loss says.
template <class T, Device D>
struct BatchLoss {
  Tensor<T, D> diff_scores;  ///< the gradient of `scale` times the sum of the images' losses
  double loss_sum = 0;       ///< over the images
  double wrong = 0;  ///< images whose highest score is not their class's; for sigmoid the shares of classes
                     ///< whose score has the wrong sign, summed over the images
};

namespace detail {

/// Whether the first highest of `classes` scores is that of `label`.
inline bool is_wrong(const float* scores, Index classes, Index label) {
  return std::max_element(scores, scores + classes) - scores != label;
}

/// Targets of the one-vs-rest losses: 1 for an image's classes, 0 for the others.
template <class T>
Tensor<T, Cpu> targets_of(const std::vector<std::vector<Index>>& classes_of, Index classes) {
  auto targets = Tensor<T, Cpu>::filled({static_cast<Index>(classes_of.size()), classes}, T(0.0f));
  for (std::size_t n = 0; n < classes_of.size(); ++n)
    for (const Index c : classes_of[n]) targets.data()[static_cast<Index>(n) * classes + c] = T(1.0f);
  return targets;
}

}  // namespace detail

/// Loss, errors and gradient of a batch of scores N x C (or N x C x 1 x 1), for the classes of each image:
/// one for softmax and squared_hinge, any number for sigmoid. `scale` multiplies the gradient alone (what
/// keeps half precision's small gradients). Waits for the device. Throws ArgumentError when an image's
/// classes are not what the loss wants. Cost: a few passes over the scores.
template <class T, Device D>
[[nodiscard]] BatchLoss<T, D> batch_loss(const Context<D>& context, LossKind kind,
                                         std::type_identity_t<TensorView<const T, D>> scores,
                                         const std::vector<std::vector<Index>>& classes_of, float scale = 1) {
  const Index images = scores[0], classes = scores[1];
  require<ShapeError>(static_cast<Index>(classes_of.size()) == images, "classes of ", classes_of.size(),
                      " images for scores of ", images);
  for (std::size_t n = 0; n < classes_of.size(); ++n) {
    require<ArgumentError>(kind == LossKind::sigmoid || classes_of[n].size() == 1, "image ", n,
                           " of the batch: one class wanted, met ", classes_of[n].size());
    for (const Index c : classes_of[n])
      require<ArgumentError>(c >= 0 && c < classes, "image ", n, " of the batch: class ", c,
                             ", but the network has ", classes);
  }
  BatchLoss<T, D> result;
  result.diff_scores = context.template make<T>(scores.shape(), scores.layout());
  auto losses = context.template make<T>({images}), diff_losses = context.template make<T>({images});
  fill<T>(context, diff_losses.view(), T(scale));
  if (kind == LossKind::softmax) {
    Tensor<std::int64_t, Cpu> labels({images});
    for (Index n = 0; n < images; ++n) labels.data()[n] = classes_of[static_cast<std::size_t>(n)][0];
    const auto there = to_device(context, labels.view());
    softmax_cross_entropy_forward<T, D>(context, scores, there.view(), losses.view());
    softmax_cross_entropy_reverse<T, D>(context, scores, there.view(), diff_losses.view(),
                                        result.diff_scores.view());
  } else {
    const auto rule = kind == LossKind::sigmoid ? OneVsRestLoss::sigmoid : OneVsRestLoss::squared_hinge;
    const auto there = to_device(context, detail::targets_of<T>(classes_of, classes).view());
    one_vs_rest_loss_forward<T, D>(context, rule, scores, there.view(), losses.view());
    one_vs_rest_loss_reverse<T, D>(context, rule, scores, there.view(), diff_losses.view(),
                                   result.diff_scores.view());
  }
  const Context<Cpu> host(1);
  const auto on_host = [&](const Tensor<T, D>& tensor) {
    const auto plain = to_host(context, tensor.view());
    Tensor<float, Cpu> real(plain.shape(), plain.layout());
    convert(host, plain.view(), real.view());
    return real;
  };
  for (const float loss : on_host(losses)) result.loss_sum += static_cast<double>(loss);
  auto copy = context.template make<T>(scores.shape(), scores.layout());
  copy_layout<T>(context, scores, copy.view());
  const auto seen = on_host(copy);
  for (Index n = 0; n < images; ++n) {
    const float* line = seen.data() + n * classes;
    const auto& own = classes_of[static_cast<std::size_t>(n)];
    if (kind != LossKind::sigmoid) {
      result.wrong += detail::is_wrong(line, classes, own[0]) ? 1 : 0;
      continue;
    }
    Index wrong = 0;
    for (Index c = 0; c < classes; ++c)
      wrong += (line[c] > 0) != (std::find(own.begin(), own.end(), c) != own.end()) ? 1 : 0;
    result.wrong += static_cast<double>(wrong) / static_cast<double>(classes);
  }
  return result;
}

}  // namespace deconv::train
