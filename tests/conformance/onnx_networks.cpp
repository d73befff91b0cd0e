// Whole networks from ONNX files: the light graphs of the ONNX project and real trained ones.

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <set>
#include <string>

#include "deconv/core/context.hpp"
#include "deconv/core/random.hpp"
#include "deconv/io/npy.hpp"
#include "deconv/io/onnx.hpp"
#include "deconv/nn/network.hpp"
#include "support/catch.hpp"
#include "support/test_data.hpp"

namespace {

using namespace deconv;

double largest_relative_difference(const Tensor<float, Cpu>& met, const Tensor<float, Cpu>& expected) {
  REQUIRE(met.shape() == expected.shape());
  double scale = 0, worst = 0;
  for (const float value : expected) scale = std::max(scale, static_cast<double>(std::abs(value)));
  REQUIRE(scale > 0);
  for (Index i = 0; i < met.count(); ++i) {
    const double difference = std::abs(static_cast<double>(met.data()[i]) - expected.data()[i]) / scale;
    if (!(difference <= worst)) worst = difference;  // NaN stays
  }
  return worst;
}

}  // namespace

TEST_CASE("the light graphs give 0.001 for every class") {
  DECONV_TEST_DATA_OR_SKIP(root, "onnx_vectors/light");
  const Context<Cpu> context;
  for (const char* name : {"bvlc_alexnet", "inception_v1", "squeezenet", "vgg19", "zfnet512"}) {
    const std::string stem = std::string("light_") + name;
    INFO(stem);
    const Network<float, Cpu> network(io::read_onnx(root / (stem + ".onnx")));
    REQUIRE(network.graph().inputs.size() == 1);
    CHECK(network.graph().inputs[0].shape == Shape{1, 3, 224, 224});
    const auto src = Tensor<float, Cpu>::filled(network.graph().inputs[0].shape, 0.5f);
    const auto trace = network.forward(context, src, ForwardOptions::outputs_only());
    const auto expected = io::read_onnx_tensor(root / (stem + "_output_0.pb"));
    const auto met = trace.activation(network.graph().outputs.at(0));
    REQUIRE(met.shape() == expected.shape());
    REQUIRE(met.count() == 1000);
    for (Index i = 0; i < met.count(); ++i) {
      const double wanted = expected.floats().data()[i];
      CHECK(std::abs(wanted - 0.001) <= 1e-9);
      if (!(std::abs(met.data()[i] - wanted) <= 1e-5 * wanted)) {
        FAIL_CHECK(stem << "[" << i << "]: " << met.data()[i] << ", not " << wanted);
        break;
      }
    }
  }
}

TEST_CASE("SqueezeNet 1.1 reproduces its reference logits") {
  DECONV_TEST_DATA_OR_SKIP(path, "models/squeezenet1.1.onnx");
  DECONV_TEST_DATA_OR_SKIP(reference, "models/squeezenet1.1_reference");
  const Context<Cpu> context;
  const Network<float, Cpu> network(io::read_onnx(path));
  for (int i = 0; i < 3; ++i) {
    const std::string number = std::to_string(i) + ".npy";
    const auto src = io::read_npy<float>(reference / ("input_" + number));
    const auto expected = io::read_npy<float>(reference / ("logits_" + number));
    const auto trace = network.forward(context, src);
    const double worst = largest_relative_difference(trace.activation("logits"), expected);
    INFO("input " << i << ": " << worst);
    CHECK(worst <= 2e-4);
    // The last tensor must be a distribution over the classes.
    const auto prob = trace.activation("prob");
    double sum = 0;
    for (const float value : prob) sum += value;
    CHECK(std::abs(sum - 1) <= 1e-5);
  }
}

TEST_CASE("the layers of the trained networks are known by the names that their users know") {
  DECONV_TEST_DATA_OR_SKIP(folder, "models");
  const Model squeezenet = io::read_onnx(folder / "squeezenet1.1.onnx");
  const Topology topology(squeezenet.graph);
  const auto shapes = infer_shapes(squeezenet.graph);
  const auto shape_of = [&](const std::string& name) {
    return shapes.at(topology.name(topology.find(name)));
  };
  CHECK(shape_of("conv1") == Shape{1, 64, 111, 111});
  CHECK(shape_of("relu1") == Shape{1, 64, 111, 111});
  CHECK(shape_of("pool1") == Shape{1, 64, 55, 55});
  CHECK(shape_of("fire2/concat") == Shape{1, 128, 55, 55});
  CHECK(shape_of("fire3/concat") == Shape{1, 128, 55, 55});
  CHECK(shape_of("pool3") == Shape{1, 128, 27, 27});
  CHECK(shape_of("pool5") == Shape{1, 256, 13, 13});
  for (int fire = 2; fire <= 9; ++fire) CHECK_NOTHROW(topology.find(message("fire", fire, "/concat")));
  CHECK(shape_of("fire9/concat") == Shape{1, 512, 13, 13});
  CHECK(shape_of("conv10") == Shape{1, 1000, 13, 13});
  CHECK(shape_of("relu10") == Shape{1, 1000, 13, 13});
  CHECK(shape_of("logits") == Shape{1, 1000});
  CHECK(shape_of("prob") == Shape{1, 1000});
  // Any number of images.
  CHECK(infer_shapes(squeezenet.graph, 7).at("prob") == Shape{7, 1000});
  CHECK(parameter_count(squeezenet) == 1235496);
}

TEST_CASE("SqueezeNet 1.0 and Tiny VGG run") {
  DECONV_TEST_DATA_OR_SKIP(folder, "models");
  const Context<Cpu> context;
  for (const char* name : {"squeezenet1.0.onnx", "tinyvgg.onnx"}) {
    INFO(name);
    const Network<float, Cpu> network(io::read_onnx(folder / name));
    const Shape shape = network.graph().inputs.at(0).shape.with(0, 2);
    Tensor<float, Cpu> src(shape);
    fill_uniform(src.view(), Random(7), 0.0f, 1.0f);
    const auto prob = network.forward(context, src, ForwardOptions::outputs_only()).activation("prob");
    REQUIRE(prob.shape().rank() == 2);
    REQUIRE(prob[0] == 2);
    for (Index image = 0; image < 2; ++image) {
      double sum = 0;
      std::set<float> values;
      for (Index i = 0; i < prob[1]; ++i) {
        sum += prob.data()[image * prob[1] + i];
        values.insert(prob.data()[image * prob[1] + i]);
      }
      CHECK(std::abs(sum - 1) <= 1e-5);
      CHECK(values.size() > 5);
    }
  }
}
