// Occlusion of real networks and photographs: the expected values of the test data, and brute force on every
// network of it.
#include <string>
#include <vector>

#include "analysis/golden.hpp"
#include "analysis/occlusion.hpp"
#include "deconv/io/caffe.hpp"
#include "deconv/nn/models/alexnet.hpp"
#include "deconv/nn/models/vgg.hpp"
#include "deconv/nn/models/zfnet.hpp"

using namespace deconv;
using test::check_against_brute_force;
using test::noise_image;

namespace {

OcclusionOptions patch(Index size, Index stride) {
  OcclusionOptions options;
  options.height = options.width = size;
  options.stride_y = options.stride_x = stride;
  return options;
}

}  // namespace

TEST_CASE("occlusion gives the expected values' maps") {
  const test::Golden* golden = test::Golden::get();
  if (golden == nullptr) return;
  for (const auto& image : test::golden_images()) {
    INFO(image.name);
    const std::string stem = image.file_prefix + (image.squeezenet ? "_occlusion32s16_" : "_occlusion12s4_");
    const auto result =
        occlude<float, Cpu>(golden->network(image), Context<Cpu>(2), golden->input(image).view(),
                            image.squeezenet ? patch(32, 16) : patch(12, 4));
    for (const auto& [what, met] :
         {std::pair{"prob", &result.probability}, std::pair{"logit", &result.score}}) {
      if (!golden->has(stem + what + ".npy")) continue;
      const auto expected = golden->array(stem + what + ".npy");
      REQUIRE(expected.shape() == Shape{met->shape()[1], met->shape()[2]});
      const auto plane = Tensor<float, Cpu>::from(met->shape(), expected.span());
      // Probabilities count as they are, scores relative to the largest.
      CHECK_FALSE(!(test::largest_difference(*met, plane) <= 1e-4));
    }
  }
}

TEST_CASE("occlusion by windows is brute force on the networks of the test data") {
  const test::Golden* golden = test::Golden::get();
  if (golden == nullptr) return;
  SECTION("SqueezeNet 1.1, last layer") {
    const auto& image = test::golden_images()[0];
    check_against_brute_force(golden->network(image), golden->input(image), patch(40, 90));
  }
  SECTION("SqueezeNet 1.1, a middle layer's maps and several classes") {
    const auto& image = test::golden_images()[1];
    auto options = patch(24, 100);
    options.layer = "fire4/concat";
    options.maps = {3, 255, 17};
    options.classes = {967, 0, 504};
    check_against_brute_force(golden->network(image), golden->input(image), options);
  }
  SECTION("Tiny VGG") {
    const auto& image = test::golden_images()[2];
    check_against_brute_force(golden->network(image), golden->input(image), patch(7, 9));
  }
  SECTION("SqueezeNet 1.0: pools that round up, a padded last layer") {
    DECONV_TEST_DATA_OR_SKIP(file, "models/squeezenet1.0.onnx");
    const Network<float, Cpu> network(io::read_onnx(file));
    check_against_brute_force(network, noise_image({1, 3, 227, 227}, 60), patch(50, 88));
  }
}

TEST_CASE("occlusion by windows is brute force on Caffe's networks") {
  const auto check = [](const std::string& prototxt, const std::string& weights, Index size, Index stride,
                        float deviation) {
    DECONV_TEST_DATA_OR_SKIP(folder, "models/caffe");
    const Network<float, Cpu> network(io::read_caffe(folder / prototxt, folder / weights));
    const Shape shape = network.graph().inputs[0].shape.with(0, 1);
    check_against_brute_force(network, noise_image(shape, deviation), patch(size, stride));
  };
  check("lenet.prototxt", "lenet_iter_10000.caffemodel", 5, 6, 0.4f);
  check("cifar10_quick.prototxt", "cifar10_quick_iter_5000.caffemodel", 6, 7, 60);
  check("cifar10_full.prototxt", "cifar10_full_iter_70000.caffemodel", 6, 7, 60);
}

TEST_CASE("occlusion by windows is brute force on the paper's networks") {
  models::Options ten;
  ten.classes = 10;
  ten.initialisation = Initialisation::he;
  SECTION("ZFNet") {
    const Network<float, Cpu> network(models::zfnet(ten));
    check_against_brute_force(network, noise_image({1, 3, 224, 224}), patch(48, 170));
  }
  SECTION("AlexNet") {
    const Network<float, Cpu> network(models::alexnet(ten));
    const Shape shape = network.graph().inputs[0].shape.with(0, 1);
    check_against_brute_force(network, noise_image(shape), patch(30, 190));
  }
  SECTION("VGG16's convolutions") {
    ten.with_weights = false;
    Model model = models::vgg16(ten);
    auto& nodes = model.graph.nodes;
    while (nodes.back().name != "pool5") nodes.pop_back();
    nodes.push_back({"mean", node::GlobalAveragePool{}, {"pool5"}, {"mean"}});
    nodes.push_back({"fc", node::Linear{10}, {"mean"}, {"fc"}});
    model.graph.outputs = {"fc"};
    model.graph.aliases.clear();
    initialise(model, Initialisation::he, 1);
    const Network<float, Cpu> network(std::move(model));
    auto options = patch(20, 1000);
    check_against_brute_force(network, noise_image({1, 3, 224, 224}), options);
  }
}
