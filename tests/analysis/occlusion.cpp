// Occlusion: closed forms, layers of all kinds against brute force, geometry, memory and bad arguments.
#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "analysis/occlusion.hpp"
#include "deconv/nn/graph_builder.hpp"
#include "deconv/nn/initialise.hpp"

using namespace deconv;
using test::check_against_brute_force;
using test::noise_image;

namespace {

OcclusionOptions patch(Index height, Index width, Index stride_y, Index stride_x) {
  OcclusionOptions options;
  options.height = height;
  options.width = width;
  options.stride_y = stride_y;
  options.stride_x = stride_x;
  return options;
}

Model random_model(GraphBuilder&& net, std::uint64_t seed = 7) {
  Model model;
  model.name = "test";
  model.graph = std::move(net).finish();
  initialise(model, Initialisation::torch, seed);
  return model;
}

Window2d window(Index kernel, Index stride, Padding padding, Rounding rounding = Rounding::floor,
                Index dilation = 1) {
  Window2d w = Window2d::square(kernel, stride, 0, rounding);
  w.padding = padding;
  w.dilation_y = w.dilation_x = dilation;
  return w;
}

/// Every layer whose reach is known, with uneven strides, padding, rounding and dilation.
GraphBuilder many_layers(const Shape& input) {
  GraphBuilder net("data", input);
  net.add("pad", node::Pad2d{{2, 1, 0, 3, 0.5f}});
  net.add("conv1", node::Conv2d{6, {window(3, 2, {1, 0, 2, 1})}});
  net.add("norm1", node::BatchNorm{});
  net.add("relu1", node::Relu{0.1f});
  net.add("pool1", node::MaxPool2d{{window(3, 2, {1, 1, 1, 1}, Rounding::ceil)}});
  net.add("lrn1", node::Lrn{{LrnRegion::across_channels, AlphaConvention::per_region, 5, 0.3f, 0.75f, 1}});
  net.add("left", node::Conv2d{4, {window(1, 1, {})}}, {"lrn1"});
  net.add("left_relu", node::Relu{});
  net.add("right", node::Conv2d{4, {window(3, 1, {2, 2, 2, 2}, Rounding::floor, 2), 2}}, {"lrn1"});
  net.add("sum", node::Add{}, {"left_relu", "right"});
  net.add("same", node::Identity{});
  net.add("both", node::Concat{1}, {"left_relu", "same", "lrn1"});
  net.add("lrn2", node::Lrn{{LrnRegion::within_channel, AlphaConvention::per_region, 4, 0.5f, 0.75f, 1}});
  net.add("crop", node::Pad2d{{-1, 0, 1, -1, 0}});
  return net;
}

}  // namespace

TEST_CASE("occlusion of a linear network is weight times input under the patch") {
  GraphBuilder net("data", {1, 2, 7, 9});
  net.add("fc", node::Linear{3});
  const Network<double, Cpu> network(random_model(std::move(net)));
  auto weights = Network<double, Cpu>(random_model([] {
                   GraphBuilder same("data", {1, 2, 7, 9});
                   same.add("fc", node::Linear{3});
                   return same;
                 }()))
                     .parameters()
                     .at("fc.weight")
                     ->clone();
  Tensor<double, Cpu> image({1, 2, 7, 9});
  fill_normal(image.view(), Random(3, 0), 0.0, 1.0);
  auto options = patch(3, 2, 2, 3);
  options.layer = "data";  // not made by a convolution, so that it has to be named
  options.maps = {1};
  options.classes = {0, 1, 2};
  options.fill = {0.25f, -1.5f};
  const auto result = occlude<double, Cpu>(network, Context<Cpu>(1), image.view(), options);
  REQUIRE(result.score.shape() == Shape{3, 3, 3});
  for (Index k = 0; k < 3; ++k)
    for (Index r = 0; r < 3; ++r)
      for (Index c = 0; c < 3; ++c) {
        double drop = 0, sum = result.whole_activation[0];
        for (Index channel = 0; channel < 2; ++channel)
          for (Index y = 2 * r; y < 2 * r + 3; ++y)
            for (Index x = 3 * c; x < 3 * c + 2; ++x) {
              const double change = image(0, channel, y, x) -
                                    static_cast<double>(options.fill[static_cast<std::size_t>(channel)]);
              drop += weights.data()[((k * 2 + channel) * 7 + y) * 9 + x] * change;
              if (channel == 1) sum -= change;
            }
        const double met =
            result.whole_score[static_cast<std::size_t>(k)] - result.score.data()[(k * 3 + r) * 3 + c];
        CHECK_FALSE(!(std::abs(met - drop) <= 1e-12));
        CHECK_FALSE(!(std::abs(result.activation.data()[r * 3 + c] - sum) <= 1e-12));
      }
}

