#include "deconv/analysis/projection.hpp"

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "deconv/io/onnx.hpp"
#include "deconv/nn/models/by_name.hpp"
#include "support/catch.hpp"
#include "support/relative_error.hpp"
#include "support/test_data.hpp"

using namespace deconv;
using test::relative_error;

namespace {

// The same sums in another order, in float32, over at most 26 layers.
constexpr double reordered = 1e-5;

/// Every combination of the three choices.
std::vector<ReverseOptions> all_rules() {
  std::vector<ReverseOptions> all;
  for (const auto rectifier : {RectifierRule::deconvnet, RectifierRule::guided, RectifierRule::gradient})
    for (const auto overlap : {OverlapRule::sum, OverlapRule::last})
      for (const auto normalisation : {NormalisationRule::identity, NormalisationRule::gradient})
        all.push_back({rectifier, overlap, normalisation});
  return all;
}

Tensor<float, Cpu> random_images(const Shape& shape, std::uint64_t seed) {
  Tensor<float, Cpu> images(shape);
  fill_normal<float>(images, Random(seed), 0, 1);
  return images;
}

/// Units at the corners, the borders and inside a layer's planes, each at the map that is strongest there, so
/// that few of them are zero; `turn` chooses which two.
std::vector<Unit> two_units(const TensorView<const float, Cpu>& view, std::size_t turn) {
  const bool planes = view.rank() == 4;
  const Index bottom = planes ? view[2] - 1 : 0, right = planes ? view[3] - 1 : 0;
  const std::vector<std::pair<Index, Index>> places{
      {0, 0},      {bottom / 2, right / 2}, {bottom, right}, {0, right / 2}, {bottom / 3, right},
      {bottom, 0}, {bottom / 2, 0},         {0, right}};
  std::vector<Unit> units;
  for (const std::size_t which : {turn, turn + 3}) {
    const Index y = places[which % places.size()].first, x = places[which % places.size()].second;
    Unit best{static_cast<Index>(which) % view[0], 0, y, x};
    const auto at = [&](Index map) {
      return planes ? view(best.image, map, y, x) : view.data()[best.image * view[1] + map];
    };
    for (Index map = 0; map < view[1]; ++map)
      if (at(map) > at(best.map)) best.map = map;
    units.push_back(best);
  }
  return units;
}

/// Windows and whole planes give the same projections for every layer of a network. Two units a layer and
/// combination of rules, so that over the combinations each layer sees corners, borders and the middle; each
/// layer takes the next `rules_a_layer` of `rules`.
void check_windows(const Network<float, Cpu>& network, const Context<Cpu>& context,
                   const Tensor<float, Cpu>& images, const std::vector<ReverseOptions>& rules,
                   std::size_t rules_a_layer) {
  const auto trace = network.forward(context, images);
  const Index height = images.shape()[2], width = images.shape()[3];
  int layers = 0, smaller = 0, not_zero = 0, all = 0;
  for (std::size_t t = 0; t < network.topology().tensor_count(); ++t) {
    const std::string& layer = network.topology().name(t);
    if (trace.shape(t).rank() != 4 && trace.shape(t).rank() != 2) continue;
    ++layers;
    for (std::size_t turn = 0; turn < rules_a_layer; ++turn) {
      const std::size_t r = (rules_a_layer * t + turn) % rules.size();
      INFO(network.name() << ' ' << layer << ", rules " << r);
      const auto units = two_units(trace.view(layer), r + t);
      ProjectionOptions options;
      options.reverse = rules[r];
      options.seed_value = SeedValue::one;
      const auto windows = project(network, context, trace, layer, std::span<const Unit>(units), options);
      options.windows = false;
      const auto planes = project(network, context, trace, layer, std::span<const Unit>(units), options);
      REQUIRE(windows.size() == units.size());
      for (std::size_t u = 0; u < units.size(); ++u) {
        CHECK(planes[u].box == PlaneBox{0, 0, height, width});
        CHECK(windows[u].unit == units[u]);
        const auto expected = planes[u].in_plane(height, width), met = windows[u].in_plane(height, width);
        const bool zero = std::all_of(expected.begin(), expected.end(), [](float v) { return v == 0; });
        ++all;
        if (zero) {
          CHECK(std::all_of(met.begin(), met.end(), [](float v) { return v == 0; }));
        } else {
          const double error = relative_error(met, expected);
          INFO("error " << error);
          CHECK(!(error > reordered));
          ++not_zero;
        }
        smaller += windows[u].pixels.count() < planes[u].pixels.count();
      }
    }
  }
  CHECK(layers > 5);
  CHECK(smaller > layers);
  CHECK(not_zero > all / 2);
}

Network<float, Cpu> random_network(const char* name) {
  return Network<float, Cpu>(
      models::model_by_name(name, models::Options{.classes = 10, .initialisation = Initialisation::he}));
}

/// A small network with all that bears on windows: strides, padding, ceil rounding, dilation, branches of
/// different reach, both contrast normalisations, average pooling with and without counted padding, crops.
Network<float, Cpu> mixed_network() {
  GraphBuilder net("x", {1, 3, 47, 53});
  net.add("conv1", node::Conv2d{8, {Window2d::square(5, 2, 0, Rounding::ceil)}});
  net.add("relu1", node::Relu{});
  net.add("pool1", node::MaxPool2d{{Window2d::square(3, 2, 1, Rounding::ceil)}});
  net.add("norm1", node::Lrn{{LrnRegion::across_channels, AlphaConvention::plain, 5, 0.1f, 0.75f, 1.0f}});
  const std::string split = net.last();
  net.add("wide", node::Conv2d{6, {Window2d{3, 3, 1, 1, 2, 2, Padding::all(2)}}}, {split});
  const std::string wide = net.add("relu2", node::Relu{0.1f});
  const std::string narrow = net.add("narrow", node::Conv2d{6, {Window2d::square(1), 2}}, {split});
  net.add("concat", node::Concat{}, {wide, narrow});
  net.add("scale", node::BatchNorm{});
  const std::string left = net.add("average", node::AveragePool2d{{Window2d::square(3, 1, 1), false}});
  const std::string right =
      net.add("counted", node::AveragePool2d{{Window2d::square(3, 1, 1), true}}, {"scale"});
  net.add("sum", node::Add{}, {left, right});
  net.add("norm2", node::Lrn{{LrnRegion::within_channel, AlphaConvention::per_region, 3, 0.5f, 0.75f, 1.0f}});
  net.add("crop", node::Pad2d{{-1, 2, 1, -1, 0.0f}});
  net.add("drop", node::Dropout{});
  net.add("conv3", node::Conv2d{5, {Window2d::square(3)}});
  net.add("up", node::Conv2dTranspose{4, {Window2d::square(2, 2)}});
  net.add("thin", node::AveragePool2d{{Window2d::square(2, 2)}});
  net.add("fc", node::Linear{7});
  net.add("prob", node::Softmax{});
  Model model{"mixed", std::move(net).finish(), {}};
  initialise(model, Initialisation::he, 3);
  fill_uniform<float>(model.weights.at("scale.scale"), Random(4), 0.5f, 1.5f);
  return Network<float, Cpu>(std::move(model));
}

std::vector<float> values_of(const Projection<float>& projection) {
  return {projection.pixels.begin(), projection.pixels.end()};
}

}  // namespace

