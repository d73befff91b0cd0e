#include "deconv/analysis/deletion_insertion.hpp"

#include <cmath>
#include <vector>

#include "deconv/nn/models/by_name.hpp"
#include "nn/small_networks.hpp"
#include "support/catch.hpp"
#include "support/each_device.hpp"

using namespace deconv;

namespace {

constexpr Index side = 12;

/// Class 0 is the amount of light in a patch at 3,4 of 4 x 4 pixels, class 1 a constant.
Model planted_detector() {
  GraphBuilder net("x", {1, 2, side, side});
  net.add("fc", node::Linear{2});
  net.add("prob", node::Softmax{});
  Model model{"planted", std::move(net).finish(), {}};
  initialise(model, Initialisation::he, 1);
  for (auto& [name, values] : model.weights) std::fill(values.begin(), values.end(), 0.0f);
  for (Index c = 0; c < 2; ++c)
    for (Index y = 3; y < 7; ++y)
      for (Index x = 4; x < 8; ++x) model.weights.at("fc.weight").data()[(c * side + y) * side + x] = 0.25f;
  model.weights.at("fc.bias").data()[1] = 4;
  return model;
}

template <class T>
Tensor<T, Cpu> light() {
  return Tensor<T, Cpu>::filled({1, 2, side, side}, T(1));
}

}  // namespace

TEST_CASE("on a planted detector the right order has the least deletion and the most insertion area") {
  const Network<double, Cpu> network(planted_detector());
  const Context<Cpu> context(1);
  const auto image = light<double>();
  AttributionOptions options;
  options.target.maps = {0};
  const auto found =
      attribute<double>(network, context, image.view(), AttributionMethod::gradient_x_input, options);
  Tensor<double, Cpu> random({1, side, side});
  fill_uniform<double>(random, Random(3), 0, 1);
  PerturbationOptions how;
  how.steps = 36;
  how.batch = 7;
  Index told = 0;
  how.progress = [&](Index done, Index total) {
    CHECK(total == 37);
    CHECK(done > told);
    told = done;
  };
  const auto deletion =
      deletion_curve<double>(network, context, image.view(), 0, found[0].values.view(), how);
  CHECK(told == 37);
  told = 0;
  const auto insertion =
      insertion_curve<double>(network, context, image.view(), 0, found[0].values.view(), how);
  told = 0;
  const auto random_deletion = deletion_curve<double>(network, context, image.view(), 0, random.view(), how);
  told = 0;
  const auto random_insertion =
      insertion_curve<double>(network, context, image.view(), 0, random.view(), how);
  REQUIRE(deletion.shares.size() == 37);
  CHECK(deletion.shares.front() == 0);
  CHECK(deletion.shares.back() == 1);
  // Whole patch: score 8 against 4; the patch of 16 of 144 pixels is gone after four of 36 steps.
  const double whole = 1 / (1 + std::exp(-4.0)), none = 1 / (1 + std::exp(4.0));
  for (std::size_t i = 0; i <= 36; ++i) {
    const double left = i < 4 ? 8 - 2 * static_cast<double>(i) : 0;
    CHECK(!(std::abs(deletion.probabilities[i] - 1 / (1 + std::exp(4 - left))) > 1e-6));
    CHECK(!(std::abs(insertion.probabilities[i] - 1 / (1 + std::exp(left - 4))) > 1e-6));
    if (i == 0) continue;
    CHECK(deletion.probabilities[i] <= deletion.probabilities[i - 1]);
    CHECK(random_deletion.probabilities[i] <= random_deletion.probabilities[i - 1]);
    CHECK(random_insertion.probabilities[i] >= random_insertion.probabilities[i - 1]);
  }
  CHECK(!(std::abs(random_deletion.probabilities.front() - whole) > 1e-6));
  CHECK(!(std::abs(random_insertion.probabilities.front() - none) > 1e-6));
  CHECK(deletion.area < 0.15);
  CHECK(insertion.area > 0.85);
  CHECK(random_deletion.area > deletion.area + 0.2);
  CHECK(random_insertion.area < insertion.area - 0.2);
}

TEST_CASE("pixels are ranked by the sum over the channels, or by size, equals in raster order") {
  const auto values =
      Tensor<float, Cpu>::from({2, 1, 4}, std::vector<float>{1, -5, 2, std::nanf(""), 1, 1, 0, 9});
  CHECK(ranked_pixels<float>(values, PixelRanking::sum) == std::vector<Index>{0, 2, 1, 3});
  CHECK(ranked_pixels<float>(values, PixelRanking::magnitude) == std::vector<Index>{1, 0, 2, 3});
  CHECK(pixel_ranking_of(AttributionMethod::integrated_gradients) == PixelRanking::sum);
  CHECK(pixel_ranking_of(AttributionMethod::saliency) == PixelRanking::magnitude);
}

