// Patterns finer than a layer's grid, planted.

#include "deconv/analysis/aliasing.hpp"

#include "deconv/core/random.hpp"
#include "deconv/nn/graph_builder.hpp"
#include "deconv/nn/models/by_name.hpp"
#include "support/catch.hpp"

using namespace deconv;

namespace {

double wave(double cycles, Index at) {
  return std::cos(2 * std::numbers::pi * cycles * static_cast<double>(at));
}

Tensor<float, Cpu> waves(double down, double across) {
  Tensor<float, Cpu> pixels({3, 64, 64});
  for (Index c = 0; c < 3; ++c)
    for (Index y = 0; y < 64; ++y)
      for (Index x = 0; x < 64; ++x)
        pixels.data()[(c * 64 + y) * 64 + x] = static_cast<float>(wave(down, y) * wave(across, x));
  return pixels;
}

/// conv1 with one filter, a wave of `cycles` a pixel along x, and stride 4; conv2 takes the strongest.
Network<float, Cpu> detector(double cycles) {
  GraphBuilder net("data", {1, 1, 64, 64});
  net.add("conv1", node::Conv2d{1, {Window2d::square(16, 4)}});
  net.add("relu1", node::Relu{});
  net.add("conv2", node::Conv2d{1, {Window2d::square(1)}});
  net.add("relu2", node::Relu{});
  Model model{"detector", std::move(net).finish(), {}};
  initialise(model, Initialisation::he, 1);
  auto& filter = model.weights.at("conv1.weight");
  for (Index y = 0; y < 16; ++y)
    for (Index x = 0; x < 16; ++x) filter(0, 0, y, x) = static_cast<float>(wave(cycles, x));
  model.weights.at("conv2.weight").data()[0] = 1;
  return Network<float, Cpu>(std::move(model));
}

double above_of(double cycles) {
  const auto network = detector(cycles);
  Tensor<float, Cpu> images({2, 1, 64, 64});
  for (Index n = 0; n < 2; ++n)
    for (Index y = 0; y < 64; ++y)
      for (Index x = 0; x < 64; ++x) images(n, 0, y, x) = static_cast<float>(wave(cycles, x));
  AliasingMeasure<float, Cpu> measure(network);
  measure.add(Context<Cpu>(1), images.view());
  const AliasingReport report = measure.report();
  CHECK(report.layer == "relu2");
  CHECK(report.jump == 4);
  CHECK(report.limit == Approx(0.125));
  CHECK(report.projections == 2);
  CHECK(!(std::abs(report.low + report.middle + report.high - 1) > 1e-9));
  return report.above;
}

}  // namespace

TEST_CASE("a pure wave lands in its band, above or below the limit") {
  const auto shares = [](double down, double across, double limit) {
    return energy_shares<float>(waves(down, across).view(), limit);
  };
  CHECK(shares(0, 1.0 / 16, 0.125).low == Approx(1));
  CHECK(shares(0, 1.0 / 16, 0.125).above == Approx(0).margin(1e-9));
  CHECK(shares(0.25, 0, 0.125).middle == Approx(1));
  CHECK(shares(0.25, 0, 0.125).above == Approx(1));
  CHECK(shares(0, 0.4375, 0.125).high == Approx(1));
  // On the limit itself it does not count; along either axis above it does.
  CHECK(shares(0.125, 0.125, 0.125).above == Approx(0).margin(1e-9));
  CHECK(shares(0.125, 0.1875, 0.125).above == Approx(1));
  CHECK_FALSE(energy_shares<float>(Tensor<float, Cpu>::filled({1, 4, 4}, 0.0f).view(), 0.1).any);
}

TEST_CASE("projections of a detector finer than its grid lie above the limit, those of a coarse one do not") {
  CHECK(above_of(0.3125) > 0.9);
  CHECK(above_of(0.0625) < 0.25);
}

TEST_CASE("the second convolution's grid is that of the first's stride and pool") {
  const auto report = [](const char* name) {
    const Network<float, Cpu> network(models::model_by_name(name, {.classes = 3}));
    return AliasingMeasure<float, Cpu>(network).report();
  };
  CHECK(report("zfnet-64").jump == 4);
  CHECK(report("alexnet-64").jump == 8);
  CHECK(report("zfnet-64").layer == "relu2");
  CHECK(report("zfnet-64").limit == Approx(0.125));
  CHECK(std::isnan(report("alexnet-64").above));
  CHECK(second_convolution(Topology(models::squeezenet1_1({.with_weights = false}).graph)) ==
        "fire2/squeeze1x1");
  const Network<float, Cpu> network(models::zfnet_64({.classes = 3}));
  AliasingOptions options;
  options.layer = "fc7";
  CHECK_THROWS_AS((AliasingMeasure<float, Cpu>(network, options)), ArgumentError);
  options.layer = "conv9";
  CHECK_THROWS_AS((AliasingMeasure<float, Cpu>(network, options)), ArgumentError);
}

TEST_CASE("as many maps as asked for, the strongest") {
  const Network<float, Cpu> network(models::zfnet_64({.classes = 3}));
  Tensor<float, Cpu> images({2, 3, 64, 64});
  fill_normal<float>(images, Random(3), 0, 1);
  AliasingOptions options;
  options.maps = 5;
  AliasingMeasure<float, Cpu> measure(network, options);
  measure.add(Context<Cpu>(2), images.view());
  CHECK(measure.report().projections == 10);
  CHECK(measure.report().above > 0);
}