TEST_CASE("windows give what whole planes give: a small network with every kind of window, all rules") {
  check_windows(mixed_network(), Context<Cpu>(), random_images({3, 3, 47, 53}, 1), all_rules(), 12);
}

TEST_CASE("windows give what whole planes give: ZFNet") {
  check_windows(random_network("zfnet"), Context<Cpu>(), random_images({2, 3, 224, 224}, 2), all_rules(), 2);
}

TEST_CASE("windows give what whole planes give: SqueezeNet 1.1") {
  check_windows(random_network("squeezenet1.1"), Context<Cpu>(), random_images({2, 3, 224, 224}, 3),
                all_rules(), 1);
}

TEST_CASE("windows give what whole planes give: Tiny VGG, all rules") {
  DECONV_TEST_DATA_OR_SKIP(path, "models/tinyvgg.onnx");
  check_windows(Network<float, Cpu>(io::read_onnx(path)), Context<Cpu>(), random_images({3, 3, 64, 64}, 4),
                all_rules(), 12);
}

TEST_CASE("many units in one pass give what they give one by one, in their order") {
  const auto network = mixed_network();
  const Context<Cpu> context;
  const auto first = network.forward(context, random_images({2, 3, 47, 53}, 5));
  const auto second = network.forward(context, random_images({1, 3, 47, 53}, 6));
  for (const std::string layer : {"relu1", "concat", "conv3", "fc"}) {
    INFO(layer);
    std::vector<TracedUnit<float, Cpu>> units;
    for (Index i = 0; i < 23; ++i) {
      const auto& trace = i % 3 == 2 ? second : first;
      const Shape& shape = trace.shape(layer);
      const bool planes = shape.rank() == 4;
      units.push_back(
          {&trace,
           {i % trace.images(), i % shape[1], planes ? i * 7 % shape[2] : 0, planes ? i * 5 % shape[3] : 0},
           {}});
    }
    ProjectionOptions options;
    options.reverse = ReverseOptions::gradient();
    options.reverse.rectifier = RectifierRule::deconvnet;
    options.seed_value = SeedValue::one;
    const auto together = project<float, Cpu>(network, context, layer, units, options);
    options.chunk_bytes = 1;
    const auto small = project<float, Cpu>(network, context, layer, units, options);
    REQUIRE(together.size() == units.size());
    int not_zero = 0;
    for (std::size_t u = 0; u < units.size(); ++u) {
      const auto alone = project<float, Cpu>(network, context, layer, std::span(&units[u], 1), options);
      CHECK(together[u].unit == units[u].unit);
      CHECK(together[u].box == alone[0].box);
      CHECK(together[u].activation == alone[0].activation);
      CHECK(values_of(small[u]) == values_of(alone[0]));
      const bool zero =
          std::all_of(alone[0].pixels.begin(), alone[0].pixels.end(), [](float v) { return v == 0; });
      if (!zero) CHECK(!(relative_error(together[u].pixels, alone[0].pixels) > reordered));
      not_zero += !zero;
    }
    CHECK(not_zero > 10);
  }
}

