#include "deconv/analysis/invariance.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "analysis/golden.hpp"
#include "deconv/nn/models/by_name.hpp"
#include "deconv/viz/invariance.hpp"
#include "nn/small_networks.hpp"
#include "support/catch.hpp"
#include "support/cuda_context.hpp"
#include "support/relative_error.hpp"

using namespace deconv;
using test::random_tensor;
using test::relative_error;

namespace {

Tensor<double, Cpu> transformed(const Tensor<double, Cpu>& src, const ImageTransform& transform,
                                const ResampleOptions& options = {}) {
  auto dst = Tensor<double, Cpu>::filled(src.shape(), std::nan(""));
  transform_planes<double>(src, transform, options, dst.view());
  return dst;
}

bool same(const Tensor<double, Cpu>& a, const Tensor<double, Cpu>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end());
}

/// Value of a disc-like picture at a distance from the middle: smooth and round.
double round_value(double y, double x, double sharpness) { return std::exp(-sharpness * (y * y + x * x)); }

/// A C x side x side picture that is round about its middle.
Tensor<double, Cpu> round_picture(Index side, double sharpness) {
  Tensor<double, Cpu> picture({1, 1, side, side});
  const double middle = static_cast<double>(side - 1) / 2;
  for (Index y = 0; y < side; ++y)
    for (Index x = 0; x < side; ++x)
      picture(0, 0, y, x) =
          round_value(static_cast<double>(y) - middle, static_cast<double>(x) - middle, sharpness);
  return picture;
}

/// Round filters over a plane, and the sum over all positions at the end, which no turn can change.
Network<double, Cpu> round_network() {
  GraphBuilder net("x", {1, 1, 33, 33});
  net.add("conv1", node::Conv2d{2, {Window2d::square(5, 1, 2)}, false});
  net.add("relu1", node::Relu{});
  net.add("sum", node::GlobalAveragePool{});
  net.add("fc", node::Linear{3});
  Model model = test::with_random_weights("round", std::move(net).finish());
  auto& filters = model.weights.at("conv1.weight");
  for (Index k = 0; k < 2; ++k)
    for (Index y = 0; y < 5; ++y)
      for (Index x = 0; x < 5; ++x)
        filters(k, 0, y, x) = static_cast<float>(
            round_value(static_cast<double>(y - 2), static_cast<double>(x - 2), k == 0 ? 0.3 : 0.8) -
            (k == 0 ? 0.1 : 0.2));
  return Network<double, Cpu>(std::move(model));
}

}  // namespace

TEST_CASE("resampling: no change, whole pixels, quarter turns and 360 degrees copy values") {
  const auto src = random_tensor<double>({2, 7, 7}, 1);
  for (const auto filter : {Resampling::bilinear, Resampling::nearest})
    for (const auto border : {BorderRule::constant, BorderRule::replicate, BorderRule::reflect}) {
      const ResampleOptions options{filter, border, {5.0, -3.0}};
      CHECK(same(transformed(src, {}, options), src));
      CHECK(same(transformed(src, {.degrees = 360}, options), src));
      CHECK(same(transformed(src, {.degrees = -720}, options), src));
      const auto moved = transformed(src, {.down = 2, .right = -1}, options);
      const auto quarter = transformed(src, {.degrees = 90}, options);
      const auto half = transformed(src, {.degrees = 180}, options);
      int wrong = 0;
      for (Index c = 0; c < 2; ++c)
        for (Index y = 0; y < 7; ++y)
          for (Index x = 0; x < 7; ++x) {
            const auto at = [&](const Tensor<double, Cpu>& t, Index v, Index u) {
              return t.data()[(c * 7 + v) * 7 + u];
            };
            Index v = y - 2, u = x + 1;
            double wanted = 0;
            if (border == BorderRule::constant && (v < 0 || u > 6)) {
              wanted = options.fill[static_cast<std::size_t>(c)];
            } else {
              if (border == BorderRule::replicate) v = std::max<Index>(v, 0), u = std::min<Index>(u, 6);
              if (border == BorderRule::reflect) v = std::abs(v), u = u > 6 ? 12 - u : u;
              wanted = at(src, v, u);
            }
            wrong += at(moved, y, x) != wanted;
            // Anticlockwise: what lay on the right comes to lie on top.
            wrong += at(quarter, 6 - x, y) != at(src, y, x);
            wrong += at(half, 6 - y, 6 - x) != at(src, y, x);
          }
      CHECK(wrong == 0);
    }
}

