#include "deconv/analysis/attribution.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <vector>

#include "analysis/golden.hpp"
#include "deconv/nn/models/by_name.hpp"
#include "nn/small_networks.hpp"
#include "support/captum_network.hpp"
#include "support/catch.hpp"
#include "support/each_device.hpp"
#include "support/relative_error.hpp"

using namespace deconv;
using test::random_tensor;
using test::relative_error;
using enum AttributionMethod;

namespace {

AttributionOptions of_class(Index k) {
  AttributionOptions options;
  options.target.maps = {k};
  return options;
}

/// Two classes that are weighted sums of 2 x 3 x 4 pixels, and a bias.
Network<double, Cpu> linear_network(Tensor<double, Cpu>& weights) {
  GraphBuilder net("x", {1, 2, 3, 4});
  net.add("fc", node::Linear{2});
  Model model = test::with_random_weights("linear", std::move(net).finish());
  const auto& learned = model.weights.at("fc.weight");
  weights = Tensor<double, Cpu>({2, 2, 3, 4});
  std::copy(learned.begin(), learned.end(), weights.begin());
  return Network<double, Cpu>(std::move(model));
}

Network<double, Cpu> lenet() {
  return Network<double, Cpu>(
      models::model_by_name("lenet", models::Options{.classes = 10, .initialisation = Initialisation::he}));
}

}  // namespace

TEST_CASE("of a linear network every attribution is its weights, or weight times input") {
  Tensor<double, Cpu> weights;
  const auto network = linear_network(weights);
  const Context<Cpu> context(1);
  const auto images = random_tensor<double>({2, 2, 3, 4}, 3);
  AttributionOptions options = of_class(1);
  options.absolute = false;
  options.steps = 3;
  options.samples = 4;
  options.baseline = {0.25, -1};
  for (const auto method : attribution_methods) {
    if (method == guided_gradcam) continue;
    INFO(name_of(method));
    const auto all = attribute<double>(network, context, images.view(), method, options);
    REQUIRE(all.size() == 2);
    for (Index n = 0; n < 2; ++n) {
      const auto& one = all[static_cast<std::size_t>(n)];
      CHECK(one.values.shape() == Shape{2, 3, 4});
      CHECK(one.layer == "fc");
      CHECK(one.unit.map == 1);
      for (Index i = 0; i < 24; ++i) {
        const double weight = weights.data()[24 + i], x = images.data()[n * 24 + i];
        const double wanted = method == gradient_x_input       ? weight * x
                              : method == integrated_gradients ? weight * (x - (i < 12 ? 0.25 : -1))
                                                               : weight;
        CHECK(!(std::abs(one.values.data()[i] - wanted) > 1e-12));
      }
      CHECK(one.completeness_gap.has_value() == (method == integrated_gradients));
      if (one.completeness_gap) CHECK(!(std::abs(*one.completeness_gap) > 1e-12));
    }
  }
}

TEST_CASE("Gauss's points integrate polynomials of degree 2n - 1 exactly, midpoints those of degree 1") {
  for (const Index steps : {1, 2, 5, 50, 301}) {
    const auto gauss = path_points(PathRule::gauss_legendre, steps),
               middle = path_points(PathRule::midpoint, steps);
    const int most = static_cast<int>(std::min<Index>(2 * steps - 1, 40));
    for (int degree = 0; degree <= most; ++degree) {
      double by_gauss = 0, by_middle = 0;
      for (std::size_t i = 0; i < gauss.places.size(); ++i) {
        by_gauss += gauss.weights[i] * std::pow(gauss.places[i], degree);
        by_middle += middle.weights[i] * std::pow(middle.places[i], degree);
      }
      CHECK(!(std::abs(by_gauss - 1.0 / (degree + 1)) > 1e-12));
      if (degree <= 1) CHECK(!(std::abs(by_middle - 1.0 / (degree + 1)) > 1e-12));
    }
    CHECK(std::is_sorted(gauss.places.begin(), gauss.places.end()));
  }
  CHECK_THROWS_AS(path_points(PathRule::midpoint, 0), ArgumentError);
}