TEST_CASE("projections have the same bits from run to run and for 1 and 2 threads") {
  for (const char* name : {"zfnet", "squeezenet1.1"}) {
    const auto network = random_network(name);
    const std::string layer = name[0] == 'z' ? "relu5" : "fire9/concat";
    const auto images = random_images({2, 3, 224, 224}, 7);
    std::vector<std::vector<float>> bits;
    std::size_t projected = 0;
    for (const int threads : {1, 2, 2, 1}) {
      const Context<Cpu> context(threads);
      ForwardOptions keep = ForwardOptions::only({layer});
      keep.reverse = ReverseOptions::deconvnet();
      keep.up_to = layer;
      const auto trace = network.forward(context, images, keep);
      const std::vector<Index> maps{0, 3, 9, 17, 40};
      const auto units = strongest_units(trace, layer, 1, std::span<const Index>(maps));
      const auto results = project(network, context, trace, layer, std::span<const Unit>(units));
      std::vector<float> all(trace.view(layer).begin(), trace.view(layer).end());
      projected = 0;
      for (const auto& result : results) {
        all.insert(all.end(), result.pixels.begin(), result.pixels.end());
        projected += static_cast<std::size_t>(result.pixels.count());
      }
      bits.push_back(std::move(all));
    }
    INFO(name);
    REQUIRE(bits[0].size() > projected);
    REQUIRE(std::any_of(bits[0].end() - static_cast<std::ptrdiff_t>(projected), bits[0].end(),
                        [](float v) { return v != 0; }));
    for (std::size_t i = 1; i < bits.size(); ++i) CHECK(bits[i] == bits[0]);
  }
}

TEST_CASE(
    "a projection starts from the unit's activation, from one, or from a given value, and scales with it") {
  const auto network = mixed_network();
  const Context<Cpu> context(1);
  const auto trace = network.forward(context, random_images({1, 3, 47, 53}, 8));
  const std::vector<Index> maps{2};
  const auto units = strongest_units(trace, "concat", 0, std::span<const Index>(maps));
  ProjectionOptions options;
  const auto own = project(network, context, trace, "concat", std::span<const Unit>(units), options);
  options.seed_value = SeedValue::one;
  const auto one = project(network, context, trace, "concat", std::span<const Unit>(units), options);
  REQUIRE(own[0].activation > 0);
  CHECK(own[0].activation == trace.view("concat")(0, 2, units[0].y, units[0].x));
  CHECK(one[0].activation == own[0].activation);
  std::vector<float> scaled = values_of(one[0]);
  for (float& value : scaled) value *= own[0].activation;
  CHECK(
      !(relative_error(std::span<const float>(own[0].pixels.span()), std::span<const float>(scaled)) > 1e-6));

  ForwardOptions thrifty = ForwardOptions::outputs_only();
  thrifty.reverse = ReverseOptions::deconvnet();
  const auto thin = network.forward(context, random_images({1, 3, 47, 53}, 8), thrifty);
  const std::vector<TracedUnit<float, Cpu>> given{{&thin, units[0], own[0].activation}};
  CHECK(values_of(project<float, Cpu>(network, context, "concat", given)[0]) == values_of(own[0]));
}

