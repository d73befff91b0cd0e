// Inputs made by gradient ascent: closed forms of linear networks, that the objective rises, and what each
// regulariser changes.

#include "deconv/analysis/activation_maximisation.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "deconv/nn/graph_builder.hpp"
#include "nn/small_networks.hpp"
#include "support/catch.hpp"
#include "support/cuda_context.hpp"
#include "support/relative_error.hpp"

namespace {

using namespace deconv;
using test::random_tensor;
using test::relative_error;

constexpr double nan_value = std::numeric_limits<double>::quiet_NaN();

template <class T>
Network<T, Cpu> linear_network() {
  GraphBuilder net("x", {1, 2, 6, 5});
  net.add("fc", node::Linear{3});
  return Network<T, Cpu>(test::with_random_weights("linear", std::move(net).finish()));
}

/// Convolutions, rectifiers and a pooling: enough to make the way up crooked.
Model small_model(float bias_of_last = 0) {
  GraphBuilder net("x", {1, 3, 16, 16});
  net.add("conv1", node::Conv2d{8, {Window2d::square(3)}});
  net.add("relu1", node::Relu{});
  net.add("pool1", node::MaxPool2d{{Window2d::square(2, 2)}});
  net.add("conv2", node::Conv2d{6, {Window2d::square(3)}});
  net.add("relu2", node::Relu{});
  net.add("fc", node::Linear{4});
  net.add("prob", node::Softmax{});
  Model model = test::with_random_weights("small", std::move(net).finish());
  if (bias_of_last != 0)
    std::fill(model.weights.at("conv2.bias").begin(), model.weights.at("conv2.bias").end(), bias_of_last);
  return model;
}

/// Plain ascent from the mean image.
MaximisationOptions bare(Index steps) {
  MaximisationOptions options;
  options.steps = steps;
  options.noise = options.l2_decay = options.blur = options.total_variation = 0;
  options.jitter = 0;
  return options;
}

double norm(TensorView<const double, Cpu> values) {
  double sum = 0;
  for (const double value : values.span()) sum += value * value;
  return std::sqrt(sum);
}

/// How much neighbours differ, squared: large where frequencies are high.
double roughness(TensorView<const double, Cpu> planes) {
  double sum = 0;
  for (Index c = 0; c < planes[0]; ++c)
    for (Index y = 0; y < planes[1]; ++y)
      for (Index x = 0; x + 1 < planes[2]; ++x) {
        const Index i = (c * planes[1] + y) * planes[2] + x;
        sum += std::pow(planes.data()[i + 1] - planes.data()[i], 2);
      }
  return sum / std::pow(norm(planes), 2);
}

/// The input made for one map.
template <class... Arguments>
MaximisedInput<double> made_one(const Arguments&... arguments) {
  return std::move(maximise_activations<double, Cpu>(arguments...)[0]);
}

Index zeros(TensorView<const double, Cpu> planes) {
  Index count = 0;
  for (Index i = 0; i < planes[1] * planes[2]; ++i) {
    bool zero = true;
    for (Index c = 0; c < planes[0]; ++c) zero = zero && planes.data()[c * planes[1] * planes[2] + i] == 0;
    count += zero ? 1 : 0;
  }
  return count;
}

}  // namespace

TEST_CASE("a linear unit wants its weights, as far as decay lets it", "[analysis][maximise]") {
  const auto network = linear_network<double>();
  const Context<Cpu> context(1);
  const std::vector<Index> units{2, 0};
  MaximisationOptions options = bare(40);
  options.l2_decay = 0.1;
  options.step_size = 0.3;
  const auto results = maximise_activations<double, Cpu>(network, context, "fc", units, options);
  REQUIRE(results.size() == 2);
  const Model model = test::with_random_weights("linear", Graph(network.graph()));
  const auto& weights = model.weights.at("fc.weight");
  for (std::size_t r = 0; r < 2; ++r) {
    CHECK(results[r].map == units[r]);
    std::vector<double> w;
    double square = 0;
    for (Index i = 0; i < 60; ++i) {
      w.push_back(static_cast<double>(weights.data()[units[r] * 60 + i]));
      square += w.back() * w.back();
    }
    // x_n = step * (sum of (1 - decay)^k for k = 1 to n) * w / rms(w)
    const double reach = 0.3 * 0.9 * (1 - std::pow(0.9, 40)) / 0.1, rms = std::sqrt(square / 60);
    auto wanted = Tensor<double, Cpu>({2, 6, 5});
    for (Index i = 0; i < 60; ++i) wanted.data()[i] = reach * w[static_cast<std::size_t>(i)] / rms;
    CHECK(!(relative_error(results[r].input, wanted) > 1e-12));
    // And the objective says what that is worth.
    const double bias = static_cast<double>(model.weights.at("fc.bias").data()[units[r]]);
    REQUIRE(results[r].objective.size() == 41);
    CHECK(results[r].objective.front() == Approx(bias));
    CHECK(results[r].objective.back() == Approx(bias + reach * square / rms));
  }
}

