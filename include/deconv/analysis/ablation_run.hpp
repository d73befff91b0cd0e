#pragma once

#include <algorithm>
#include <functional>
#include <limits>
#include <numeric>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "deconv/analysis/ablation.hpp"
#include "deconv/dist/communicator.hpp"
#include "deconv/io/dataset.hpp"
#include "deconv/io/model_file.hpp"
#include "deconv/nn/graph_shapes.hpp"
#include "deconv/nn/initialise.hpp"
#include "deconv/train/trainer.hpp"

// Ablations trained alike and compared, as in the paper's Table 3.
namespace deconv {

/// How ablations are trained and judged, as far as their results do not depend on it; and what is judged.
struct AblationOptions {
  train::TrainerOptions trainer;
  /// Training pictures that the training error is taken of, the same for all: this many, spread evenly over
  /// the set; 0: all.
  Index train_images = 0;
  Index batch = 64;  ///< pictures that are judged together
  /// Called with the number of pictures judged since the last call; may throw to stop.
  std::function<void(Index)> judged = nullptr;
};

/// One ablation, trained.
struct AblationResult {
  Ablation ablation;
  Index parameters = 0, multiply_adds = 0;  ///< numbers that are learned; products and sums an image
  train::RunEnd end = train::RunEnd::finished;
  train::RunState state;
  /// Errors of the network that training ended with, of the pictures as the preprocessing alone makes them,
  /// so without augmentation and dropout. NaN where there were no pictures, or where it was stopped or
  /// diverged.
  double train_top1 = std::numeric_limits<double>::quiet_NaN();
  double val_top1 = std::numeric_limits<double>::quiet_NaN();
  double val_top5 = std::numeric_limits<double>::quiet_NaN();
  std::string diverged;  ///< what was said when the loss was no number, or too large; empty: it was one
};

/// The model that an ablation starts from: the changed graph with weights that depend on the seed and their
/// names alone, so that layers that are the same in two ablations start from the same numbers. Throws as
/// ablated() and ShapeError when what is left does not fit together.
[[nodiscard]] inline Model ablated_model(const Model& base, const Ablation& ablation,
                                         Initialisation initialisation, std::uint64_t seed) {
  Model model{base.name + " " + ablation.key, ablated(base.graph, ablation), {}};
  static_cast<void>(infer_shapes(model.graph));
  initialise(model, initialisation, seed);
  return model;
}

namespace detail {

/// `count` numbers below `size`, evenly spread.
inline std::vector<Index> spread(Index size, Index count) {
  std::vector<Index> chosen(static_cast<std::size_t>(count == 0 ? size : std::min(size, count)));
  const auto all = static_cast<Index>(chosen.size());
  for (Index i = 0; i < all; ++i) chosen[static_cast<std::size_t>(i)] = i * size / all;
  return chosen;
}

}  // namespace detail

/// Trains one ablation of `start` (a network with its preprocessing and class names, as train::starting_point
/// gives it; only its graph is used) by the recipe, and judges what it ends with. Every ablation of one
/// recipe sees the same pictures in the same order with the same augmentation. `validation` may be null. With
/// a folder it is a training run like any other, which goes on from its last checkpoint where it has one.
/// Memory: that of one training. Every rank calls it; rank 0 alone has a folder. Throws as Trainer; a run
/// that diverges throws nothing, but says so in its result.
template <class T, Device D>
[[nodiscard]] AblationResult run_ablation(const Context<D>& context, dist::Communicator<D>& communicator,
                                          const io::ModelFile& start, const Ablation& ablation,
                                          const train::Recipe& recipe, const io::Dataset& set,
                                          const io::Dataset* validation, const AblationOptions& options = {},
                                          const train::RunFolder* folder = nullptr) {
  AblationResult result;
  result.ablation = ablation;
  io::ModelFile file;
  file.model = ablated_model(start.model, ablation, recipe.initialisation, recipe.seed);
  file.preprocess = start.preprocess;
  file.class_names = start.class_names;
  result.parameters = parameter_count(file.model);
  result.multiply_adds = multiply_adds(file.model.graph);
  const io::Preprocess preprocess = *file.preprocess;
  train::Trainer<T, D> trainer(context, communicator, std::move(file), recipe, set, validation,
                               options.trainer);
  if (folder != nullptr && std::filesystem::exists(folder->last())) {
    const io::SafetensorsReader reader(folder->last());
    trainer.resume(reader, train::read_checkpoint(reader).state);
  }
  try {
    result.end = trainer.run(folder);
  } catch (const train::DivergedError& problem) {
    result.diverged = problem.what();
  }
  result.state = trainer.state();
  if (!result.diverged.empty() || result.end == train::RunEnd::stopped) return result;

  train::EvaluateOptions how;
  how.batch = options.batch;
  how.workers = options.trainer.workers;
  how.skip_broken = options.trainer.skip_broken;
  how.warn = options.trainer.warn;
  how.advance = options.judged;
  if (validation != nullptr) {
    const auto met = train::evaluate(trainer.network(), context, *validation, preprocess, how);
    result.val_top1 = met.top1_error();
    result.val_top5 = met.top5_error();
  }
  how.indices = detail::spread(set.size(), options.train_images);
  result.train_top1 = train::evaluate(trainer.network(), context, set, preprocess, how).top1_error();
  return result;
}

}  // namespace deconv
