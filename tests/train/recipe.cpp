// Recipes: the files of the repository, reading and writing, and what is said about a wrong field.

#include "deconv/train/recipe.hpp"

#include <filesystem>
#include <limits>
#include <string>

#include "deconv/io/atomic_file.hpp"
#include "deconv/nn/models/by_name.hpp"
#include "deconv/train/recipe_json.hpp"
#include "support/catch.hpp"
#include "support/scratch_folder.hpp"
#include "train/messages.hpp"

namespace {

using namespace deconv;
using namespace deconv::train;
using test::mentions_all;
using test::said_by;

const std::filesystem::path recipes = std::filesystem::path(DECONV_SOURCE_DIR) / "recipes";

Recipe again(const Recipe& recipe) { return parse_recipe(recipe_to_json(recipe).dump(2), "config.json"); }

/// Every field of both, through the writer: what it leaves out is compared by the tests that set it.
bool same(const Recipe& a, const Recipe& b) { return recipe_to_json(a) == recipe_to_json(b); }

std::string said(const std::string& fields) {
  return said_by<FormatError>(
      [&] { static_cast<void>(parse_recipe(R"({"net": "zfnet", )" + fields + "}", "r.json")); });
}

}  // namespace

TEST_CASE("the recipes of the repository are complete and fit their networks", "[train][recipe]") {
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(recipes)) {
    if (entry.path().extension() != ".json") continue;
    INFO(entry.path());
    ++count;
    const Recipe recipe = read_recipe(entry.path());
    CHECK(same(again(recipe), recipe));
    CHECK_NOTHROW(recipe.augmentation.check(recipe.preprocess));
    const Model model =
        models::model_by_name(recipe.net, models::Options{.classes = 10, .with_weights = false});
    const auto shape = recipe.preprocess.output_shape();
    REQUIRE(shape.has_value());
    const Shape& input = model.graph.inputs.at(0).shape;
    CHECK(*shape == Shape{input[1], input[2], input[3]});
    // Patterns that fit no parameter would be misspelt.
    for (const ParameterFactors& factors : recipe.parameters) {
      int fitting = 0;
      for (const auto& [name, extents] : weight_shapes(model.graph)) fitting += fits(factors.pattern, name);
      CHECK(fitting > 0);
    }
  }
  CHECK(count == 6);
}

TEST_CASE("the paper's recipe has the paper's numbers", "[train][recipe]") {
  const Recipe paper = read_recipe(recipes / "zfnet-imagenet.json");
  CHECK(paper.batch == 128);
  CHECK(paper.epochs == 70);
  CHECK(paper.schedule.rate == 0.01);
  CHECK(paper.schedule.kind == ScheduleKind::plateau);
  CHECK(paper.momentum == 0.9);
  CHECK(paper.dropout == 0.5);
  CHECK(paper.filter_rms == 0.1);
  CHECK(paper.initialisation == Initialisation::paper);
  CHECK(paper.augmentation.crops == Crops::ten);
  CHECK(paper.mean == Statistic::per_pixel);
  CHECK(paper.preprocess.resize == io::ResizeRule::shorter_side);
  CHECK(paper.preprocess.size.height == 256);
  CHECK(paper.preprocess.frame == io::Extent{256, 256});
  CHECK(paper.preprocess.crop == io::Extent{224, 224});
  CHECK(paper.preprocess.scale == 1);
  CHECK(read_recipe(recipes / "alexnet-imagenet.json").weight_decay == 5e-4);
}