TEST_CASE("occlusion finds the place of a planted pattern") {
  // One filter that knows a cross, and a class that is the strongest cross of the image.
  GraphBuilder net("data", {1, 1, 40, 50});
  net.add("conv", node::Conv2d{2, {Window2d::square(5)}});
  net.add("relu", node::Relu{});
  net.add("most", node::GlobalMaxPool{});
  net.add("flat", node::Flatten{});
  Model model = random_model(std::move(net));
  auto& filters = model.weights.at("conv.weight");
  std::fill(filters.begin(), filters.end(), 0.0f);
  for (Index i = 0; i < 5; ++i) filters(0, 0, i, 2) = filters(0, 0, 2, i) = 1;
  model.weights.at("conv.bias").data()[0] = -5;
  model.weights.at("conv.bias").data()[1] = 1;
  const Network<float, Cpu> network(std::move(model));
  auto image = Tensor<float, Cpu>::filled({1, 1, 40, 50}, 0.0f);
  for (Index i = 0; i < 5; ++i) image(0, 0, 21 + i, 33) = image(0, 0, 23, 31 + i) = 1;
  const auto result = occlude<float, Cpu>(network, Context<Cpu>(2), image.view(), patch(6, 6, 2, 3));
  CHECK(result.layer == "relu");
  CHECK(result.maps == std::vector<Index>{0});
  CHECK(result.whole_top_class == 0);
  CHECK(result.whole_score[0] == 4);
  for (Index r = 0; r < result.grid.rows; ++r)
    for (Index c = 0; c < result.grid.columns; ++c) {
      // Ones of the cross under the patch: 5 of either arm, the middle in both.
      const Index rows = std::clamp<Index>(std::min<Index>(2 * r + 6, 26) - std::max<Index>(2 * r, 21), 0, 5),
                  columns =
                      std::clamp<Index>(std::min<Index>(3 * c + 6, 36) - std::max<Index>(3 * c, 31), 0, 5);
      const bool column_hit = 3 * c <= 33 && 33 < 3 * c + 6, row_hit = 2 * r <= 23 && 23 < 2 * r + 6;
      const Index hidden =
          (column_hit ? rows : 0) + (row_hit ? columns : 0) - (column_hit && row_hit ? 1 : 0);
      const float expected = static_cast<float>(std::max<Index>(4 - hidden, 0));
      CHECK(result.activation.data()[r * result.grid.columns + c] == expected);
      CHECK(result.score.data()[r * result.grid.columns + c] == expected);
      CHECK(result.top_class.data()[r * result.grid.columns + c] == (expected >= 1 ? 0 : 1));
    }
}

