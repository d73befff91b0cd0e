#include "classification.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <numeric>
#include <sstream>

#include "deconv/io/open_dataset.hpp"
#include "deconv/nn/score_tensor.hpp"

namespace deconv::tool {

Tensor<double, Cpu> probabilities(const LoadedModel& model, TensorView<const float, Cpu> images) {
  const std::string scores = score_tensor(model.topology());
  const Tensor<float, Cpu> rows = std::move(model.engine->activations(images, {scores}).front());
  require<ShapeError>(rows.rank() >= 2 && rows[0] == images[0], "scores ", quoted(scores), " of shape ",
                      rows.shape(), ": one number a class wanted");
  return train::probabilities_of(rows.view());
}

std::vector<std::pair<Index, float>> top_classes(std::span<const double> row, Index count) {
  std::vector<Index> order(row.size());
  std::iota(order.begin(), order.end(), Index{0});
  const auto value = [&](Index k) {
    const double v = row[static_cast<std::size_t>(k)];
    return std::isnan(v) ? -1.0 : v;
  };
  const auto kept = std::min<std::size_t>(static_cast<std::size_t>(count), order.size());
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(kept), order.end(),
                    [&](Index a, Index b) { return value(a) != value(b) ? value(a) > value(b) : a < b; });
  std::vector<std::pair<Index, float>> top;
  for (std::size_t i = 0; i < kept; ++i)
    top.emplace_back(order[i], static_cast<float>(row[static_cast<std::size_t>(order[i])]));
  return top;
}

train::Scorer scorer_of(const LoadedModel& model, const CommonOptions& options, Index crops) {
  const io::Preprocess& preprocess = model.preprocess_for_pictures(options);
  require<ArgumentError>(crops == 1 || (preprocess.crop && preprocess.output_shape()),
                         "--crops 10 wants a preprocessing with a crop");
  return {preprocess, [&engine = *model.engine,
                       name = score_tensor(model.topology())](TensorView<const float, Cpu> inputs) {
            return std::move(engine.activations(inputs, {name}).front());
          }};
}

train::EvaluateOptions evaluate_options(const CommonOptions& options, Index crops, Index top,
                                        Progress& progress) {
  train::EvaluateOptions made;
  made.crops = crops;
  made.top = top;
  made.batch = options.batch;
  made.workers = std::min(options.threads, 256);
  made.skip_broken = options.skip_broken;
  made.warn = [&progress](const std::string& text) { progress.warn(text); };
  made.advance = [&progress](Index count) { progress.advance(count); };
  return made;
}

std::unique_ptr<io::Dataset> open_data(const CommonOptions& options) {
  std::error_code ignored;
  const bool folder = std::filesystem::is_directory(options.data, ignored);
  return io::open_dataset(options.data, folder ? options.labels : std::filesystem::path());
}

void add_errors(Document& document, const train::Evaluation& evaluation, Index top) {
  const std::string name = "top" + std::to_string(top);
  document["images"] = evaluation.images;
  document["skipped"] = evaluation.skipped;
  document["top1_correct"] = evaluation.images - evaluation.wrong_top1;
  document[name + "_correct"] = evaluation.images - evaluation.wrong_top5;
  document["top1_error"] = evaluation.top1_error();
  document[name + "_error"] = evaluation.top5_error();
  document["loss"] = std::isfinite(evaluation.mean_loss()) ? Document(evaluation.mean_loss()) : Document();
}

std::string errors_text(const train::Evaluation& evaluation, Index top) {
  std::ostringstream text;
  text << "top-1 error " << 100 * evaluation.top1_error() << " % ("
       << evaluation.images - evaluation.wrong_top1 << " right), top-" << top << " error "
       << 100 * evaluation.top5_error() << " % (" << evaluation.images - evaluation.wrong_top5
       << " right), loss " << evaluation.mean_loss();
  return std::move(text).str();
}

}  // namespace deconv::tool