TEST_CASE("integrated gradients of real networks add up to the score's difference") {
  const auto* golden = test::Golden::get();
  if (golden == nullptr) return;
  const Context<Cpu> context;
  for (const auto& image : test::golden_images()) {
    if (image.name != "chelsea" && image.name != "tiny_val_A") continue;
    INFO(image.name);
    for (const auto rule : {PathRule::gauss_legendre, PathRule::midpoint}) {
      AttributionOptions options;
      options.steps = 16;
      options.rule = rule;
      const auto one = attribute<float>(golden->network(image), context, golden->input(image),
                                        integrated_gradients, options);
      const double rise =
          static_cast<double>(one[0].score) - static_cast<double>(one[0].baseline_score.value());
      const double sum = std::accumulate(one[0].values.begin(), one[0].values.end(), 0.0);
      // Kinks along the path leave an error that falls with the steps.
      CHECK(!(std::abs(one[0].completeness_gap.value()) > 0.05 * std::abs(rise)));
      CHECK(!(std::abs(sum - rise - *one[0].completeness_gap) > 1e-6 * std::abs(rise)));
    }
  }
}

TEST_CASE("attributions agree with what Captum's tests expect") {
  DECONV_TEST_DATA_OR_SKIP(path, "golden/captum_expectations.json");
  const io::Bytes text = io::read_file(path, std::uint64_t{1} << 24);
  const auto facts = io::parse_json({reinterpret_cast<const char*>(text.data()), text.size()}, "captum");
  const Network<double, Cpu> network = test::captum_one_convolution();
  int checked = 0;
  for (const auto& one : facts["cases"]) {
    const std::string method = one["method"];
    const bool product = method.starts_with("Guided Grad-CAM");
    if (!product && !method.starts_with("guided backprop") && !method.starts_with("deconvnet")) continue;
    INFO(method);
    const auto flat = [](const io::Json& rows) {
      std::vector<double> all;
      for (const auto& line : rows)
        for (const auto& value : line) all.push_back(value.get<double>());
      return all;
    };
    AttributionOptions options = of_class(0);
    options.cam_layer = product ? "relu1" : "";
    options.nearest = true;
    const auto src = Tensor<double, Cpu>::from({1, 1, 4, 4}, flat(one["input"]));
    const auto met = attribute<double>(network, Context<Cpu>(1), src.view(),
                                       product                           ? guided_gradcam
                                       : method.starts_with("deconvnet") ? AttributionMethod::deconvnet
                                                                         : guided,
                                       options);
    const auto expected = flat(one["expected"]);
    for (std::size_t i = 0; i < expected.size(); ++i)
      CHECK(!(std::abs(met[0].values.data()[i] - expected[i]) > 1e-9));
    ++checked;
  }
  CHECK(checked == 4);
}

TEST_CASE("saliency is the gradient's size, SmoothGrad without noise the gradient") {
  const auto network = lenet();
  const Context<Cpu> context;
  const auto images = random_tensor<double>({2, 1, 28, 28}, 4);
  AttributionOptions options;
  options.noise = 0;
  options.samples = 3;
  options.absolute = false;
  const auto gradient = attribute<double>(network, context, images.view(), saliency, options);
  const auto smooth = attribute<double>(network, context, images.view(), smoothgrad, options);
  options.absolute = true;
  const auto size = attribute<double>(network, context, images.view(), saliency, options);
  options.squared = true;
  const auto squares = attribute<double>(network, context, images.view(), smoothgrad, options);
  const auto products = attribute<double>(network, context, images.view(), gradient_x_input, options);
  for (std::size_t n = 0; n < 2; ++n) {
    CHECK(!(relative_error(smooth[n].values, gradient[n].values) > 1e-12));
    for (Index i = 0; i < 784; ++i) {
      const double slope = gradient[n].values.data()[i];
      CHECK(size[n].values.data()[i] == std::abs(slope));
      CHECK(!(std::abs(squares[n].values.data()[i] - slope * slope) > 1e-12));
      CHECK(products[n].values.data()[i] == slope * images.data()[static_cast<Index>(n) * 784 + i]);
    }
    // The gradient says what a small step does to the score.
    auto moved = random_tensor<double>({2, 1, 28, 28}, 4);
    double wanted = 0;
    for (Index i = 0; i < 784; ++i) {
      const double step = 1e-7 * std::cos(static_cast<double>(i));
      moved.data()[static_cast<Index>(n) * 784 + i] += step;
      wanted += step * gradient[n].values.data()[i];
    }
    AttributionOptions same = of_class(gradient[n].unit.map);
    const auto after = attribute<double>(network, context, moved.view(), saliency, same);
    CHECK(!(std::abs(after[n].score - gradient[n].score - wanted) > 1e-3 * std::abs(wanted)));
  }
}

