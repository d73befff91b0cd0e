#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "deconv/train/loss.hpp"
#include "deconv/train/optimiser.hpp"

namespace deconv::train {

/// What decides a step beside its images.
struct StepOptions {
  LossKind loss = LossKind::softmax;
  float rate = 0.01f;
  float momentum = 0.9f;
  TrainingPass pass;        ///< what dropout draws from
  Index whole_batch = 0;    ///< images of all ranks: the gradient is their mean
  float loss_scale = 1;     ///< times the gradients while they are in T
  double largest_loss = 0;  ///< above it, or where it is no number, nothing is updated; 0: any number
  bool steps_in_pass =
      true;  ///< layers are updated while the reverse pass goes down, where Sgd::steps allows
};

/// What a step saw, over all ranks.
struct StepResult {
  double loss = 0;   ///< mean over the images
  double error = 0;  ///< share of the images, see BatchLoss::wrong
};

/// A loss that is not finite or larger than allowed.
class DivergedError : public Error {
 public:
  using Error::Error;
};

/// One step of training on this rank's part of a batch: forward, loss, reverse pass with the gradients added
/// over the ranks as they come, update. `images` N x C x H x W on the host, N may be 0 where the batch is
/// smaller than the ranks are many. Throws DivergedError before anything is changed, on every rank.
template <class T, Device D>
StepResult training_step(Network<T, D>& network, const Context<D>& context,
                         dist::Communicator<D>& communicator, Sgd<T, D>& sgd, const std::string& scores,
                         TensorView<const float, Cpu> images,
                         const std::vector<std::vector<Index>>& classes_of, const StepOptions& options) {
  // Loss, errors and images of all ranks.
  std::array<double, 3> totals{};
  const auto agree = [&] {
    communicator.sum(totals);
    const double loss = totals[0] / std::max(totals[2], 1.0);
    if (!std::isfinite(loss) || (options.largest_loss > 0 && loss > options.largest_loss))
      throw DivergedError(message("the loss is ", loss, ", a finite one",
                                  options.largest_loss > 0 ? message(" up to ", options.largest_loss) : "",
                                  " wanted: a lower learning rate or another initialisation may help"));
    return StepResult{loss, totals[1] / std::max(totals[2], 1.0)};
  };
  const auto batch = static_cast<float>(std::max<Index>(options.whole_batch, 1));
  const float scale = 1.0f / (batch * options.loss_scale);
  StepResult result;
  if (images[0] == 0) {
    result = agree();
    for (std::size_t i = sgd.gradients().size(); i-- > 0;) {
      for (const auto& gradient : sgd.gradients()[i])
        if (!gradient.empty()) fill<T>(context, gradient, T(0.0f));
      sgd.ready(i);
    }
  } else {
    ForwardOptions forward = ForwardOptions::outputs_only();
    forward.up_to = scores;
    forward.reverse = ReverseOptions::training();
    forward.training = options.pass;
    const auto trace = [&] {
      if constexpr (std::is_same_v<T, float> && std::same_as<D, Cpu>) {
        return network.forward(context, images, forward);
      } else {
        auto floats = to_device(context, images);
        auto there = context.template make<T>(floats.shape(), floats.layout());
        if constexpr (std::is_same_v<T, float>)
          there = std::move(floats);
        else
          convert(context, floats.view(), there.view());
        return network.forward(context, there, forward);
      }
    }();
    const auto loss =
        batch_loss<T, D>(context, options.loss, trace.view(scores), classes_of, options.loss_scale);
    totals = {loss.loss_sum, loss.wrong, static_cast<double>(images[0])};
    result = agree();
    const auto steps =
        options.steps_in_pass ? sgd.steps(options.rate, options.momentum, scale) : ParameterSteps<T, D>{};
    reverse_to_parameters<T, D>(
        network, context, trace, scores, loss.diff_scores.view(), sgd.gradients(),
        [&](std::size_t node) { sgd.ready(node); }, steps);
  }
  sgd.update(options.rate, options.momentum, scale);
  return result;
}

}  // namespace deconv::train
