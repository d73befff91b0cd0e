#include "deconv/analysis/class_activation_map.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "analysis/golden.hpp"
#include "deconv/nn/models/by_name.hpp"
#include "support/captum_network.hpp"
#include "support/catch.hpp"
#include "support/relative_error.hpp"

using namespace deconv;
using test::golden_images;
using test::relative_error;

TEST_CASE("Grad-CAM agrees with the expected values") {
  const auto* golden = test::Golden::get();
  if (golden == nullptr) return;
  const Context<Cpu> context;
  for (const auto& image : golden_images()) {
    INFO(image.name);
    const std::string theirs = image.squeezenet ? "fire7" : "conv_2_2";
    ClassActivationMapOptions options;
    options.layer = test::golden_layer(theirs);
    const auto maps =
        class_activation_maps<float>(golden->network(image), context, golden->input(image), options);
    REQUIRE(maps.size() == 1);
    const auto expected = golden->array(image.file_prefix + "_gradcam_" + theirs + ".npy");
    CHECK(maps[0].map.shape() == expected.shape());
    CHECK(!(relative_error(maps[0].map, expected) > 1e-4));
  }
}

namespace {

Network<float, Cpu> random_network(const char* name) {
  return Network<float, Cpu>(
      models::model_by_name(name, models::Options{.classes = 10, .initialisation = Initialisation::he}));
}

Tensor<float, Cpu> random_images(const Shape& shape, std::uint64_t seed) {
  Tensor<float, Cpu> images(shape);
  fill_normal<float>(images, Random(seed), 0, 1);
  return images;
}

std::string default_layer(const Network<float, Cpu>& network) {
  const Topology& topology = network.topology();
  return last_spatial_layer(topology, *network.shapes_for({network.graph().inputs[0].shape}),
                            score_tensor(topology));
}

}  // namespace

TEST_CASE("Grad-CAM agrees with what Captum's tests expect") {
  DECONV_TEST_DATA_OR_SKIP(path, "golden/captum_expectations.json");
  const io::Bytes text = io::read_file(path, std::uint64_t{1} << 24);
  const auto facts = io::parse_json({reinterpret_cast<const char*>(text.data()), text.size()}, "captum");
  const auto network = test::captum_one_convolution();
  const Context<Cpu> context(1);
  int checked = 0;
  for (const auto& one : facts["cases"]) {
    const std::string method = one["method"];
    if (!method.starts_with("Grad-CAM") || method.find("per channel") != std::string::npos) continue;
    INFO(method);
    const auto flat = [](const io::Json& rows) {
      std::vector<double> all;
      for (const auto& line : rows)
        for (const auto& value : line) all.push_back(value.get<double>());
      return all;
    };
    ClassActivationMapOptions options;
    options.layer = method.find("relu1") != std::string::npos ? "relu1" : "conv1";
    options.classes = {0};
    const auto src = Tensor<double, Cpu>::from({1, 1, 4, 4}, flat(one["input"]));
    const auto maps = class_activation_maps<double>(network, context, src.view(), options);
    const auto expected = flat(one["expected"]);
    // All of the expected values are above zero, so that our last rectifier changes nothing.
    REQUIRE(maps[0].map.count() == static_cast<Index>(expected.size()));
    for (std::size_t i = 0; i < expected.size(); ++i)
      CHECK(!(std::abs(maps[0].map.data()[i] - expected[i]) > 1e-9));
    ++checked;
  }
  CHECK(checked == 3);
}

TEST_CASE("the scores are what softmax, dropout and changes of shape at the end are made from") {
  CHECK(score_tensor(random_network("squeezenet1.1").topology()) == "pool10");
  CHECK(score_tensor(random_network("zfnet").topology()) == "fc8");
  CHECK(score_tensor(random_network("lenet").topology()) == "ip2");
  GraphBuilder net("x", {1, 3, 4, 4});
  net.add("last", node::Conv2d{5, {Window2d::square(4)}});
  net.add("log", node::LogSoftmax{});
  net.add("drop", node::Dropout{});
  net.add("flat", node::Reshape{{0, -1}});
  CHECK(score_tensor(Topology(std::move(net).finish())) == "last");
  GraphBuilder nothing("x", {1, 3});
  nothing.add("prob", node::Softmax{});
  const Topology bare(std::move(nothing).finish());
  CHECK_THROWS_AS(score_tensor(bare), ArgumentError);
}