TEST_CASE("an image's attribution is its own in any batch, of any batch size") {
  const auto network = lenet();
  const Context<Cpu> context;
  const auto images = random_tensor<double>({3, 1, 28, 28}, 5);
  AttributionOptions options;
  options.target.maps = {1, 9, 4};
  options.samples = 5;
  options.steps = 5;
  options.batch = 4;
  for (const auto method : attribution_methods) {
    INFO(name_of(method));
    const auto together = attribute<double>(network, context, images.view(), method, options);
    const auto again = attribute<double>(network, context, images.view(), method, options);
    REQUIRE(together.size() == 3);
    for (Index n = 0; n < 3; ++n) {
      const auto at = static_cast<std::size_t>(n);
      CHECK(std::equal(together[at].values.begin(), together[at].values.end(), again[at].values.begin()));
      AttributionOptions alone = options;
      alone.target.maps = {options.target.maps[at]};
      alone.batch = 2;
      const auto one = attribute<double>(network, context, images.view().slice(n, 1), method, alone);
      CHECK(one[0].unit.map == options.target.maps[at]);
      CHECK(!(std::abs(one[0].score - together[at].score) > 1e-12));
      CHECK(!(relative_error(together[at].values, one[0].values) > 1e-10));
    }
  }
  options.seed = 2;
  const auto other = attribute<double>(network, context, images.view(), smoothgrad, options);
  options.seed = 1;
  const auto first = attribute<double>(network, context, images.view(), smoothgrad, options);
  CHECK(relative_error(other[0].values, first[0].values) > 1e-3);
}

TEST_CASE("guided Grad-CAM is guided backpropagation times the map at the input's size") {
  const auto network = lenet();
  const Context<Cpu> context;
  const auto images = random_tensor<double>({2, 1, 28, 28}, 6);
  AttributionOptions options = of_class(3);
  options.cam_layer = "conv1";
  const auto product = attribute<double>(network, context, images.view(), guided_gradcam, options);
  const auto pixels = attribute<double>(network, context, images.view(), guided, options);
  ClassActivationMapOptions cam{"conv1", {3}};
  const auto maps = class_activation_maps<double>(network, context, images.view(), cam);
  for (std::size_t n = 0; n < 2; ++n) {
    const auto large = maps[n].resized(28, 28);
    for (Index i = 0; i < 784; ++i)
      CHECK(product[n].values.data()[i] == pixels[n].values.data()[i] * large.data()[i]);
    CHECK(product[n].score == pixels[n].score);
  }
}

