// Recipes that come with the program: the files of recipes/, compiled in.

#include <algorithm>

#include "deconv/io/graph_json.hpp"
#include "deconv/io/read_model.hpp"
#include "deconv/nn/models/by_name.hpp"
#include "deconv/train/recipe_json.hpp"
#include "training.hpp"

namespace deconv::tool {

struct BuiltInRecipe {
  const char *name, *text;
};
// Generated from recipes/*.json, see cmake/DeconvPrograms.cmake.
extern const BuiltInRecipe built_in_recipes[];
extern const std::size_t built_in_recipe_count;

namespace {

/// C x H x W of a network's input.
Shape input_of(const std::string& net) {
  Graph graph;
  const auto& names = models::model_names();
  if (std::find(names.begin(), names.end(), net) != names.end()) {
    models::Options options{.classes = models::usual_classes(net)};
    options.with_weights = false;
    graph = models::model_by_name(net, options).graph;
  } else {
    std::error_code ignored;
    const std::filesystem::path path(net);
    require<UsageError>(
        std::filesystem::exists(path, ignored), "--net: a file or one of ",
        [&] {
          std::string all;
          for (const std::string_view each : names) all += message(all.empty() ? "" : ", ", each);
          return all;
        }(),
        " wanted, met ", net);
    graph = path.extension() == ".json" ? io::parse_graph(io::read_text(path), net)
                                        : io::read_model(path).model.graph;
  }
  require<ArgumentError>(graph.inputs.size() == 1 && graph.inputs[0].shape.rank() == 4, "--net ", net,
                         ": one input of shape N,C,H,W wanted");
  const Shape& shape = graph.inputs[0].shape;
  return {shape[1], shape[2], shape[3]};
}

}  // namespace

train::Recipe recipe_named(const std::string& name) {
  std::string known;
  for (std::size_t i = 0; i < built_in_recipe_count; ++i) {
    const BuiltInRecipe& each = built_in_recipes[i];
    if (name == each.name) return train::parse_recipe(each.text, "recipe " + name);
    known += message(known.empty() ? "" : ", ", each.name);
  }
  std::error_code ignored;
  require<UsageError>(std::filesystem::exists(name, ignored), "--recipe: a file or one of ", known,
                      " wanted, met ", name);
  return train::read_recipe(name);
}

train::Recipe recipe_for_net(const std::string& net) {
  for (std::size_t i = 0; i < built_in_recipe_count; ++i) {
    train::Recipe recipe = train::parse_recipe(built_in_recipes[i].text, built_in_recipes[i].name);
    if (recipe.net == net) return recipe;
  }
  // The paper's, with pictures scaled to the network's input.
  const Shape input = input_of(net);
  train::Recipe recipe;
  recipe.net = net;
  recipe.initialisation = Initialisation::he;
  recipe.preprocess.resize = io::ResizeRule::exact;
  recipe.preprocess.size = {input[1], input[2]};
  recipe.preprocess.order = input[0] == 1 ? io::ChannelOrder::grey : io::ChannelOrder::rgb;
  recipe.preprocess.scale = 1.0 / 255;
  recipe.mean = recipe.deviation = train::Statistic::per_channel;
  recipe.schedule.kind = train::ScheduleKind::plateau;
  return recipe;
}

}  // namespace deconv::tool
