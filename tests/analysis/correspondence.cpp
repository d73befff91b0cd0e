#include "deconv/analysis/correspondence.hpp"

#include <cmath>
#include <string>
#include <vector>

#include "analysis/golden.hpp"
#include "deconv/io/landmarks.hpp"
#include "nn/small_networks.hpp"
#include "support/catch.hpp"
#include "support/cuda_context.hpp"

using namespace deconv;
using test::random_tensor;

namespace {

using Signs = std::vector<std::int8_t>;

/// Noise with a bright plus at another place in each of five images.
constexpr Index images_count = 5, side = 24;
constexpr Index places[images_count][2] = {{4, 5}, {16, 12}, {9, 17}, {12, 4}, {18, 18}};

Tensor<float, Cpu> images_with_plus() {
  auto images = random_tensor<float>({images_count, 1, side, side}, 11);
  for (float& value : images) value *= 0.2f;
  for (Index n = 0; n < images_count; ++n)
    for (Index d = -2; d <= 2; ++d) {
      images(n, 0, places[n][0] + d, places[n][1]) += 1;
      images(n, 0, places[n][0], places[n][1] + (d == 0 ? 1 : d)) += 1;
    }
  return images;
}

/// A detector of the plus, which noise does not reach, beside filters of noise, whose answers have any sign;
/// features are random mixtures of what each found.
Model plus_detector() {
  GraphBuilder net("x", {1, 1, side, side});
  const std::string detector = net.add("detector", node::Conv2d{1, {Window2d::square(5, 1, 2)}}, {"x"});
  const std::string rectified = net.add("relu", node::Relu{}, {detector});
  const std::string noise = net.add("noise", node::Conv2d{5, {Window2d::square(5, 1, 2)}, false}, {"x"});
  net.add("conv", node::Concat{}, {rectified, noise});
  net.add("found", node::GlobalAveragePool{});
  net.add("mixed", node::Linear{64, false});
  net.add("fc", node::Linear{3});
  Model model = test::with_random_weights("plus", std::move(net).finish());
  auto& filter = model.weights.at("detector.weight");
  for (Index y = 0; y < 5; ++y)
    for (Index x = 0; x < 5; ++x) filter(0, 0, y, x) = y == 2 || x == 2 ? 1.0f : -0.5f;
  model.weights.at("detector.bias").data()[0] = -5;
  auto& mixed = model.weights.at("mixed.weight");
  for (Index k = 0; k < 64; ++k) mixed.data()[k * 6] *= 50;
  return model;
}

std::vector<MaskedPart> parts_with_plus() {
  MaskedPart plus{"plus", {}}, above{"elsewhere", {}};
  for (const auto& place : places) {
    plus.boxes.push_back(square_about(static_cast<double>(place[0]), static_cast<double>(place[1]), 5));
    above.boxes.push_back(
        square_about(static_cast<double>((place[0] + 12) % side), static_cast<double>(place[1]), 5));
  }
  return {plus, above};
}

}  // namespace

TEST_CASE("signs and their distances are counted as zeros are said to count") {
  const std::vector<float> whole{1, 2, 3, 0, 5, NAN}, masked{0, 3, 3, 0, 6, 1};
  CHECK(signs_of(std::span<const float>(whole), std::span<const float>(masked)) == Signs{1, -1, 0, 0, -1, 0});
  const Signs a{1, -1, 0, 0}, b{1, 1, 0, -1};
  CHECK(sign_distance(a, b, ZeroSign::own) == 0.5);
  CHECK(sign_distance(a, b, ZeroSign::positive) == 0.5);
  CHECK(sign_distance(a, b, ZeroSign::left_out) == 2.0 / 3);
  const Signs c{0, 1, 0, 1}, d{1, 1, 1, 1};
  CHECK(sign_distance(c, d, ZeroSign::own) == 0.5);
  CHECK(sign_distance(c, d, ZeroSign::positive) == 0);
  CHECK(sign_distance(Signs{0, 0}, Signs{0, 0}, ZeroSign::left_out) == 0);
  CHECK_THROWS_AS(sign_distance(a, Signs{1}, ZeroSign::own), ShapeError);
  const auto score = score_of(pair_distances(std::vector<Signs>{a, b, c}, ZeroSign::own));
  CHECK(score.pairs == 3);
  CHECK(score.mean == Approx((0.5 + 0.75 + 0.5) / 3));
  CHECK(score.deviation == Approx(std::sqrt(0.0625 / 3)));  // of n - 1
  CHECK_THROWS_AS(score_of({}), ArgumentError);
}

TEST_CASE("masks are squares about a place") {
  CHECK(square_about(10, 20, 5) == PlaneBox{8, 18, 13, 23});
  CHECK(square_about(9.5, 20.5, 4) == PlaneBox{8, 19, 12, 23});
  CHECK(square_about(0, 0, 3) == PlaneBox{-1, -1, 2, 2});
}

TEST_CASE("correspondence is lowest on a planted detector") {
  const Network<float, Cpu> network(plus_detector());
  const auto images = images_with_plus();
  CorrespondenceOptions options;
  options.layers = {"mixed"};
  options.random_size = 5;
  Index calls = 0;
  options.progress = [&](Index done, Index total) { calls += done == calls + 1 && total == 13; };
  for (const auto zero : {ZeroSign::left_out, ZeroSign::own, ZeroSign::positive}) {
    options.zero = zero;
    calls = 0;
    const auto result =
        correspondence<float>(network, Context<Cpu>(), images.view(), parts_with_plus(), options);
    CHECK(calls == 13);
    REQUIRE(result.parts.size() == 2);
    REQUIRE(result.random);
    CHECK(result.random_sets.size() == 10);
    CHECK(result.parts[0].layers[0].pairs == 10);
    CHECK(result.random->layers[0].pairs == 100);
    CHECK(result.parts[0].layers[0].mean < 0.1);
    CHECK(result.parts[1].layers[0].mean > 0.2);
    CHECK(result.random->layers[0].mean > 0.2);
    for (const auto& set : result.random_sets) CHECK(result.parts[0].layers[0].mean < set.layers[0].mean);
  }
}