TEST_CASE("a recipe reads back as it was written", "[train][recipe]") {
  Recipe recipe;
  recipe.net = "lenet32";
  CHECK(same(again(recipe), recipe));
  recipe.classes = 7;
  recipe.dropout = 0.25;
  recipe.initialisation = Initialisation::torch;
  recipe.batch = 3;
  recipe.epochs = 4;
  recipe.steps = 500;
  recipe.schedule.rate = 0.1 + 0.2;  // needs all seventeen digits
  recipe.schedule.kind = ScheduleKind::step;
  recipe.schedule.every = 2;
  recipe.momentum = 0.5;
  recipe.weight_decay = 1e-3;
  recipe.parameters = {{"*.bias", 2, 0}, {"fc*", 0.1, 1}};
  recipe.filter_rms = 0;
  recipe.loss = LossKind::sigmoid;
  recipe.augmentation = {Crops::random, true, 4, train::Padding::reflect};
  recipe.preprocess.scale = 1.0 / 255.0;
  recipe.preprocess.order = io::ChannelOrder::grey;
  recipe.mean = Statistic::per_channel;
  recipe.deviation = Statistic::per_channel;
  recipe.seed = std::numeric_limits<std::uint64_t>::max();
  recipe.dtype = DType::bfloat16;
  recipe.checkpoint_every = 10;
  recipe.keep = 9;
  const Recipe back = again(recipe);
  CHECK(same(back, recipe));
  CHECK(back.classes == 7);
  CHECK(back.dropout == 0.25);
  CHECK(back.initialisation == Initialisation::torch);
  CHECK(back.steps == 500);
  CHECK(back.schedule == recipe.schedule);
  CHECK(back.parameters == recipe.parameters);
  CHECK(back.loss == LossKind::sigmoid);
  CHECK(back.augmentation.crops == Crops::random);
  CHECK(back.augmentation.flip);
  CHECK(back.augmentation.padding == 4);
  CHECK(back.augmentation.padding_rule == train::Padding::reflect);
  CHECK(back.preprocess.scale == recipe.preprocess.scale);
  CHECK(back.mean == Statistic::per_channel);
  CHECK(back.deviation == Statistic::per_channel);
  CHECK(back.seed == recipe.seed);
  CHECK(back.dtype == DType::bfloat16);
}

TEST_CASE("a mean image in a file is found from anywhere", "[train][recipe]") {
  const test::ScratchFolder folder;
  Tensor<float, Cpu> mean({1, 4, 4});
  std::fill(mean.begin(), mean.end(), 3.0f);
  io::write_npy(folder / "mean.npy", mean);
  io::write_text(folder / "r.json",
                 R"({"net": "lenet32", "preprocess": {"channel_order": "grey", "mean": "mean.npy"}})");
  const Recipe recipe = read_recipe(folder / "r.json");
  REQUIRE(recipe.preprocess.mean_image);
  CHECK(recipe.mean == Statistic::given);
  const Recipe back = again(recipe);
  REQUIRE(back.preprocess.mean_image);
  CHECK(back.preprocess.mean_image->data()[7] == 3.0f);

  Recipe lost = recipe;
  lost.mean_file.clear();
  CHECK_THROWS_AS(recipe_to_json(lost), ArgumentError);
}

TEST_CASE("patterns of parameters", "[train][recipe]") {
  CHECK(fits("*", ""));
  CHECK(fits("*", "conv1.weight"));
  CHECK(fits("*.bias", "conv1.bias"));
  CHECK(!fits("*.bias", "conv1.bias2"));
  CHECK(!fits("*.bias", "bias"));
  CHECK(fits("conv*.w*t", "conv12.weight"));
  CHECK(fits("conv1.weight", "conv1.weight"));
  CHECK(!fits("conv1.weight", "conv1.weigh"));
  CHECK(!fits("", "a"));
  CHECK(fits("", ""));
  CHECK(fits("*ab*ab", "abababab"));
  CHECK(!fits("*ab*abc", "abababab"));
  CHECK(fits("a**b", "ab"));
  Recipe recipe;
  recipe.parameters = {{"fc*.bias", 3, 0}, {"*.bias", 2, 0.5}};
  CHECK(factors_of(recipe, "fc6.bias").rate == 3);
  CHECK(factors_of(recipe, "conv1.bias").rate == 2);
  CHECK(factors_of(recipe, "conv1.bias").decay == 0.5);
  CHECK(factors_of(recipe, "conv1.weight") == ParameterFactors{});
}