TEST_CASE("a unit is explained as a class is: the strongest of its map, or the one named") {
  const auto network = lenet();
  const Context<Cpu> context(1);
  const auto images = random_tensor<double>({2, 1, 28, 28}, 7);
  const auto trace = network.forward(context, images);
  const auto conv = trace.activation("conv2");
  AttributionOptions options;
  options.target.layer = "conv2";
  options.target.maps = {11};
  const auto strongest = attribute<double>(network, context, images.view(), guided, options);
  options.target.at = {2, 5};
  const auto named = attribute<double>(network, context, images.view(), guided, options);
  for (Index n = 0; n < 2; ++n) {
    const auto& one = strongest[static_cast<std::size_t>(n)];
    CHECK(one.score == conv(n, 11, one.unit.y, one.unit.x));
    for (Index i = 0; i < 64; ++i) CHECK(one.score >= conv(n, 11, i / 8, i % 8));
    CHECK(named[static_cast<std::size_t>(n)].score == conv(n, 11, 2, 5));
    // Nothing beyond the unit's receptive field, 14 pixels from 4 times its place on.
    double inside = 0;
    for (Index i = 0; i < 784; ++i) {
      const Index y = i / 28 - 4, x = i % 28 - 10;
      const double value = named[static_cast<std::size_t>(n)].values.data()[i];
      if (y < 0 || y >= 14 || x < 0 || x >= 14)
        CHECK(value == 0);
      else
        inside += std::abs(value);
    }
    CHECK(inside > 0);
  }
}

TEST_CASE("every device says the same") {
  Tensor<float, Cpu> images({2, 1, 28, 28});
  fill_normal<float>(images, Random(8), 0, 1);
  AttributionOptions options = of_class(2);
  options.samples = 2;
  options.steps = 2;
  std::vector<std::vector<Attribution<float>>> all;
  test::each_device([&](const auto& context) {
    using D = test::DeviceOf<decltype(context)>;
    const Network<float, D> network(
        context,
        models::model_by_name("lenet", models::Options{.classes = 10, .initialisation = Initialisation::he}));
    const auto src = to_device(context, images.view());
    std::vector<Attribution<float>> mine;
    for (const auto method : attribution_methods)
      for (auto& one : attribute<float, D>(network, context, src.view(), method, options))
        mine.push_back(std::move(one));
    all.push_back(std::move(mine));
  });
  REQUIRE(all.size() >= 2);
  for (const auto& mine : all)
    for (std::size_t i = 0; i < mine.size(); ++i) {
      INFO(name_of(mine[i].method));
      CHECK(!(relative_error(mine[i].values, all[0][i].values) > 1e-4));
    }
}

TEST_CASE("attributions that cannot be are refused") {
  const auto network = lenet();
  const auto images = random_tensor<double>({2, 1, 28, 28}, 9);
  const auto attempt = [&](AttributionMethod method, const auto& change) {
    AttributionOptions options;
    change(options);
    static_cast<void>(attribute<double>(network, Context<Cpu>(1), images.view(), method, options));
  };
  CHECK_THROWS_AS(attempt(saliency, [](auto& o) { o.target.maps = {10}; }), ArgumentError);
  CHECK_THROWS_AS(attempt(saliency, [](auto& o) { o.target.maps = {1, 2, 3}; }), ArgumentError);
  CHECK_THROWS_AS(attempt(saliency, [](auto& o) { o.target.layer = "conv9"; }), ArgumentError);
  CHECK_THROWS_AS(attempt(saliency, [](auto& o) { o.target.at = {0, 0}; }), ArgumentError);
  CHECK_THROWS_AS(attempt(saliency, [](auto& o) { o.target = {"conv2", {1}, {{8, 0}}}; }), ArgumentError);
  CHECK_THROWS_AS(attempt(guided_gradcam, [](auto& o) { o.target = {"conv2", {1}, {}}; }), ArgumentError);
  CHECK_THROWS_AS(attempt(integrated_gradients, [](auto& o) { o.baseline = {1, 2, 3}; }), ArgumentError);
  CHECK_THROWS_AS(attempt(integrated_gradients, [](auto& o) { o.steps = 0; }), ArgumentError);
  CHECK_THROWS_AS(attempt(smoothgrad, [](auto& o) { o.noise = -1; }), ArgumentError);
  CHECK_THROWS_AS(attempt(smoothgrad, [](auto& o) { o.samples = 0; }), ArgumentError);
  CHECK_THROWS_AS(attempt(guided, [](auto& o) { o.batch = 0; }), ArgumentError);
}