TEST_CASE("the objective rises, for maps and for classes", "[analysis][maximise]") {
  const Network<double, Cpu> network(small_model());
  const Context<Cpu> context(2);
  MaximisationOptions options = bare(60);
  options.noise = 0.3;
  options.step_size = 0.02;
  const std::vector<Index> maps{0, 3, 5}, classes{1, 2};
  for (const auto& result : maximise_activations<double, Cpu>(network, context, "conv2", maps, options)) {
    INFO("map " << result.map);
    CHECK(result.objective.back() > 2 * result.objective.front() + 0.1);
    int rising = 0;
    for (std::size_t i = 1; i < result.objective.size(); ++i)
      rising += result.objective[i] > result.objective[i - 1] ? 1 : 0;
    CHECK(rising >= 54);
  }
  // Classes are read before softmax.
  const auto results = maximise_classes<double, Cpu>(network, context, classes, options);
  for (const auto& result : results) {
    CHECK(result.objective.back() > result.objective.front() + 1);
    const auto trace = network.forward(context, result.input.view().reshaped({1, 3, 16, 16}));
    CHECK(result.objective.back() == Approx(trace.activation("fc").data()[result.map]));
  }
}

TEST_CASE("a map's positions count as they are read", "[analysis][maximise]") {
  const Network<double, Cpu> network(small_model());
  const Context<Cpu> context(1);
  const std::vector<Index> maps{4};
  const auto start = random_tensor<double>({3, 16, 16}, 5);
  MaximisationOptions options = bare(3);
  std::vector<double> firsts;
  for (const MapReading reading : {MapReading::mean, MapReading::sum, MapReading::centre}) {
    options.reading = reading;
    const auto result = made_one(network, context, "conv2", maps, options, start.view());
    firsts.push_back(result.objective.front());
    // Its own value at the end is what the network makes of the input.
    const auto trace = network.forward(context, result.input.view().reshaped({1, 3, 16, 16}));
    const auto activation = trace.activation("conv2");
    double sum = 0;
    for (Index y = 0; y < 5; ++y)
      for (Index x = 0; x < 5; ++x) sum += activation(0, 4, y, x);
    const double wanted = reading == MapReading::mean  ? sum / 25
                          : reading == MapReading::sum ? sum
                                                       : activation(0, 4, 2, 2);
    CHECK(result.objective.back() == Approx(wanted));
    CHECK(result.objective.back() > result.objective.front());
  }
  CHECK(firsts[1] == Approx(25 * firsts[0]));
  // Only what the middle unit sees changes when the middle is read: 8 of 16 pixels each way, from 4 on.
  options.reading = MapReading::centre;
  const auto result = made_one(network, context, "conv2", maps, options, start.view());
  Index changed = 0;
  for (Index y = 0; y < 16; ++y)
    for (Index x = 0; x < 16; ++x) {
      const bool moved = result.input.data()[y * 16 + x] != start.data()[y * 16 + x];
      CHECK((!moved || (y >= 4 && y < 12 && x >= 4 && x < 12)));
      changed += moved ? 1 : 0;
    }
  CHECK(changed > 20);
}

