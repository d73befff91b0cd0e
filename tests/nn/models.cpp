// The models against published numbers.

#include "catch.hpp"
#include "deconv/nn/models/by_name.hpp"
#include "deconv/nn/receptive_field.hpp"

using namespace deconv;

TEST_CASE("zfnet has the sizes of the paper's Fig. 3") {
  using models::ZfnetVariant;
  for (const ZfnetVariant variant : {ZfnetVariant::paper, ZfnetVariant::pad1}) {
    const Model model = models::zfnet({.with_weights = false}, variant);
    const auto shapes = infer_shapes(model.graph, 2);
    const std::map<std::string, Shape> wanted = {
        {"data", {2, 3, 224, 224}},  {"conv1", {2, 96, 110, 110}}, {"pool1", {2, 96, 55, 55}},
        {"norm1", {2, 96, 55, 55}},  {"conv2", {2, 256, 26, 26}},  {"pool2", {2, 256, 13, 13}},
        {"conv3", {2, 384, 13, 13}}, {"conv4", {2, 384, 13, 13}},  {"conv5", {2, 256, 13, 13}},
        {"pool5", {2, 256, 6, 6}},   {"fc6", {2, 4096}},           {"fc7", {2, 4096}},
        {"fc8", {2, 1000}},          {"prob", {2, 1000}}};
    for (const auto& [tensor, shape] : wanted) {
      INFO(tensor);
      CHECK(shapes.at(tensor) == shape);
    }
    CHECK(parameter_count(model) == 62'357'608);
    CHECK(multiply_adds(model.graph) == 1'168'032'896);  // the paper's facts say 1.168 G
  }
}

TEST_CASE("the wide variant widens conv3 to conv5") {
  const Model model = models::zfnet({.with_weights = false}, models::ZfnetVariant::wide);
  const auto shapes = infer_shapes(model.graph);
  CHECK(shapes.at("conv3")[1] == 512);
  CHECK(shapes.at("conv4")[1] == 1024);
  CHECK(shapes.at("conv5")[1] == 512);
  CHECK(shapes.at("pool5") == Shape{1, 512, 6, 6});
}

TEST_CASE("published parameter counts") {
  const auto count = [](const char* name) {
    return parameter_count(
        models::model_by_name(name, {.classes = models::usual_classes(name), .with_weights = false}));
  };
  CHECK(count("zfnet") == 62'357'608);
  CHECK(count("alexnet") == 60'965'224);
  CHECK(count("alexnet-dense") == 62'378'344);
  CHECK(count("lenet") == 431'080);
  CHECK(count("lenet32") == 317'066);
  CHECK(count("vgg16") == 138'357'544);
  CHECK(count("vgg19") == 143'667'240);
  CHECK(count("squeezenet1.0") == 1'248'424);
  CHECK(count("squeezenet1.1") == 1'235'496);
}

TEST_CASE("geometry of the other models") {
  const auto shape = [](const char* name, const char* tensor) {
    return infer_shapes(models::model_by_name(name, {.with_weights = false}).graph).at(tensor);
  };
  CHECK(shape("alexnet", "conv1") == Shape{1, 96, 55, 55});
  CHECK(shape("alexnet", "pool5") == Shape{1, 256, 6, 6});
  CHECK(shape("vgg16", "pool5") == Shape{1, 512, 7, 7});
  CHECK(shape("vgg19", "conv5_4") == Shape{1, 512, 14, 14});
  CHECK(shape("squeezenet1.0", "fire9/concat") == Shape{1, 512, 13, 13});
  CHECK(shape("squeezenet1.0", "conv10") == Shape{1, 1000, 15, 15});
  CHECK(shape("squeezenet1.1", "fire9/concat") == Shape{1, 512, 13, 13});
  CHECK(shape("squeezenet1.1", "prob") == Shape{1, 1000});
}

TEST_CASE("every known name makes a model whose weights fit") {
  for (const std::string_view name : models::model_names()) {
    const Model plan =
        models::model_by_name(name, {.classes = models::usual_classes(name), .with_weights = false});
    if (parameter_count(plan) > 10'000'000) continue;  // the same code; their shapes are tested above
    const Model model = models::model_by_name(name);
    INFO(name);
    CHECK(model.name == name);
    CHECK_NOTHROW(check_weights(model));
    CHECK(model.graph.outputs == std::vector<std::string>{"prob"});
  }
  const Model small = models::lenet({.classes = 3, .seed = 5});
  CHECK_NOTHROW(check_weights(small));
  CHECK(small.weights.at("ip2.weight").shape() == Shape{3, 500});
  CHECK_THROWS_AS(models::model_by_name("zf-net"), ArgumentError);
  CHECK_THROWS_AS(models::zfnet({.classes = 0}), ArgumentError);
}

TEST_CASE("zfnet-small and zfnet-64 have the paper's plan at their own sizes") {
  struct Wanted {
    const char* name;
    std::map<std::string, Shape> shapes;
    Index parameters, multiply_adds;
  };
  const std::vector<Wanted> all = {{"zfnet-small",
                                    {{"data", {2, 1, 28, 28}},
                                     {"conv1", {2, 32, 28, 28}},
                                     {"norm1", {2, 32, 14, 14}},
                                     {"conv2", {2, 64, 14, 14}},
                                     {"norm2", {2, 64, 7, 7}},
                                     {"conv5", {2, 64, 7, 7}},
                                     {"pool5", {2, 64, 3, 3}},
                                     {"prob", {2, 10}}},
                                    461'962,
                                    20'361'216},
                                   {"zfnet-64",
                                    {{"data", {2, 3, 64, 64}},
                                     {"conv1", {2, 48, 32, 32}},
                                     {"norm1", {2, 48, 16, 16}},
                                     {"conv2", {2, 96, 16, 16}},
                                     {"norm2", {2, 96, 8, 8}},
                                     {"conv5", {2, 96, 8, 8}},
                                     {"pool5", {2, 96, 4, 4}},
                                     {"prob", {2, 10}}},
                                    1'542'666,
                                    57'824'256}};
  const Model original = models::zfnet({.with_weights = false});
  for (const Wanted& wanted : all) {
    INFO(wanted.name);
    const Model model = models::model_by_name(wanted.name, {.classes = 10, .with_weights = false});
    const auto shapes = infer_shapes(model.graph, 2);
    for (const auto& [tensor, shape] : wanted.shapes) {
      INFO(tensor);
      CHECK(shapes.at(tensor) == shape);
    }
    CHECK(parameter_count(model) == wanted.parameters);
    CHECK(multiply_adds(model.graph) == wanted.multiply_adds);
    REQUIRE(model.graph.nodes.size() == original.graph.nodes.size());
    for (std::size_t i = 0; i < model.graph.nodes.size(); ++i)
      CHECK(model.graph.nodes[i].name == original.graph.nodes[i].name);
  }
  CHECK(multiply_adds(models::lenet32({.classes = 10, .with_weights = false}).graph) == 4'002'304);
}

TEST_CASE("alexnet-64 has AlexNet's first layers, and zfnet-64's from conv3 on") {
  const Model model = models::alexnet_64({.classes = 10, .with_weights = false});
  const auto shapes = infer_shapes(model.graph);
  CHECK(shapes.at("conv1") == Shape{1, 48, 16, 16});
  CHECK(shapes.at("pool1") == Shape{1, 48, 8, 8});
  const auto other = infer_shapes(models::zfnet_64({.classes = 10, .with_weights = false}).graph);
  for (const char* tensor : {"conv3", "conv4", "conv5", "pool5", "fc6", "fc7", "fc8"})
    CHECK(shapes.at(tensor) == other.at(tensor));
  CHECK(receptive_field(model.graph, "conv2", "data").y.jump == 8);
  CHECK(receptive_field(models::zfnet_64({.with_weights = false}).graph, "conv2", "data").y.jump == 4);
  CHECK(parameter_count(model) == 1'546'122);
  CHECK(multiply_adds(model.graph) == 33'825'792);
}

TEST_CASE("inputs and dropout can be chosen where a model leaves the choice") {
  const auto shape = [](const char* name, const models::Options& options, const char* tensor) {
    return infer_shapes(models::model_by_name(name, options).graph).at(tensor);
  };
  const models::Options coloured{.classes = 7, .with_weights = false, .channels = 3, .extent = 32};
  CHECK(shape("zfnet-small", coloured, "data") == Shape{1, 3, 32, 32});
  CHECK(shape("zfnet-small", coloured, "pool5") == Shape{1, 64, 4, 4});
  CHECK(shape("zfnet-small", coloured, "prob") == Shape{1, 7});
  CHECK(shape("lenet32", coloured, "pool2") == Shape{1, 64, 5, 5});
  CHECK(shape("zfnet-64", {.classes = 10, .with_weights = false, .extent = 56}, "pool5") ==
        Shape{1, 96, 3, 3});
  CHECK(shape("zfnet", {.with_weights = false, .channels = 3, .extent = 224}, "pool5") ==
        Shape{1, 256, 6, 6});
  for (const std::string_view name : models::model_names()) {
    INFO(name);
    const bool free =
        name == "zfnet-small" || name == "zfnet-64" || name == "alexnet-64" || name == "lenet32";
    if (!free) {
      CHECK_THROWS_AS(models::model_by_name(name, {.with_weights = false, .channels = 2}), ArgumentError);
      CHECK_THROWS_AS(models::model_by_name(name, {.with_weights = false, .extent = 64}), ArgumentError);
    }
    CHECK_THROWS_AS(models::model_by_name(name, {.with_weights = false, .channels = 0}), ArgumentError);
    CHECK_THROWS_AS(models::model_by_name(name, {.with_weights = false, .extent = 8}), ArgumentError);

    const models::Options quarter{.with_weights = false, .dropout = 0.25f};
    if (name.starts_with("lenet")) {
      CHECK_THROWS_AS(models::model_by_name(name, quarter), ArgumentError);
      continue;
    }
    int layers = 0;
    for (const Node& node : models::model_by_name(name, quarter).graph.nodes)
      if (const auto* drop = std::get_if<node::Dropout>(&node.params)) {
        CHECK(drop->ratio == 0.25f);
        ++layers;
      }
    CHECK(layers == (name.starts_with("squeezenet") ? 1 : 2));
    CHECK_THROWS_AS(models::model_by_name(name, {.with_weights = false, .dropout = 1.0f}), ArgumentError);
  }
}