TEST_CASE("a blur keeps constants, spreads a point evenly and by its own deviation") {
  const auto flat = Tensor<double, Cpu>::filled({2, 9, 7}, 3.0);
  for (const double value : blurred_planes<double>(flat, 2.5)) CHECK(!(std::abs(value - 3) > 1e-12));
  auto point = Tensor<double, Cpu>::filled({1, 41, 41}, 0.0);
  point.data()[20 * 41 + 20] = 1;
  const auto spread = blurred_planes<double>(point, 2);
  double sum = 0, variance = 0;
  for (Index y = 0; y < 41; ++y)
    for (Index x = 0; x < 41; ++x) {
      const double value = spread.data()[y * 41 + x];
      CHECK(!(std::abs(value - spread.data()[x * 41 + y]) > 1e-15));
      sum += value;
      variance += value * static_cast<double>((y - 20) * (y - 20));
    }
  CHECK(!(std::abs(sum - 1) > 1e-12));
  CHECK(!(std::abs(variance - 4) > 0.15));  // cut at three deviations
  CHECK_THROWS_AS(blurred_planes<double>(flat, 0), ArgumentError);
}

TEST_CASE("insertion from a blurred image begins there, every device alike") {
  const auto image = [] {
    auto all = Tensor<float, Cpu>::filled({1, 2, side, side}, 0.0f);
    for (Index c = 0; c < 2; ++c)
      for (Index y = 3; y < 7; ++y)
        for (Index x = 4; x < 8; ++x) all(0, c, y, x) = 1;
    return all;
  }();
  PerturbationOptions how;
  how.steps = 5;
  how.blur = 1.5;
  std::vector<PerturbationCurve> all;
  test::each_device([&](const auto& context) {
    using D = test::DeviceOf<decltype(context)>;
    const Network<float, D> network(context, planted_detector());
    all.push_back(insertion_curve<float, D>(network, context, image.view(), 0,
                                            image.view().reshaped({2, side, side}), how));
  });
  REQUIRE(all.size() >= 2);
  const auto blurred = blurred_planes<float>(image, 1.5);
  double light = 0;
  for (Index c = 0; c < 2; ++c)
    for (Index y = 3; y < 7; ++y)
      for (Index x = 4; x < 8; ++x) light += 0.25 * static_cast<double>(blurred(0, c, y, x));
  for (const auto& one : all) {
    CHECK(!(std::abs(one.probabilities.front() - 1 / (1 + std::exp(4 - light))) > 1e-5));
    CHECK(!(std::abs(one.probabilities.back() - 1 / (1 + std::exp(-4.0))) > 1e-5));
    CHECK(!(std::abs(one.area - all[0].area) > 1e-5));
  }
}

TEST_CASE("curves that cannot be are refused") {
  const Network<float, Cpu> network(planted_detector());
  const auto image = light<float>();
  const auto values = Tensor<float, Cpu>::filled({1, side, side}, 1.0f),
             small = Tensor<float, Cpu>::filled({1, side, side - 1}, 1.0f);
  const auto attempt = [&](Index class_index, const Tensor<float, Cpu>& order, const auto& change) {
    PerturbationOptions how;
    change(how);
    static_cast<void>(
        deletion_curve<float>(network, Context<Cpu>(1), image.view(), class_index, order.view(), how));
  };
  CHECK_THROWS_AS(attempt(2, values, [](auto&) {}), ArgumentError);
  CHECK_THROWS_AS(attempt(0, small, [](auto&) {}), ShapeError);
  CHECK_THROWS_AS(attempt(0, values, [](auto& o) { o.steps = 0; }), ArgumentError);
  CHECK_THROWS_AS(attempt(0, values, [](auto& o) { o.steps = side * side + 1; }), ArgumentError);
  CHECK_THROWS_AS(attempt(0, values, [](auto& o) { o.batch = 0; }), ArgumentError);
  CHECK_THROWS_AS(attempt(0, values, [](auto& o) { o.blur = 1, o.baseline = {1}; }), ArgumentError);
  CHECK_THROWS_AS(attempt(0, values, [](auto& o) { o.baseline = {1, 2, 3}; }), ArgumentError);
}