TEST_CASE("what is wrong in a recipe is said with its field", "[train][recipe]") {
  CHECK(mentions_all(said(R"("learning_rate": 1)"), {"r.json", "unknown", "learning_rate", "rate"}));
  CHECK(mentions_all(said(R"("batch": 0)"), {"r.json: batch", "1", "0"}));
  CHECK(mentions_all(said(R"("batch": "128")"), {"batch", "whole number", "128"}));
  CHECK(mentions_all(said(R"("epochs": -1)"), {"epochs", "-1"}));
  CHECK(mentions_all(said(R"("rate": 0)"), {"rate", "0"}));
  CHECK(mentions_all(said(R"("rate": "fast")"), {"rate", "a number", "fast"}));
  CHECK(mentions_all(said(R"("momentum": 1)"), {"momentum", "below 1"}));
  CHECK(mentions_all(said(R"("dropout": 1)"), {"dropout", "below 1"}));
  CHECK(mentions_all(said(R"("weight_decay": -1)"), {"weight_decay", "-1"}));
  CHECK(mentions_all(said(R"("filter_rms": -0.1)"), {"filter_rms", "-0.1"}));
  CHECK(mentions_all(said(R"("initialisation": "zero")"), {"initialisation", "paper", "torch", "zero"}));
  CHECK(mentions_all(said(R"("loss": "mse")"), {"loss", "squared_hinge", "mse"}));
  CHECK(mentions_all(said(R"("dtype": "float64")"), {"dtype", "bfloat16", "float64"}));
  CHECK(mentions_all(said(R"("seed": -1)"), {"seed", "-1"}));
  CHECK(mentions_all(said(R"("keep": 0)"), {"keep", "0"}));
  CHECK(mentions_all(said(R"("schedule": {"kind": "plateau", "factor": 2})"), {"schedule: factor", "2"}));
  CHECK(mentions_all(said(R"("schedule": "plateau")"), {"schedule", "object", "plateau"}));
  CHECK(mentions_all(said(R"("augmentation": {"crops": "many"})"), {"augmentation: crops", "ten", "many"}));
  CHECK(mentions_all(said(R"("augmentation": {"flip": 1})"), {"augmentation: flip", "true", "1"}));
  CHECK(mentions_all(said(R"("augmentation": {"padding": 2})"), {"augmentation: padding", "random"}));
  CHECK(mentions_all(said(R"("augmentation": {"zoom": 2})"), {"augmentation", "zoom"}));
  CHECK(mentions_all(said(R"("preprocess": "imagenet")"), {"preprocess", "imagenet-torch", "imagenet"}));
  CHECK(mentions_all(said(R"("preprocess": {"std": "per_pixel"})"), {"std", "per_channel", "per_pixel"}));
  CHECK(mentions_all(said(R"("preprocess": {"scale": 0, "colour": 1})"), {"preprocess", "colour"}));
  CHECK(mentions_all(said(R"("parameters": {"pattern": "*"})"), {"parameters", "list"}));
  CHECK(mentions_all(said(R"("parameters": [{"rate": 2}])"), {"parameters: entry 0", "pattern"}));
  CHECK(mentions_all(said(R"("parameters": [{"pattern": "*", "decay": -2}])"), {"decay", "-2"}));
  CHECK(mentions_all(said(R"("net": "alexnet")"), {"r.json", "net", "twice"}));
  CHECK(mentions_all(said_by<FormatError>([] { static_cast<void>(parse_recipe("{}", "r.json")); }),
                     {"r.json", "net"}));
  CHECK(mentions_all(said_by<FormatError>([] { static_cast<void>(parse_recipe("[1]", "r.json")); }),
                     {"r.json", "object"}));
  CHECK_THROWS_AS(read_recipe("/nowhere/recipe.json"), IoError);
  const auto absent = [] {
    static_cast<void>(parse_recipe(R"({"net": "a", "preprocess": {"mean": "per_image.npy"}})", "r.json"));
  };
  CHECK(mentions_all(said_by<IoError>(absent), {"per_image.npy"}));
}
