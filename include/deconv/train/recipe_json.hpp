#pragma once
/// Recipes as JSON: files that people write, and a run's config.json. Fields, all but net optional:
///   net               a network's name, or a file with its graph
///   classes           number of classes (default: the data's)
///   dropout           ratio of every dropout layer (default: the network's own)
///   initialisation    "paper" (default: N(0, 0.01)), "he" or "torch"
///   batch, epochs     128 and 70; steps: a number of steps instead of epochs
///   rate              learning rate at the beginning (0.01)
///   schedule          how it falls, see schedule_json.hpp
///   momentum          0.9; weight_decay: 0
///   parameters        [{"pattern": "*.bias", "rate": 2, "decay": 0}, ...]: factors by parameter name; the
///                     first pattern that fits counts
///   filter_rms        largest RMS of a convolution's filters (0.1); 0: any
///   loss              "softmax" (default), "squared_hinge" or "sigmoid"
///   augmentation      {"crops": "centre" | "ten" | "random", "flip": bool, "padding": pixels,
///                     "padding_rule": "zero" | "reflect"}
///   preprocess        a built-in name, or an object, see io/preprocess_json.hpp; in it "mean" may also be
///                     "per_pixel" or "per_channel", and "std" "per_channel": of the training images
///   seed              1
///   dtype             "float32" (default), "bfloat16" or "half"
///   checkpoint_every  steps; 0 (default): after each epoch; keep: checkpoints kept (3)

#include <filesystem>
#include <limits>
#include <string>
#include <string_view>
#include <utility>

#include "deconv/io/file.hpp"
#include "deconv/io/preprocess_json.hpp"
#include "deconv/train/json_fields.hpp"
#include "deconv/train/recipe.hpp"
#include "deconv/train/schedule_json.hpp"