TEST_CASE("everything outside a unit's box is zero, and the box is its receptive field") {
  const auto network = mixed_network();
  const Context<Cpu> context(1);
  const auto trace = network.forward(context, random_images({1, 3, 47, 53}, 9));
  const auto field = receptive_field(network.graph(), "conv1", "x");
  const std::vector<Unit> units{{0, 1, 0, 0}, {0, 1, 21, 24}, {0, 1, 10, 3}};
  const auto results = project(network, context, trace, "conv1", std::span<const Unit>(units));
  for (std::size_t u = 0; u < units.size(); ++u)
    CHECK(results[u].box == field.box(units[u].y, units[u].x, 47, 53));
  // Ceil rounding: the last window hangs over the image by a row; there the projection is zero.
  CHECK(results[1].box.bottom == 47);
  CHECK(results[1].box.right == 53);
  const auto plane = results[2].in_plane(47, 53);
  for (Index c = 0; c < 3; ++c)
    for (Index y = 0; y < 47; ++y)
      for (Index x = 0; x < 53; ++x)
        if (y < results[2].box.top || y >= results[2].box.bottom || x < results[2].box.left ||
            x >= results[2].box.right)
          REQUIRE(plane.data()[(c * 47 + y) * 53 + x] == 0);
}

TEST_CASE("the strongest unit of a map is the first of the largest in raster order") {
  GraphBuilder net("x", {1, 2, 2, 3});
  net.add("same", node::Identity{});
  const Network<float, Cpu> network(Model{"same", std::move(net).finish(), {}});
  const auto src =
      Tensor<float, Cpu>::from({1, 2, 2, 3}, std::vector<float>{0, 5, 1, 5, 2, 3, -4, -9, -1, -1, -2, -3});
  const auto trace = network.forward(Context<Cpu>(1), src);
  const std::vector<Index> maps{1, 0};
  const auto units = strongest_units(trace, "same", 0, std::span<const Index>(maps));
  CHECK(units[0] == Unit{0, 1, 0, 2});
  CHECK(units[1] == Unit{0, 0, 0, 1});
  const std::vector<Index> beyond{2};
  CHECK_THROWS_AS(strongest_units(trace, "same", 0, std::span<const Index>(beyond)), ArgumentError);
  CHECK_THROWS_AS(strongest_units(trace, "same", 1, std::span<const Index>(maps)), ArgumentError);
}

TEST_CASE("units that do not exist and traces that lack something are refused") {
  const auto network = mixed_network();
  const Context<Cpu> context(1);
  const auto images = random_images({1, 3, 47, 53}, 10);
  const auto trace = network.forward(context, images);
  const auto try_one = [&](const auto& from, const std::string& layer, const Unit& unit) {
    return project(network, context, from, layer, std::span<const Unit>(&unit, 1));
  };
  CHECK_NOTHROW(try_one(trace, "conv1", {0, 7, 21, 24}));
  for (const Unit& unit : {Unit{1, 0, 0, 0}, Unit{0, 8, 0, 0}, Unit{0, 0, 22, 0}, Unit{0, 0, 0, 25},
                           Unit{0, 0, -1, 0}, Unit{-1, 0, 0, 0}})
    CHECK_THROWS_AS(try_one(trace, "conv1", unit), ArgumentError);
  CHECK_THROWS_AS(try_one(trace, "fc", {0, 0, 1, 0}), ArgumentError);
  CHECK_THROWS_AS(try_one(trace, "conv9", {0, 0, 0, 0}), ArgumentError);
  const auto thin = network.forward(context, images, ForwardOptions::only({"conv3"}));
  CHECK_THROWS_AS(try_one(thin, "relu1", {0, 0, 0, 0}), ArgumentError);
  CHECK_THROWS_AS(try_one(thin, "conv3", {0, 0, 0, 0}), ArgumentError);
  CHECK(project<float, Cpu>(network, context, "conv1", std::span<const TracedUnit<float, Cpu>>()).empty());
}