TEST_CASE("the default layer is the last one that makes maps of more than one position") {
  CHECK(default_layer(random_network("squeezenet1.1")) == "relu10");
  CHECK(default_layer(random_network("zfnet")) == "relu5");
  CHECK(default_layer(random_network("lenet")) == "conv2");
  const Network<float, Cpu> flat([] {
    GraphBuilder net("x", {1, 7});
    net.add("fc", node::Linear{3});
    Model model{"flat", std::move(net).finish(), {}};
    initialise(model, Initialisation::he, 1);
    return model;
  }());
  CHECK_THROWS_AS(default_layer(flat), ArgumentError);
}

TEST_CASE("each image of a batch has its own class and map, the same as alone") {
  const auto network = random_network("lenet");
  const Context<Cpu> context;
  const auto images = random_images({3, 1, 28, 28}, 2);
  const auto top = class_activation_maps<float>(network, context, images.view());
  const auto logits = network.forward(context, images).activation("ip2");
  ClassActivationMapOptions options;
  options.classes = {1, 9, 4};
  const auto chosen = class_activation_maps<float>(network, context, images.view(), options);
  REQUIRE(top.size() == 3);
  for (Index n = 0; n < 3; ++n) {
    const auto at = static_cast<std::size_t>(n);
    const float* row = logits.data() + n * 10;
    CHECK(top[at].class_index == std::max_element(row, row + 10) - row);
    CHECK(top[at].score == row[top[at].class_index]);
    CHECK(top[at].layer == "conv2");
    CHECK(chosen[at].class_index == options.classes[at]);
    CHECK(chosen[at].score == row[options.classes[at]]);
    CHECK(chosen[at].weights.shape() == Shape{50});
    ClassActivationMapOptions one;
    one.classes = {options.classes[at]};
    const auto alone = class_activation_maps<float>(network, context, images.view().slice(n, 1), one);
    CHECK(!(relative_error(chosen[at].map, alone[0].map) > 1e-5));
    const auto large = chosen[at].resized(28, 28);
    CHECK(large.shape() == Shape{28, 28});
    CHECK(*std::max_element(large.begin(), large.end()) <=
          *std::max_element(chosen[at].map.begin(), chosen[at].map.end()));
    CHECK(*std::min_element(large.begin(), large.end()) >= 0);
  }
}

TEST_CASE("classes and layers that do not exist are refused with their range") {
  const auto network = random_network("lenet");
  const Context<Cpu> context(1);
  const auto images = random_images({3, 1, 28, 28}, 3);
  const auto attempt = [&](std::string layer, std::vector<Index> classes) -> std::string {
    ClassActivationMapOptions options;
    options.layer = std::move(layer);
    options.classes = std::move(classes);
    try {
      class_activation_maps<float>(network, context, images.view(), options);
    } catch (const ArgumentError& error) {
      return error.what();
    }
    return "";
  };
  CHECK(attempt("", {10}).find("0 to 9") != std::string::npos);
  CHECK(attempt("", {-1}).find("class -1") != std::string::npos);
  CHECK(attempt("", {1, 2}).find("3 images") != std::string::npos);
  CHECK(attempt("ip1", {1}).find("\"ip1\"") != std::string::npos);
  CHECK(attempt("conv3", {1}).find("\"conv2\"") != std::string::npos);
  CHECK(attempt("prob", {1}) != "");
  CHECK(attempt("pool1", {1}).empty());
  const auto thin = network.forward(context, images, ForwardOptions::outputs_only());
  CHECK_THROWS_AS(class_activation_maps<float>(network, context, thin), ArgumentError);
}