TEST_CASE("resampling between pixels follows straight lines, and does not alias when it shrinks") {
  Tensor<double, Cpu> ramp({1, 9, 9}), stripes({1, 32, 32});
  for (Index i = 0; i < 81; ++i)
    ramp.data()[i] = 2 * static_cast<double>(i / 9) - 3 * static_cast<double>(i % 9);
  for (Index i = 0; i < 1024; ++i) stripes.data()[i] = i % 2 == 0 ? 1 : -1;
  const auto moved = transformed(ramp, {.down = 0.25, .right = -0.5});
  const auto larger = transformed(ramp, {.scale = 2});
  const auto smaller = transformed(stripes, {.scale = 0.25});
  double worst = 0;
  for (Index y = 2; y < 7; ++y)
    for (Index x = 2; x < 7; ++x) {
      const double here = ramp.data()[y * 9 + x];
      worst = std::max(worst, std::abs(moved.data()[y * 9 + x] - (here - 2 * 0.25 - 3 * 0.5)));
      const double near = 2 * (4 + static_cast<double>(y - 4) / 2) - 3 * (4 + static_cast<double>(x - 4) / 2);
      worst = std::max(worst, std::abs(larger.data()[y * 9 + x] - near));
    }
  CHECK(!(worst > 1e-12));
  // A triangle eight pixels wide over stripes one pixel wide: their mean, which is zero.
  for (Index y = 14; y < 18; ++y)
    for (Index x = 14; x < 18; ++x) CHECK(!(std::abs(smaller.data()[y * 32 + x]) > 1e-12));
  const auto aliased =
      transformed(stripes, {.scale = 0.25}, {Resampling::nearest, BorderRule::constant, {0}});
  CHECK(std::abs(aliased.data()[16 * 32 + 16]) == 1);
}

TEST_CASE("what cannot be resampled is refused") {
  const auto src = random_tensor<double>({2, 4, 4}, 1);
  CHECK_THROWS_AS(transformed(src, {.scale = 0}), ArgumentError);
  CHECK_THROWS_AS(transformed(src, {.scale = std::nan("")}), ArgumentError);
  CHECK_THROWS_AS(transformed(src, {.down = INFINITY}), ArgumentError);
  CHECK_THROWS_AS(transformed(src, {}, {Resampling::bilinear, BorderRule::constant, {1, 2, 3}}),
                  ArgumentError);
  CHECK_THROWS_AS(transformed(random_tensor<double>({4, 4}, 1), {}), ShapeError);
  CHECK_THROWS_AS(amounts_between(1, 0, 1), ArgumentError);
  CHECK_THROWS_AS(amounts_between(0, 1, 0), ArgumentError);
  CHECK_THROWS_AS(amounts_between(0, 1e9, 1), ArgumentError);
  CHECK(amounts_between(1, 1.8, 0.05).size() == 17);
}

