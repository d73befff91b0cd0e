#pragma once

#include <algorithm>
#include <filesystem>
#include <string>
#include <utility>
#include <variant>

#include "deconv/io/graph_json.hpp"
#include "deconv/io/read_model.hpp"
#include "deconv/nn/models/by_name.hpp"
#include "deconv/train/mean_image.hpp"
#include "deconv/train/recipe.hpp"

namespace deconv::train {

namespace detail {

[[nodiscard]] inline bool is_known_model(const std::string& net) {
  const auto& names = models::model_names();
  return std::find(names.begin(), names.end(), net) != names.end();
}

/// Only what the model's own function does not refuse is passed on: most take one input alone.
[[nodiscard]] inline Model named_model(const Recipe& recipe, Index classes, const Shape& input) {
  models::Options options;
  options.classes = classes;
  options.with_weights = false;
  options.channels = input[0];
  options.extent = input[1];
  if (recipe.dropout) options.dropout = static_cast<float>(*recipe.dropout);
  require<ArgumentError>(input[1] == input[2], "net ", quoted(recipe.net), ": a square input wanted, met ",
                         input[1], "x", input[2]);
  return models::model_by_name(recipe.net, options);
}

}  // namespace detail

/// The preprocessing of a recipe with the means and deviations that it leaves to the data. Throws as
/// pixel_statistics. Cost: reads every picture once where there is something to compute, else nothing.
[[nodiscard]] inline io::Preprocess preprocess_for(const Context<Cpu>& context, const Recipe& recipe,
                                                   const io::Dataset& set, StatisticsOptions options = {}) {
  io::Preprocess preprocess = recipe.preprocess;
  if (recipe.mean == Statistic::given && recipe.deviation == Statistic::given) return preprocess;
  options.per_pixel = recipe.mean == Statistic::per_pixel;
  const PixelStatistics statistics = pixel_statistics(context, set, preprocess, options);
  if (recipe.mean == Statistic::per_pixel) preprocess.mean_image = statistics.mean_image;
  if (recipe.mean == Statistic::per_channel) preprocess.mean = statistics.mean;
  if (recipe.deviation == Statistic::per_channel) {
    preprocess.std = statistics.deviation;
    // A channel that never changes carries nothing; it stays as it is.
    for (double& value : preprocess.std)
      if (value == 0) value = 1;
  }
  return preprocess;
}

/// The network that a recipe starts with: a known one by its name, or that of a file: a .json graph, which
/// gets new weights, or a model file (.safetensors, .onnx, .caffemodel), which keeps its own. `input` is the
/// C x H x W that the preprocessing makes; `classes` the data's. Throws ArgumentError, FormatError, IoError.
[[nodiscard]] inline Model starting_model(const Recipe& recipe, const Shape& input, Index classes) {
  Model model;
  if (detail::is_known_model(recipe.net)) {
    model = detail::named_model(recipe, classes, input);
    initialise(model, recipe.initialisation, recipe.seed);
    return model;
  }
  const std::filesystem::path path(recipe.net);
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) static_cast<void>(models::model_by_name(recipe.net));
  const bool graph = path.extension() == ".json";
  if (graph)
    model = Model{path.stem().string(), io::parse_graph(io::read_text(path), path.string()), {}};
  else
    model = io::read_model(path).model;
  if (recipe.dropout)
    for (Node& node : model.graph.nodes)
      if (auto* dropout = std::get_if<node::Dropout>(&node.params))
        dropout->ratio = static_cast<float>(*recipe.dropout);
  if (graph) {
    sort_and_check(model.graph);
    initialise(model, recipe.initialisation, recipe.seed);
  }
  return model;
}

/// Everything that a Trainer starts with: preprocessing, network and class names. Throws as the two above,
/// and ArgumentError when the data has no classes and the recipe names no number of them.
[[nodiscard]] inline io::ModelFile starting_point(const Context<Cpu>& context, const Recipe& recipe,
                                                  const io::Dataset& set,
                                                  const StatisticsOptions& options = {}) {
  io::ModelFile file;
  file.class_names = set.class_names();
  const auto of_data = static_cast<Index>(file.class_names.size());
  Index classes = recipe.classes.value_or(of_data);
  if (classes == 0 && detail::is_known_model(recipe.net)) classes = models::usual_classes(recipe.net);
  require<ArgumentError>(classes > 0, "classes: the data has none, so the recipe must give their number");
  require<ArgumentError>(of_data <= classes, "classes: at least the ", of_data, " of the data wanted, met ",
                         classes);
  file.preprocess = preprocess_for(context, recipe, set, options);
  const auto input = file.preprocess->output_shape();
  require<ArgumentError>(input.has_value(),
                         "preprocess: training wants inputs of one size: a crop, or resize exact");
  file.model = starting_model(recipe, *input, classes);
  if (static_cast<Index>(file.class_names.size()) != classes) file.class_names.clear();
  return file;
}

}  // namespace deconv::train