TEST_CASE("what a mask does not reach has no sign, and the random control follows its seed") {
  const Network<float, Cpu> network(plus_detector());
  const auto images = images_with_plus();
  CorrespondenceOptions options;
  options.layers = {"conv"};
  options.zero = ZeroSign::own;
  options.random_size = 5;
  options.random_trials = 10;
  const Context<Cpu> context;
  const auto one = correspondence<float>(network, context, images.view(), parts_with_plus(), options);
  // A 5 x 5 mask reaches 9 x 9 positions of 24 x 24: of a pair two masks, and nothing else differs.
  CHECK(one.parts[0].layers[0].mean <= 2.0 * 81 / 576);
  CHECK(one.parts[0].layers[0].mean > 0.1);
  options.batch = 2;
  const auto again = correspondence<float>(network, context, images.view(), parts_with_plus(), options);
  CHECK(again.random->layers[0].mean == Approx(one.random->layers[0].mean).epsilon(1e-3));
  options.seed = 2;
  const auto other = correspondence<float>(network, context, images.view(), parts_with_plus(), options);
  CHECK(other.random->layers[0].mean != again.random->layers[0].mean);
  CHECK(other.parts[0].layers[0].mean == again.parts[0].layers[0].mean);
  options.random_together = true;
  const auto together = correspondence<float>(network, context, images.view(), {}, options);
  CHECK(together.parts.empty());
  CHECK(together.random->layers[0].mean <= 81.0 / 576);

  options.random_size = side + 1;
  CHECK_THROWS_AS(correspondence<float>(network, context, images.view(), {}, options), ArgumentError);
  options.random_trials = 0;
  CHECK_FALSE(correspondence<float>(network, context, images.view(), parts_with_plus(), options).random);
  auto parts = parts_with_plus();
  parts[1].boxes.pop_back();
  CHECK_THROWS_AS(correspondence<float>(network, context, images.view(), parts, options), ArgumentError);
  parts[1].boxes.push_back({-9, 0, -4, 5});
  CHECK_THROWS_AS(correspondence<float>(network, context, images.view(), parts, options), ArgumentError);
  CHECK_THROWS_AS(correspondence<float>(network, context, images.view().slice(0, 1), {}, options),
                  ShapeError);
}

TEST_CASE("eyes and noses of dogs, eyes and mouths of cats correspond more than random parts do") {
  const auto* golden = test::Golden::get();
  if (golden == nullptr) return;
  DECONV_TEST_DATA_OR_SKIP(faces, "faces");
  const auto& network = golden->network(test::golden_images().front());
  const auto preprocess = *io::built_in_preprocess("imagenet-torch");
  for (const std::string kind : {"dogs", "cats"}) {
    const auto table = io::read_landmarks(faces / kind / "landmarks.csv");
    std::vector<Tensor<float, Cpu>> inputs;
    std::vector<MaskedPart> parts;
    for (const std::string& name : table.names) parts.push_back({name, {}});
    for (const auto& one : table.pictures) {
      const auto picture = io::read_image(one.file);
      std::vector<PlaneBox> boxes;
      for (const auto& point : one.points) {
        const auto at = io::point_in_input(preprocess, picture.width(), picture.height(), point);
        if (at.x >= 0 && at.y >= 0 && at.x < 224 && at.y < 224) boxes.push_back(square_about(at.y, at.x, 48));
      }
      if (boxes.size() < one.points.size()) continue;
      inputs.push_back(preprocess.apply(picture));
      for (std::size_t p = 0; p < parts.size(); ++p) parts[p].boxes.push_back(boxes[p]);
    }
    Tensor<float, Cpu> batch({static_cast<Index>(inputs.size()), 3, 224, 224});
    float* out = batch.data();
    for (const auto& input : inputs) out = std::copy(input.begin(), input.end(), out);
    CorrespondenceOptions options;
    options.layers = {"fire5/concat", "fire9/concat", "logits"};
    options.random_size = 48;
    options.random_trials = 10;
    const auto result = correspondence<float>(network, Context<Cpu>(), batch.view(), parts, options);
    for (const auto& part : result.parts)
      for (std::size_t l = 0; l < 3; ++l) {
        INFO(kind << " " << part.name << " at " << result.layers[l] << ": " << part.layers[l].mean
                  << ", random " << result.random->layers[l].mean);
        CHECK(part.layers[l].mean < result.random->layers[l].mean);
      }
  }
}

#if defined(DECONV_TEST_CUDA)
TEST_CASE("correspondence on the Cuda device is that of the host") {
  if (!test::cuda_context()) return;
  const Context<Cuda>& gpu = *test::cuda_context();
  const Network<float, Cuda> there(gpu, plus_detector());
  const Network<float, Cpu> here(plus_detector());
  const auto images = images_with_plus();
  CorrespondenceOptions options;
  options.layers = {"mixed"};
  options.random_size = 5;
  options.random_trials = 1;
  const auto met = correspondence<float>(there, gpu, images.view(), parts_with_plus(), options);
  const auto wanted = correspondence<float>(here, Context<Cpu>(), images.view(), parts_with_plus(), options);
  // A sign may turn where a difference is next to zero.
  CHECK(!(std::abs(met.parts[0].layers[0].mean - wanted.parts[0].layers[0].mean) > 0.02));
  CHECK(!(std::abs(met.random->layers[0].mean - wanted.random->layers[0].mean) > 0.02));
}
#endif