TEST_CASE("occlusion by windows is brute force through layers of all kinds") {
  const Shape input{1, 2, 53, 61};
  const auto image = noise_image(input);
  const auto patches = {patch(7, 7, 9, 11), patch(3, 12, 16, 5), patch(1, 1, 17, 23), patch(20, 9, 33, 52),
                        patch(53, 61, 1, 1)};
  SECTION("mean of planes") {
    auto net = many_layers(input);
    net.add("mean", node::GlobalAveragePool{});
    net.add("flat", node::Flatten{});
    net.add("fc", node::Linear{5});
    net.add("prob", node::Softmax{});
    const Network<float, Cpu> network(random_model(std::move(net)));
    for (const auto& options : patches) check_against_brute_force(network, image, options);
  }
  SECTION("fully connected") {
    auto net = many_layers(input);
    net.add("drop", node::Dropout{});
    net.add("fc1", node::Linear{9});
    net.add("fc1_relu", node::Relu{});
    net.add("fc2", node::Linear{5});
    const Network<float, Cpu> network(random_model(std::move(net)));
    for (const auto& options : patches) check_against_brute_force(network, image, options);
  }
  SECTION("scores are planes, softmax among the channels") {
    auto net = many_layers(input);
    net.add("soft", node::Softmax{1});
    net.add("conv", node::Conv2d{3, {window(2, 2, {})}});
    const Network<float, Cpu> network(random_model(std::move(net)));
    auto options = patch(7, 7, 9, 11);
    options.layer = "lrn2";
    options.maps = {0, 7};
    options.classes = {0, 20, 41};
    check_against_brute_force(network, image, options);
  }
  SECTION("layers whose reach is not known") {
    auto net = many_layers(input);
    net.add("up", node::Conv2dTranspose{4, {Window2d::square(3, 2)}});
    net.add("tail", node::Conv2d{4, {window(3, 2, {1, 1, 1, 1})}});
    net.add("across", node::Softmax{3});
    net.add("most", node::GlobalMaxPool{});
    const Network<float, Cpu> network(random_model(std::move(net)));
    for (const auto& options : {patch(7, 7, 9, 11), patch(1, 1, 17, 23)})
      check_against_brute_force(network, image, options);
  }
  SECTION("means of windows with every divisor") {
    for (const bool count_padding : {false, true})
      for (const Rounding rounding : {Rounding::floor, Rounding::ceil}) {
        GraphBuilder net("data", input);
        net.add("conv", node::Conv2d{5, {window(3, 1, {1, 1, 1, 1})}});
        net.add("pool", node::AveragePool2d{{window(3, 2, {1, 1, 0, 1}, rounding), count_padding}});
        net.add("relu", node::Relu{});
        net.add("fc", node::Linear{4});
        const Network<float, Cpu> network(random_model(std::move(net)));
        check_against_brute_force(network, image, patch(5, 6, 8, 11));
      }
  }
}

TEST_CASE("occlusion follows poolings whose indices are read again by brute force") {
  Model model;
  GraphBuilder again("data", {1, 2, 16, 16});
  again.add("conv", node::Conv2d{3, {window(3, 1, {1, 1, 1, 1})}});
  again.add("pool", node::MaxPool2d{{Window2d::square(2, 2)}});
  again.add("fc", node::Linear{3});
  model.graph = std::move(again).finish();
  model.graph.nodes[1].outputs.push_back("indices");
  model.graph.nodes[2].inputs = {"unpool"};
  model.graph.nodes.push_back(
      {"unpool", node::MaxUnpool2d{Window2d::square(2, 2)}, {"pool", "indices"}, {"unpool"}});
  sort_and_check(model.graph);
  initialise(model, Initialisation::torch, 2);
  const Network<float, Cpu> network(std::move(model));
  check_against_brute_force(network, noise_image({1, 2, 16, 16}), patch(4, 4, 5, 5));
}

TEST_CASE("fully connected layers are updated by difference where few columns change") {
  GraphBuilder net("data", {1, 2, 40, 40});
  net.add("conv", node::Conv2d{3, {window(3, 1, {1, 1, 1, 1})}});
  net.add("relu", node::Relu{});
  net.add("pool", node::MaxPool2d{{Window2d::square(4, 4)}});
  net.add("fc1", node::Linear{20});
  net.add("fc1_relu", node::Relu{});
  net.add("fc2", node::Linear{6});
  const Network<float, Cpu> network(random_model(std::move(net)));
  auto options = patch(2, 3, 1, 1);
  check_against_brute_force(network, noise_image({1, 2, 40, 40}), options);
  options.layer = "fc1_relu";
  options.maps = {0, 5, 19};
  check_against_brute_force(network, noise_image({1, 2, 40, 40}), options);
}

TEST_CASE("occlusion in double, with a border row and patches from another image") {
  const Shape input{1, 2, 53, 61};
  auto net = many_layers(input);
  net.add("fc", node::Linear{5});
  const Network<double, Cpu> network(random_model(std::move(net)));
  Tensor<double, Cpu> image(input), other(input);
  fill_normal(image.view(), Random(1, 0), 0.0, 1.0);
  fill_normal(other.view(), Random(2, 0), 0.0, 1.0);
  auto options = patch(8, 8, 10, 10);
  CHECK(occlusion_grid(53, 61, options).rows == 5);
  CHECK(occlusion_grid(53, 61, options).columns == 6);
  options.cover_border = true;
  CHECK(occlusion_grid(53, 61, options).rows == 6);
  CHECK(occlusion_grid(53, 61, options).columns == 7);
  check_against_brute_force<double>(network, image, options, 1e-12);
  check_against_brute_force<double>(network, image, options, 1e-12, other.view());
  // The last row's patches overhang: their row 50 on is there, and no more.
  const auto result = occlude<double, Cpu>(network, Context<Cpu>(1), image.view(), options);
  Tensor<double, Cpu> by_hand = image.clone();
  for (Index c = 0; c < 2; ++c)
    for (Index y = 50; y < 53; ++y)
      for (Index x = 60; x < 61; ++x) by_hand(0, c, y, x) = 0;
  const auto scores = network.forward(Context<Cpu>(1), by_hand.view()).activation("fc");
  const Index k = result.classes[0];
  const double met = result.score.data()[result.grid.count() - 1];
  CHECK_FALSE(!(std::abs(met - scores.data()[k]) <= 1e-12));
}