TEST_CASE("the same seed makes the same input, alone or beside others", "[analysis][maximise]") {
  const Network<double, Cpu> network(small_model());
  const Context<Cpu> context(1);
  MaximisationOptions options;
  options.steps = 8;
  options.jitter = 3;
  options.clip_every = 2;
  options.clip_norm = 10;
  options.clip_contribution = 10;
  const std::vector<Index> all{0, 1, 2, 3, 4}, one{3};
  options.batch = 2;
  std::vector<std::pair<Index, Index>> seen;
  const MaximisationWatcher<double> watch = [&](const MaximisationStep<double>& step) {
    seen.emplace_back(step.first, step.step);
    CHECK(static_cast<Index>(step.objectives.size()) == step.inputs[0]);
    CHECK(step.inputs.shape() == Shape{step.first == 4 ? 1 : 2, 3, 16, 16});
  };
  const auto first = maximise_activations<double, Cpu>(network, context, "conv2", all, options, {}, watch);
  const auto again = maximise_activations<double, Cpu>(network, context, "conv2", all, options);
  REQUIRE(first.size() == 5);
  REQUIRE(seen.size() == 3 * 9);
  CHECK(seen[0] == std::pair<Index, Index>{0, 0});
  CHECK(seen[8] == std::pair<Index, Index>{0, 8});
  CHECK(seen[26] == std::pair<Index, Index>{4, 8});
  for (std::size_t r = 0; r < 5; ++r) {
    CHECK(std::equal(first[r].input.begin(), first[r].input.end(), again[r].input.begin()));
    CHECK(first[r].objective == again[r].objective);
  }
  const auto alone = maximise_activations<double, Cpu>(network, context, "conv2", one, options);
  CHECK(!(relative_error(alone[0].input, first[3].input) > 1e-9));
  options.seed = 2;
  const auto other = maximise_activations<double, Cpu>(network, context, "conv2", one, options);
  CHECK(relative_error(other[0].input, first[3].input) > 0.1);
}

TEST_CASE("a map that nothing excites is looked for", "[analysis][maximise]") {
  const Network<double, Cpu> network(small_model(-1e4f));
  const std::vector<Index> maps{1};
  const auto result = made_one(network, Context<Cpu>(1), "relu2", maps, bare(5));
  CHECK(result.objective == std::vector<double>(6, 0.0));
  // Five steps of noise of size 0.1 from zero.
  CHECK(norm(result.input) / std::sqrt(768.0) == Approx(0.1 * std::sqrt(5.0)).epsilon(0.1));
}

TEST_CASE("an ascent is the same in the units of any preprocessing", "[analysis][maximise]") {
  // The linear network's input y = 10 x + rest: ten times the lengths, moved by what rests.
  const auto network = linear_network<double>();
  const Context<Cpu> context(1);
  const std::vector<Index> units{1};
  MaximisationOptions options;
  options.steps = 10;
  options.jitter = 1;
  options.blur = 0.4;
  options.total_variation = 0;  // smoothed in the input's own units
  options.clip_norm = 10;
  const auto plain = made_one(network, context, "fc", units, options);
  options.pixel_deviation = 10;
  options.rest = {30, -20};
  const auto scaled = made_one(network, context, "fc", units, options);
  auto wanted = Tensor<double, Cpu>(plain.input.shape());
  for (Index i = 0; i < 60; ++i) wanted.data()[i] = 10 * plain.input.data()[i] + (i < 30 ? 30 : -20);
  CHECK(!(relative_error(scaled.input, wanted) > 1e-12));
}

TEST_CASE("each regulariser does its own to the input", "[analysis][maximise]") {
  const Network<double, Cpu> network(small_model());
  const Context<Cpu> context(1);
  const std::vector<Index> maps{2};
  MaximisationOptions options = bare(12);
  options.noise = 0.5;
  const auto made = [&](const MaximisationOptions& how) {
    return made_one(network, context, "conv2", maps, how).input;
  };
  const auto plain = made(options);
  MaximisationOptions how = options;
  how.l2_decay = 0.1;
  CHECK(norm(made(how)) < 0.8 * norm(plain));
  how = options;
  how.blur = 1;
  CHECK(roughness(made(how)) < 0.5 * roughness(plain));
  how = options;
  how.total_variation = 1;
  CHECK(total_variation<double>(made(how)) < 0.8 * total_variation<double>(plain));
  how = options;
  how.clip_norm = 25;
  CHECK(zeros(plain) == 0);
  CHECK(zeros(made(how)) == 64);
  how = options;
  how.clip_contribution = 50;
  CHECK(zeros(made(how)) == 128);
  how = options;
  how.lowest = {-0.1f, -0.2f, -0.3f};
  how.highest = {0.2f, 0.1f, 0.05f};
  const auto clamped = made(how);
  for (Index c = 0; c < 3; ++c) {
    const auto [low, high] = std::minmax_element(clamped.data() + c * 256, clamped.data() + (c + 1) * 256);
    CHECK(*low == static_cast<double>(how.lowest[static_cast<std::size_t>(c)]));
    CHECK(*high == static_cast<double>(how.highest[static_cast<std::size_t>(c)]));
  }
  // One pair a value: here the first alone may move.
  how.lowest.assign(768, -1e-6f);
  how.highest.assign(768, 1e-6f);
  how.lowest[0] = -9, how.highest[0] = 9;
  const auto held = made(how);
  CHECK(std::abs(held.data()[0]) > 1e-3);
  CHECK(std::all_of(held.begin() + 1, held.end(), [](double v) { return std::abs(v) < 2e-6; }));
  how = options;
  how.jitter = 4;
  CHECK(relative_error(made(how), plain) > 0.05);
}