namespace deconv::train {

inline constexpr Words<Initialisation, 3> initialisation_words{
    {{"paper", Initialisation::paper}, {"he", Initialisation::he}, {"torch", Initialisation::torch}}};
inline constexpr Words<LossKind, 3> loss_words{{{"softmax", LossKind::softmax},
                                                {"squared_hinge", LossKind::squared_hinge},
                                                {"sigmoid", LossKind::sigmoid}}};
inline constexpr Words<DType, 3> dtype_words{
    {{"float32", DType::float32}, {"bfloat16", DType::bfloat16}, {"half", DType::float16}}};
inline constexpr Words<Crops, 3> crops_words{
    {{"centre", Crops::centre}, {"ten", Crops::ten}, {"random", Crops::random}}};
inline constexpr Words<Padding, 2> padding_words{{{"zero", Padding::zero}, {"reflect", Padding::reflect}}};

namespace detail {

inline constexpr double largest_double = std::numeric_limits<double>::max();

[[nodiscard]] inline Augmentation augmentation_from_json(const io::Json& json, const std::string& name) {
  JsonFields fields(json, name);
  Augmentation made;
  fields.choice("crops", made.crops, crops_words);
  fields.truth("flip", made.flip);
  fields.integer("padding", made.padding, 0, 4096);
  fields.choice("padding_rule", made.padding_rule, padding_words);
  fields.finish();
  require<FormatError>(made.padding == 0 || made.crops == Crops::random, name,
                       ": padding: belongs to crops random, met ", name_of(made.crops));
  return made;
}

[[nodiscard]] inline ParameterFactors factors_from_json(const io::Json& json, const std::string& name) {
  JsonFields fields(json, name);
  ParameterFactors made;
  require<FormatError>(json.contains("pattern"), name, ": field pattern is missing");
  fields.text("pattern", made.pattern);
  require<FormatError>(!made.pattern.empty(), name, ": pattern: a name or a pattern wanted, met \"\"");
  fields.real("rate", made.rate, 0, largest_double);
  fields.real("decay", made.decay, 0, largest_double);
  fields.finish();
  return made;
}

/// Puts the preprocessing into the recipe; what is to be computed from the training images is taken out of
/// the JSON first.
inline void preprocess_from_json(Recipe& recipe, io::Json json, const std::string& name,
                                 const io::MeanSources& sources) {
  if (json.is_string()) {
    const auto& word = json.get_ref<const std::string&>();
    auto built_in = io::built_in_preprocess(word);
    require<FormatError>(built_in.has_value(), name,
                         ": imagenet-torch, imagenet-caffe, unit or an object wanted, met ", quoted(word));
    recipe.preprocess = *std::move(built_in);
    return;
  }
  if (json.is_object()) {
    if (const auto mean = json.find("mean"); mean != json.end() && mean->is_string()) {
      const std::string word = mean->get<std::string>();
      if (word == "per_pixel" || word == "per_channel") {
        recipe.mean = word == "per_pixel" ? Statistic::per_pixel : Statistic::per_channel;
        json.erase(mean);
      } else {
        recipe.mean_file = std::filesystem::absolute(sources.folder / word).lexically_normal();
      }
    }
    if (const auto deviation = json.find("std"); deviation != json.end() && deviation->is_string()) {
      require<FormatError>(*deviation == "per_channel", name, ": std: numbers or per_channel wanted, met ",
                           io::json_excerpt(*deviation));
      recipe.deviation = Statistic::per_channel;
      json.erase(deviation);
    }
  }
  recipe.preprocess = io::preprocess_from_json(json, name, sources);
}

[[nodiscard]] inline io::Json preprocess_to_json(const Recipe& recipe) {
  io::Json json = io::preprocess_to_json(recipe.preprocess);
  if (recipe.mean == Statistic::per_pixel) json["mean"] = "per_pixel";
  if (recipe.mean == Statistic::per_channel) json["mean"] = "per_channel";
  if (recipe.mean == Statistic::given && recipe.preprocess.mean_image) {
    require<ArgumentError>(!recipe.mean_file.empty(),
                           "preprocess: a mean image that was read from no file cannot stand in a recipe");
    json["mean"] = recipe.mean_file.string();
  }
  if (recipe.deviation == Statistic::per_channel) json["std"] = "per_channel";
  return json;
}

}  // namespace detail

/// The recipe as JSON that recipe_from_json reads back to the same values. Throws ArgumentError when a field
/// is out of range, or a mean image has no file that could be named.
[[nodiscard]] inline io::Json recipe_to_json(const Recipe& recipe) {
  check(recipe);
  io::Json parameters = io::Json::array();
  for (const ParameterFactors& factors : recipe.parameters)
    parameters.push_back({{"pattern", factors.pattern}, {"rate", factors.rate}, {"decay", factors.decay}});
  const Augmentation& views = recipe.augmentation;
  io::Json json = {{"net", recipe.net},
                   {"initialisation", word_of(initialisation_words, recipe.initialisation)},
                   {"batch", recipe.batch},
                   {"epochs", recipe.epochs},
                   {"rate", recipe.schedule.rate},
                   {"schedule", schedule_to_json(recipe.schedule)},
                   {"momentum", recipe.momentum},
                   {"weight_decay", recipe.weight_decay},
                   {"parameters", std::move(parameters)},
                   {"filter_rms", recipe.filter_rms},
                   {"loss", word_of(loss_words, recipe.loss)},
                   {"augmentation",
                    {{"crops", word_of(crops_words, views.crops)},
                     {"flip", views.flip},
                     {"padding", views.padding},
                     {"padding_rule", word_of(padding_words, views.padding_rule)}}},
                   {"preprocess", detail::preprocess_to_json(recipe)},
                   {"seed", recipe.seed},
                   {"dtype", word_of(dtype_words, recipe.dtype)},
                   {"checkpoint_every", recipe.checkpoint_every},
                   {"keep", recipe.keep}};
  if (recipe.classes) json["classes"] = *recipe.classes;
  if (recipe.dropout) json["dropout"] = *recipe.dropout;
  if (recipe.steps) json["steps"] = *recipe.steps;
  return json;
}

/// The recipe of such a document, which messages call `name`; `sources` say where a mean image comes from.
/// Throws FormatError that names the document and the field, what was wanted and what was met, for anything
/// unknown, of a wrong type or out of range; and as the readers of a mean image.
[[nodiscard]] inline Recipe recipe_from_json(const io::Json& json, const std::string& name,
                                             const io::MeanSources& sources = {}) {
  using detail::largest_double;
  JsonFields fields(json, name);
  Recipe recipe;
  fields.text("net", recipe.net);
  require<FormatError>(!recipe.net.empty(), name, ": net: the name of a network or a file wanted");
  fields.integer("classes", recipe.classes, 1);
  fields.real("dropout", recipe.dropout, 0, largest_double);
  fields.choice("initialisation", recipe.initialisation, initialisation_words);
  fields.integer("batch", recipe.batch, 1);
  fields.integer("epochs", recipe.epochs, 0);
  fields.integer("steps", recipe.steps, 0);
  double rate = recipe.schedule.rate;
  fields.real("rate", rate, 0, largest_double, true);
  recipe.schedule.rate = rate;
  if (const io::Json* schedule = fields.find("schedule"))
    recipe.schedule = schedule_from_json(*schedule, rate, fields.place("schedule"));
  fields.real("momentum", recipe.momentum, 0, 1);
  fields.real("weight_decay", recipe.weight_decay, 0, largest_double);
  if (const io::Json* parameters = fields.find("parameters")) {
    require<FormatError>(parameters->is_array(), fields.place("parameters"), ": a list wanted, met ",
                         io::json_excerpt(*parameters));
    for (const io::Json& factors : *parameters)
      recipe.parameters.push_back(detail::factors_from_json(
          factors, message(fields.place("parameters"), ": entry ", recipe.parameters.size())));
  }
  fields.real("filter_rms", recipe.filter_rms, 0, largest_double);
  fields.choice("loss", recipe.loss, loss_words);
  if (const io::Json* augmentation = fields.find("augmentation"))
    recipe.augmentation = detail::augmentation_from_json(*augmentation, fields.place("augmentation"));
  if (const io::Json* preprocess = fields.find("preprocess"))
    detail::preprocess_from_json(recipe, *preprocess, fields.place("preprocess"), sources);
  if (const io::Json* seed = fields.find("seed")) {
    // Up to 2^64 - 1, which a signed whole number does not hold.
    require<FormatError>(seed->is_number_unsigned(), fields.place("seed"),
                         ": a whole number from 0 wanted, met ", io::json_excerpt(*seed));
    recipe.seed = seed->get<std::uint64_t>();
  }
  fields.choice("dtype", recipe.dtype, dtype_words);
  fields.integer("checkpoint_every", recipe.checkpoint_every, 0);
  fields.integer("keep", recipe.keep, 1);
  fields.finish();
  try {
    check(recipe);
  } catch (const ArgumentError& problem) {
    raise<FormatError>(name, ": ", problem.what());
  }
  return recipe;
}

/// The recipe of a document's text; as above.
[[nodiscard]] inline Recipe parse_recipe(std::string_view text, const std::string& name,
                                         const io::MeanSources& sources = {}) {
  return recipe_from_json(io::parse_json(text, name), name, sources);
}

/// The recipe of a file. A mean image is looked for beside it. Throws IoError, and as above.
[[nodiscard]] inline Recipe read_recipe(const std::filesystem::path& path, io::MeanSources sources = {}) {
  if (sources.folder.empty()) sources.folder = path.parent_path();
  return parse_recipe(io::read_text(path, std::uint64_t{1} << 24), path.string(), sources);
}

}  // namespace deconv::train