TEST_CASE("amounts that change nothing move nothing, whatever the batch") {
  const Context<Cpu> context;
  const Network<float, Cpu> network(
      models::model_by_name("lenet", models::Options{.classes = 10, .initialisation = Initialisation::he}));
  const auto image = random_tensor<float>({1, 1, 28, 28}, 2);
  const std::vector<Sweep> sweeps{{SweepKind::down, {0, 3}},
                                  {SweepKind::right, {}},
                                  {SweepKind::scale, {1}},
                                  {SweepKind::rotation, {0, 360, 77}}};
  InvarianceOptions options;
  Index steps = 0;
  options.progress = [&](Index done, Index total) { steps += done == steps + 1 && total == 6; };
  options.batch = 3;
  const auto result = invariance<float>(network, context, image.view(), sweeps, options);
  CHECK(steps == 6);
  CHECK(result.layers == std::vector<std::string>{"conv1", "relu1"});
  REQUIRE(result.curves.size() == 4);
  CHECK(result.curves[1].probability.empty());
  for (std::size_t l = 0; l < 2; ++l) {
    // The same image in another place of another batch: rounding alone may differ.
    CHECK(!(result.curves[0].layers[l].relative[0] > 1e-6));
    CHECK(!(result.curves[2].layers[l].relative[0] > 1e-6));
    CHECK(!(result.curves[3].layers[l].relative[1] > 1e-6));
    CHECK(result.curves[0].layers[l].relative[1] > 0.1);
    CHECK(result.curves[3].layers[l].relative[2] > 0.1);
    CHECK(!(std::abs(result.curves[0].layers[l].distance[1] -
                     result.curves[0].layers[l].relative[1] * result.norms[l]) > 1e-9 * result.norms[l]));
  }
  CHECK(!(std::abs(result.curves[2].probability[0] - result.probability) > 1e-6));
  options.batch = 16;
  const auto together = invariance<float>(network, context, image.view(), sweeps, options);
  CHECK(!(std::abs(together.curves[3].layers[1].distance[2] / result.curves[3].layers[1].distance[2] - 1) >
          1e-5));
  CHECK(invariance_bytes(network, image.shape(), options) > 16 * 20 * 24 * 24 * sizeof(float));
  options.class_index = 10;
  CHECK_THROWS_AS(invariance<float>(network, context, image.view(), sweeps, options), ArgumentError);
  options = {};
  options.layers = {"conv9"};
  CHECK_THROWS_AS(invariance<float>(network, context, image.view(), sweeps, options), ArgumentError);
  CHECK_THROWS_AS(invariance<float>(network, context, random_tensor<float>({2, 1, 28, 28}, 1).view(), sweeps),
                  ShapeError);
}

TEST_CASE("a linear network moves by the norm of its matrix times the image's change") {
  GraphBuilder net("x", {1, 2, 6, 6});
  net.add("fc", node::Linear{5});
  Model model = test::with_random_weights("linear", std::move(net).finish());
  const auto weights = model.weights.at("fc.weight").clone();
  const Network<double, Cpu> network(std::move(model));
  const auto image = random_tensor<double>({1, 2, 6, 6}, 3);
  const std::vector<Sweep> sweeps{{SweepKind::down, {1.5}}, {SweepKind::rotation, {30}}};
  InvarianceOptions options;
  options.layers = {"first"};
  const auto result = invariance<double>(network, Context<Cpu>(1), image.view(), sweeps, options);
  for (std::size_t s = 0; s < 2; ++s) {
    auto changed = Tensor<double, Cpu>({2, 6, 6});
    transform_planes<double>(TensorView<const double, Cpu>(image.data(), {2, 6, 6}),
                             transform_of(sweeps[s].kind, sweeps[s].amounts[0]), {}, changed.view());
    double squares = 0;
    for (Index k = 0; k < 5; ++k) {
      double sum = 0;
      for (Index i = 0; i < 72; ++i)
        sum += static_cast<double>(weights.data()[k * 72 + i]) * (changed.data()[i] - image.data()[i]);
      squares += sum * sum;
    }
    CHECK(!(std::abs(result.curves[s].layers[0].distance[0] / std::sqrt(squares) - 1) > 1e-12));
  }
}