TEST_CASE("an ascent that cannot be is said", "[analysis][maximise]") {
  const Network<float, Cpu> network(small_model());
  const Context<Cpu> context(1);
  const auto run = [&](const std::string& layer, std::vector<Index> maps, const MaximisationOptions& options,
                       const Shape& start = {}) {
    const auto image = start.rank() > 0 ? Tensor<float, Cpu>::filled(start, 0) : Tensor<float, Cpu>();
    static_cast<void>(maximise_activations<float, Cpu>(network, context, layer, maps, options, image.view()));
  };
  const MaximisationOptions good = bare(1);
  CHECK_NOTHROW(run("relu2", {0}, good));
  CHECK_THROWS_AS(run("relu9", {0}, good), ArgumentError);
  CHECK_THROWS_AS(run("relu2", {6}, good), ArgumentError);
  CHECK_THROWS_AS(run("relu2", {-1}, good), ArgumentError);
  CHECK_THROWS_AS(run("relu2", {}, good), ArgumentError);
  CHECK_THROWS_AS(run("relu2", {0}, good, {16, 16}), ShapeError);
  CHECK_THROWS_AS(run("relu2", {0}, good, {4, 16, 16}), ShapeError);
  const auto fails = [&](auto change) {
    MaximisationOptions options = good;
    change(options);
    CHECK_THROWS_AS(run("relu2", {0}, options), ArgumentError);
  };
  fails([](auto& o) { o.steps = 0; });
  fails([](auto& o) { o.step_size = 0; });
  fails([](auto& o) { o.step_size = nan_value; });
  fails([](auto& o) { o.noise = -1; });
  fails([](auto& o) { o.pixel_deviation = 0; });
  fails([](auto& o) { o.rest = {0, 0}; });
  fails([](auto& o) { o.l2_decay = 1; });
  fails([](auto& o) { o.l2_decay = nan_value; });
  fails([](auto& o) { o.blur = -0.1; });
  fails([](auto& o) { o.blur_every = 0; });
  fails([](auto& o) { o.clip_every = 0; });
  fails([](auto& o) { o.batch = 0; });
  fails([](auto& o) { o.jitter = 16; });
  fails([](auto& o) { o.jitter = -1; });
  fails([](auto& o) { o.total_variation = -1; });
  fails([](auto& o) { o.clip_norm = 100; });
  fails([](auto& o) { o.clip_contribution = -1; });
  fails([](auto& o) { o.lowest = {0}; });
  fails([](auto& o) { o.lowest = o.highest = {0, 0, 0}; });
  fails([](auto& o) { o.lowest = {0, 0}, o.highest = {1, 1}; });
  // Bytes grow with the units of a batch, and no further.
  MaximisationOptions options;
  options.batch = 2;
  const auto bytes = [&](Index units) { return maximisation_bytes(network, "relu2", units, options); };
  CHECK(bytes(2) == 2 * bytes(1));
  CHECK(bytes(9) == bytes(2));
  CHECK(bytes(1) > (8 * 14 * 14 + 3 * 16 * 16) * sizeof(float));
}

#if defined(DECONV_TEST_CUDA)
TEST_CASE("the Cuda device climbs the same way", "[analysis][maximise]") {
  if (!test::cuda_context()) return;
  const Network<float, Cpu> host(small_model());
  const Network<float, Cuda> card(*test::cuda_context(), small_model());
  const std::vector<Index> maps{0, 4};
  MaximisationOptions options;
  options.steps = 2;
  options.jitter = 2;
  const auto ours = maximise_activations<float, Cpu>(host, Context<Cpu>(1), "relu2", maps, options);
  const auto theirs = maximise_activations<float, Cuda>(card, *test::cuda_context(), "relu2", maps, options);
  for (std::size_t r = 0; r < 2; ++r) CHECK(!(relative_error(theirs[r].input, ours[r].input) > 1e-4));
}
#endif
