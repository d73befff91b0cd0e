#pragma once
/// From a network's scores to ranked classes.

#include <span>
#include <utility>
#include <vector>

#include "deconv/train/evaluate.hpp"
#include "document.hpp"
#include "model.hpp"
#include "progress.hpp"

namespace deconv::tool {

/// Probabilities N x classes: softmax of the network's scores.
[[nodiscard]] Tensor<double, Cpu> probabilities(const LoadedModel& model,
                                                TensorView<const float, Cpu> images);

/// The `count` most probable classes of one row, the first of equals first; NaN counts as nothing.
[[nodiscard]] std::vector<std::pair<Index, float>> top_classes(std::span<const double> row, Index count);

/// The model as an evaluation sees it; it refers to the model. Throws ArgumentError where the model does not
/// say how a picture becomes its input, or --crops 10 finds no crop to move.
[[nodiscard]] train::Scorer scorer_of(const LoadedModel& model, const CommonOptions& options, Index crops);

/// How the data set of --data is evaluated; warnings and counts go to `progress`, which must outlive it.
[[nodiscard]] train::EvaluateOptions evaluate_options(const CommonOptions& options, Index crops, Index top,
                                                      Progress& progress);

/// The data set of --data. A folder's classes are in the order of --labels; lists and records number their
/// classes themselves.
[[nodiscard]] std::unique_ptr<io::Dataset> open_data(const CommonOptions& options);

/// Adds the errors' fields: top1_error, top5_error (after the second error's number) and the counts.
void add_errors(Document& document, const train::Evaluation& evaluation, Index top);

/// "50 images: top-1 error 20 % (40 right), top-5 error 4 % (48 right)".
[[nodiscard]] std::string errors_text(const train::Evaluation& evaluation, Index top);

}  // namespace deconv::tool