TEST_CASE("occlusion's memory stays within its bound, and progress is told") {
  const Shape input{1, 3, 96, 96};
  GraphBuilder net("data", input);
  net.add("conv1", node::Conv2d{32, {window(5, 1, {2, 2, 2, 2})}});
  net.add("relu1", node::Relu{});
  net.add("pool1", node::MaxPool2d{{Window2d::square(2, 2)}});
  net.add("conv2", node::Conv2d{32, {window(5, 1, {2, 2, 2, 2})}});
  net.add("relu2", node::Relu{});
  net.add("fc", node::Linear{3});
  const Network<float, Cpu> network(random_model(std::move(net)));
  const auto image = noise_image(input);
  auto options = patch(16, 16, 8, 8);
  std::vector<Index> told;
  options.progress = [&](Index done, Index total) {
    CHECK(total == 121);
    told.push_back(done);
  };
  std::size_t before = 0;
  for (const std::size_t bytes : {std::size_t{8} << 20, std::size_t{64} << 20}) {
    options.bytes = bytes;
    const auto cost = occlusion_cost(network, input, options);
    CHECK(cost.places == 121);
    CHECK(cost.bytes <= bytes);
    CHECK(cost.bytes > before);
    CHECK(cost.multiply_adds < 0.5 * cost.brute_multiply_adds);
    before = cost.bytes;
    const Context<Cpu> context(2);
    static_cast<void>(occlude<float, Cpu>(network, context, image.view(), options));
    // Blocks are lent in sizes of up to twice what is asked for.
    CHECK(context.workspace()->peak_bytes() < 2 * cost.bytes);
    CHECK(told.back() == 121);
    CHECK(std::is_sorted(told.begin(), told.end()));
    told.clear();
  }
  options.progress = [](Index, Index) { throw IoError("stop"); };
  CHECK_THROWS_AS((occlude<float, Cpu>(network, Context<Cpu>(1), image.view(), options)), IoError);
}

TEST_CASE("occlusion refuses what does not fit") {
  const Shape input{1, 2, 20, 20};
  GraphBuilder net("data", input);
  net.add("conv", node::Conv2d{3, {window(3, 1, {1, 1, 1, 1})}});
  net.add("fc", node::Linear{4});
  const Network<float, Cpu> network(random_model(std::move(net)));
  const auto image = noise_image(input);
  const auto refused = [&](const OcclusionOptions& options, const std::string& part) {
    for (const auto run : {&occlude<float, Cpu>, &occlude_by_brute_force<float, Cpu>}) {
      try {
        static_cast<void>(run(network, Context<Cpu>(1), image.view(), options, {}));
        FAIL("nothing was thrown");
      } catch (const ArgumentError& error) {
        INFO(error.what());
        CHECK(std::string(error.what()).find(part) != std::string::npos);
      }
    }
  };
  refused(patch(21, 4, 1, 1), "1x1 to 20x20");
  refused(patch(4, 0, 1, 1), "1x1 to 20x20");
  refused(patch(4, 4, 0, 1), "strides of at least 1");
  auto options = patch(4, 4, 8, 8);
  options.fill = {1.0f};
  refused(options, "2 values");
  options.fill.clear();
  options.layer = "cnov";
  refused(options, "\"conv\"");
  options.layer = "conv";
  options.maps = {3};
  refused(options, "has 3 maps");
  options.maps.clear();
  options.classes = {4};
  refused(options, "4 classes");
  const auto two = noise_image({2, 2, 20, 20});
  CHECK_THROWS_AS((occlude<float, Cpu>(network, Context<Cpu>(1), two.view(), patch(4, 4, 8, 8))), ShapeError);
}
