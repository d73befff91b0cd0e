// Real trained networks over real photographs: as many right as their publishers and an independent
// implementation found, give or take 1 % of the set, since picture decoders differ in the last bit.

#include <algorithm>
#include <cstdlib>
#include <string>

#include "deconv/io/loader.hpp"
#include "deconv/io/onnx.hpp"
#include "deconv/io/open_dataset.hpp"
#include "deconv/nn/network.hpp"
#include "support/catch.hpp"
#include "support/test_data.hpp"

namespace {

using namespace deconv;

struct Right {
  Index images = 0, first = 0, among_five = 0;
};

/// Counts the images whose class is the first, or among the first five, of the network's last output.
Right classify(const Network<float, Cpu>& network, const io::Dataset& set, const io::Preprocess& preprocess) {
  const Context<Cpu> context;
  const std::string output = network.graph().outputs.front();
  io::BatchLoader loader(set, preprocess, {.batch = 10, .workers = 2});
  Right right;
  while (const auto batch = loader.next()) {
    const auto trace = network.forward(context, batch->images, ForwardOptions::outputs_only());
    const auto scores = trace.activation(context, output);
    const Index count = batch->images[0], classes = scores.count() / count;
    for (Index n = 0; n < count; ++n) {
      const float* row = scores.data() + n * classes;
      const Index label = batch->labels[static_cast<std::size_t>(n)];
      REQUIRE(label >= 0);
      REQUIRE(label < classes);
      const float own = row[label];
      const Index before =
          std::count_if(row, row + classes, [&](float other) { return !(other <= own); });  // NaN counts
      ++right.images;
      right.first += before == 0;
      right.among_five += before < 5;
    }
  }
  return right;
}

/// Whether a count is the expected one within 1 % of the set.
bool near(Index met, Index expected, Index images) { return std::abs(met - expected) * 100 <= images; }

}  // namespace

TEST_CASE("SqueezeNet 1.1 on ImageNet photographs: 450 and 588 of 650") {
  DECONV_TEST_DATA_OR_SKIP(model, "models/squeezenet1.1.onnx");
  DECONV_TEST_DATA_OR_SKIP(list, "images/imagenet_val/labels.txt");
  const auto set = io::open_dataset(list.string());
  const Network<float, Cpu> network(io::read_onnx(model));
  const auto preprocess = io::built_in_preprocess("imagenet-torch")->without_resize(224, 224);
  const Right right = classify(network, *set, preprocess);
  INFO(right.first << " and " << right.among_five << " of " << right.images);
  REQUIRE(right.images == 650);
  CHECK(near(right.first, 450, 650));
  CHECK(near(right.among_five, 588, 650));
}

TEST_CASE("SqueezeNet 1.0 on ImageNet photographs: 468 and 588 of 650") {
  DECONV_TEST_DATA_OR_SKIP(model, "models/squeezenet1.0.onnx");
  DECONV_TEST_DATA_OR_SKIP(list, "images/imagenet_val/labels.txt");
  const auto set = io::open_dataset(list.string());
  const Network<float, Cpu> network(io::read_onnx(model));
  const auto preprocess = io::built_in_preprocess("imagenet-caffe")->without_resize(227, 227);
  const Right right = classify(network, *set, preprocess);
  INFO(right.first << " and " << right.among_five << " of " << right.images);
  REQUIRE(right.images == 650);
  CHECK(near(right.first, 468, 650));
  CHECK(near(right.among_five, 588, 650));
}

TEST_CASE("Tiny VGG on ten classes of Tiny ImageNet: 344 of 500") {
  DECONV_TEST_DATA_OR_SKIP(model, "models/tinyvgg.onnx");
  DECONV_TEST_DATA_OR_SKIP(folder, "tiny_imagenet_10/val");
  DECONV_TEST_DATA_OR_SKIP(classes, "tiny_imagenet_10/classes.txt");
  const auto set = io::open_dataset(folder.string(), classes);
  const Network<float, Cpu> network(io::read_onnx(model));
  const Right right = classify(network, *set, io::built_in_preprocess("unit")->for_input(64, 64));
  INFO(right.first << " of " << right.images);
  REQUIRE(right.images == 500);
  CHECK(near(right.first, 344, 500));
}