TEST_CASE("round pictures and round filters give a flat curve over rotations") {
  const auto network = round_network();
  InvarianceOptions options;
  options.layers = {"relu1", "sum"};
  const std::vector<Sweep> quarters{{SweepKind::rotation, {90, 180, 270, 360}}},
      all{{SweepKind::rotation, amounts_between(0, 350, 10)}};
  // Any square picture turns by quarters onto its own pixels, and the sum over them stays.
  const auto any = random_tensor<double>({1, 1, 33, 33}, 4);
  const auto turned = invariance<double>(network, Context<Cpu>(1), any.view(), quarters, options);
  const auto round = round_picture(33, 0.02);
  const auto exact = invariance<double>(network, Context<Cpu>(1), round.view(), quarters, options);
  for (std::size_t k = 0; k < 4; ++k) {
    CHECK(!(turned.curves[0].layers[1].relative[k] > 1e-12));
    CHECK(turned.curves[0].layers[0].relative[k] > (k < 3 ? 0.5 : -1));
    CHECK(!(exact.curves[0].layers[0].relative[k] > 1e-12));
    CHECK(!(std::abs(exact.curves[0].probability[k] - exact.probability) > 1e-12));
  }
  // Between quarters the values between pixels are interpolated: half the second difference of the picture,
  // 0.04 / 8 of it, twice, at most.
  const auto flat = invariance<double>(network, Context<Cpu>(1), round.view(), all, options);
  double worst = 0;
  for (const double distance : flat.curves[0].layers[0].relative) worst = std::max(worst, distance);
  CHECK(!(worst > 0.01));
  CHECK(worst > 1e-6);
}

TEST_CASE("a photograph's first layer moves at once, and an unchanged one keeps its class's probability") {
  const auto* golden = test::Golden::get();
  if (golden == nullptr) return;
  const auto& chelsea = test::golden_images().front();
  const auto& network = golden->network(chelsea);
  const auto image = golden->input(chelsea);
  const Context<Cpu> context;
  const std::vector<Sweep> sweeps{{SweepKind::down, {-40, 0, 5, 40}}};
  const auto result = invariance<float>(network, context, image.view(), sweeps);
  CHECK(result.layers == std::vector<std::string>{"relu1", "fire9/concat"});
  const auto logits = network.forward(context, image).activation("logits");
  const auto probabilities = softmax_of(std::span<const float>(logits.span()));
  CHECK(result.class_index ==
        std::max_element(probabilities.begin(), probabilities.end()) - probabilities.begin());
  const double wanted = probabilities[static_cast<std::size_t>(result.class_index)];
  CHECK(!(std::abs(result.probability - wanted) > 1e-4));
  CHECK(!(std::abs(result.curves[0].probability[1] - wanted) > 1e-4));
  const auto& first = result.curves[0].layers[0].relative;
  const auto& last = result.curves[0].layers[1].relative;
  CHECK(!(first[1] > 1e-5));
  // Fig. 5: the first layer is far away after a few pixels and hardly goes farther; the last one goes on.
  CHECK(first[2] > 0.6 * first[3]);
  CHECK(last[2] < 0.6 * last[3]);
  CHECK(last[2] < 0.6 * last[0]);

  const std::string svg = viz::invariance_plots(std::span(&result, 1), std::vector<std::string>{"chelsea"});
  CHECK(svg.find("fire9/concat") != std::string::npos);
  CHECK(svg.find("chelsea") != std::string::npos);
  CHECK_THROWS_AS(viz::invariance_plots({}, {}), ArgumentError);
}

#if defined(DECONV_TEST_CUDA)
TEST_CASE("invariance on the Cuda device is that of the host") {
  if (!test::cuda_context()) return;
  const Context<Cuda>& gpu = *test::cuda_context();
  const auto model = [] {
    return models::model_by_name("lenet",
                                 models::Options{.classes = 10, .initialisation = Initialisation::he});
  };
  const Network<float, Cuda> there(gpu, model());
  const Network<float, Cpu> here(model());
  const auto image = random_tensor<float>({1, 1, 28, 28}, 2);
  const std::vector<Sweep> sweeps{{SweepKind::scale, {1.3}}, {SweepKind::rotation, {40}}};
  const auto wanted = invariance<float>(here, Context<Cpu>(2), image.view(), sweeps);
  const auto met = invariance<float>(there, gpu, image.view(), sweeps);
  for (std::size_t s = 0; s < 2; ++s)
    for (std::size_t l = 0; l < 2; ++l)
      CHECK(!(std::abs(met.curves[s].layers[l].distance[0] / wanted.curves[s].layers[l].distance[0] - 1) >
              1e-5));
}
#endif
