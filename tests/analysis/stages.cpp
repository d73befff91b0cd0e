#include "deconv/analysis/stages.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "analysis/golden.hpp"
#include "deconv/nn/models/by_name.hpp"
#include "deconv/viz/stages.hpp"
#include "nn/small_networks.hpp"
#include "support/catch.hpp"
#include "support/cuda_context.hpp"
#include "support/relative_error.hpp"

using namespace deconv;
using test::random_tensor;
using test::relative_error;

namespace {

/// ZFNet's first two blocks in small: filter, rectifier, overlapping pooling, normalisation, filter,
/// rectifier.
Model small_deconvnet() {
  GraphBuilder net("x", {1, 3, 29, 27});
  net.add("conv1", node::Conv2d{8, {Window2d::square(3)}});
  net.add("relu1", node::Relu{});
  net.add("pool1", node::MaxPool2d{{Window2d::square(3, 2, 0, Rounding::ceil)}});
  net.add("norm1", node::Lrn{});
  net.add("conv2", node::Conv2d{6, {Window2d::square(3)}});
  net.add("relu2", node::Relu{});
  net.add("pool2", node::MaxPool2d{{Window2d::square(2, 2, 1)}});
  net.add("fc", node::Linear{4});
  return test::with_random_weights("deconvnet", std::move(net).finish());
}

template <class T>
Unit strongest(const Network<T, Cpu>& network, const Tensor<T, Cpu>& image, const std::string& layer,
               Index map) {
  return strongest_units<T>(network.forward(Context<Cpu>(1), image), layer, 0, std::span(&map, 1)).front();
}

template <class T>
const Stage<T>& stage_of(const Stages<T>& all, const std::string& tensor) {
  const auto found = std::find_if(all.stages.begin(), all.stages.end(),
                                  [&](const auto& stage) { return stage.tensor == tensor; });
  REQUIRE(found != all.stages.end());
  return *found;
}

}  // namespace

TEST_CASE("every stage of the way up and down stands in its order, and both round trips close") {
  const Network<double, Cpu> network(small_deconvnet());
  const auto image = random_tensor<double>({1, 3, 29, 27}, 3);
  for (const auto overlap : {OverlapRule::sum, OverlapRule::last}) {
    StagesOptions options;
    options.projection.reverse.overlap = overlap;
    const Unit unit = strongest(network, image, "pool2", 4);
    const auto all =
        projection_stages<double>(network, Context<Cpu>(2), image.view(), "pool2", unit, options);
    std::vector<std::string> names;
    for (const auto& stage : all.stages) names.push_back(stage.tensor);
    CHECK(names ==
          std::vector<std::string>{"x", "conv1", "relu1", "pool1", "norm1", "conv2", "relu2", "pool2"});
    CHECK(all.stages[7].down_kind == StageKind::image);
    CHECK(all.stages[7].maps == std::vector<Index>{4});
    CHECK(all.stages[6].maps == std::vector<Index>{4});
    CHECK(all.stages[4].down_kind == StageKind::filter);
    CHECK(all.stages[3].down_kind == StageKind::normalisation);
    CHECK(all.stages[2].down_kind == StageKind::pooling);
    CHECK(all.stages[1].down_kind == StageKind::rectifier);
    CHECK(all.stages[0].maps.size() == 3);
    CHECK(all.stages[1].maps.size() == 3);
    CHECK(all.stages[1].maps == all.stages[3].maps);

    REQUIRE(all.round_trips.size() == 2);
    for (const RoundTrip& trip : all.round_trips) {
      CHECK(trip.picked == 0);
      CHECK(!(trip.unpooled > 1e-15));
      CHECK(trip.elsewhere == 0);
      CHECK(trip.pointed >= 1);
    }
    CHECK(all.round_trips[0].pointed > 9);
    CHECK(!(all.projection_error > 1e-12));
    CHECK(std::any_of(all.stages[0].down.begin(), all.stages[0].down.end(), [](double v) { return v != 0; }));

    // By hand: what stands between two neighbouring stages.
    const auto &conv1 = all.stages[1], &relu1 = all.stages[2], &pool1 = all.stages[3];
    for (Index i = 0; i < conv1.up.count(); ++i) {
      CHECK(relu1.up.data()[i] == std::max(conv1.up.data()[i], 0.0));
      CHECK(conv1.down.data()[i] == std::max(relu1.down.data()[i], 0.0));
    }
    REQUIRE(pool1.pooled_from == 2);
    REQUIRE(pool1.switches.size() == static_cast<std::size_t>(pool1.up.count()));
    const Index above = pool1.up[1] * pool1.up[2], below = relu1.up[1] * relu1.up[2];
    for (Index i = 0; i < pool1.up.count(); ++i)
      CHECK(relu1.up.data()[i / above * below + pool1.switches[static_cast<std::size_t>(i)]] ==
            pool1.up.data()[i]);
  }
}

TEST_CASE("the chosen maps are those with the largest signals, and a unit without planes has stages too") {
  const Network<double, Cpu> network(small_deconvnet());
  const auto image = random_tensor<double>({1, 3, 29, 27}, 3);
  StagesOptions few, many;
  few.maps = 2;
  many.maps = 64;
  const auto some =
      projection_stages<double>(network, Context<Cpu>(1), image.view(), "fc", {0, 1, 0, 0}, few);
  const auto whole =
      projection_stages<double>(network, Context<Cpu>(1), image.view(), "fc", {0, 1, 0, 0}, many);
  CHECK(!(some.projection_error > 1e-12));
  const auto &part = stage_of(some, "norm1"), &full = stage_of(whole, "norm1");
  REQUIRE(part.maps.size() == 2);
  REQUIRE(full.maps.size() == 8);
  CHECK(std::equal(part.maps.begin(), part.maps.end(), full.maps.begin()));
  std::vector<double> sizes;
  const Index plane = full.down[1] * full.down[2];
  for (std::size_t k = 0; k < 8; ++k) {
    double sum = 0;
    for (Index i = 0; i < plane; ++i) sum += std::abs(full.down.data()[static_cast<Index>(k) * plane + i]);
    sizes.push_back(sum);
  }
  CHECK(std::is_sorted(sizes.rbegin(), sizes.rend()));
  CHECK(sizes.front() > 0);

  CHECK_THROWS_AS(projection_stages<double>(network, Context<Cpu>(1), image.view(), "fc", {0, 4, 0, 0}),
                  ArgumentError);
  CHECK_THROWS_AS(projection_stages<double>(network, Context<Cpu>(1), image.view(), "conv9", {}),
                  ArgumentError);
  few.maps = 0;
  CHECK_THROWS_AS(projection_stages<double>(network, Context<Cpu>(1), image.view(), "fc", {}, few),
                  ArgumentError);
  const auto two = random_tensor<double>({2, 3, 29, 27}, 3);
  CHECK_THROWS_AS(projection_stages<double>(network, Context<Cpu>(1), two.view(), "fc", {}), ShapeError);
}

TEST_CASE("the round trips of a real network close, and its figure is drawn") {
  const auto* golden = test::Golden::get();
  if (golden == nullptr) return;
  const auto& chelsea = test::golden_images().front();
  const auto& network = golden->network(chelsea);
  const auto image = golden->input(chelsea);
  const Unit unit = strongest(network, image, "fire4/concat", 17);
  const auto all = projection_stages<float>(network, Context<Cpu>(), image.view(), "fire4/concat", unit);
  REQUIRE(all.round_trips.size() == 2);
  for (const RoundTrip& trip : all.round_trips) {
    CHECK(trip.picked == 0);
    CHECK(!(trip.unpooled > 1e-6));
    CHECK(trip.elsewhere == 0);
  }
  CHECK(!(all.projection_error > 1e-5));
  // A squeeze's output goes to two layers, whose signals meet.
  CHECK(stage_of(all, "fire2/squeeze1x1_relu").added);

  viz::StagesPictureOptions how;
  how.tile = 32;
  const auto figure = viz::stages_picture(all, how);
  how.leave_out_silent = false;
  how.around_unit = false;
  const auto whole = viz::stages_picture(all, how);
  CHECK(whole.height() == 8 + 16 + static_cast<Index>(all.stages.size()) * (32 + 10 + 4));
  CHECK(figure.height() <= whole.height());
  const auto pool = std::find_if(all.stages.begin(), all.stages.end(),
                                 [](const auto& stage) { return stage.pooled_from.has_value(); });
  const auto number = static_cast<std::size_t>(pool - all.stages.begin());
  const auto switches = viz::switches_picture(all, number, 0, 16, 5, how);
  CHECK(switches.width() == 80);
  int marked = 0;
  for (Index y = 0; y < 80; y += 5)
    for (Index x = 0; x < 80; x += 5)
      marked += switches(y, x, 0) == how.mark.red && switches(y, x, 1) == how.mark.green &&
                switches(y, x, 2) == how.mark.blue;
  // Windows of 3 with stride 2 over 16 pixels: seven or eight a side, of which some share their winner.
  CHECK(marked >= 16);
  CHECK(marked <= 81);
  CHECK_THROWS_AS(viz::switches_picture(all, 0, 0), ArgumentError);
  how.tile = 8;
  CHECK_THROWS_AS(viz::stages_picture(all, how), ArgumentError);
}

#if defined(DECONV_TEST_CUDA)
TEST_CASE("stages on the Cuda device are those of the host") {
  if (!test::cuda_context()) return;
  const Context<Cuda>& gpu = *test::cuda_context();
  const Network<float, Cuda> there(gpu, small_deconvnet());
  const Network<float, Cpu> here(small_deconvnet());
  const auto image = random_tensor<float>({1, 3, 29, 27}, 3);
  const Unit unit = strongest(here, image, "relu2", 4);
  const auto wanted = projection_stages<float>(here, Context<Cpu>(1), image.view(), "relu2", unit);
  const auto met = projection_stages<float>(there, gpu, to_device(gpu, image.view()).view(), "relu2", unit);
  REQUIRE(met.stages.size() == wanted.stages.size());
  CHECK(met.round_trips.at(0).picked == 0);
  CHECK(stage_of(met, "pool1").maps == stage_of(wanted, "pool1").maps);
  CHECK(stage_of(met, "pool1").switches == stage_of(wanted, "pool1").switches);
  CHECK(!(relative_error(met.stages[0].down, wanted.stages[0].down) > 1e-5));
}
#endif
