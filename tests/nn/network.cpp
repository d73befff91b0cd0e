#include "deconv/nn/network.hpp"

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "deconv/nn/models/by_name.hpp"
#include "deconv/nn/reverse.hpp"
#include "nn/small_networks.hpp"
#include "support/catch.hpp"
#include "support/relative_error.hpp"

using namespace deconv;
using test::random_tensor;
using test::relative_error;

namespace {

std::vector<double> values_of(const Tensor<double, Cpu>& tensor) { return {tensor.begin(), tensor.end()}; }

/// conv, relu, pool, a branch, a join, a head.
Model small_model() {
  GraphBuilder net("x", {1, 3, 16, 16});
  net.add("conv1", node::Conv2d{6, {Window2d::square(3, 1, 1)}});
  net.add("relu1", node::Relu{});
  const std::string split = net.add("pool1", node::MaxPool2d{{Window2d::square(3, 2, 0, Rounding::ceil)}});
  net.add("left", node::Conv2d{4, {Window2d::square(1)}}, {split});
  const std::string left = net.add("left_relu", node::Relu{});
  net.add("right", node::Conv2d{4, {Window2d::square(3, 1, 1)}}, {split});
  const std::string right = net.add("right_relu", node::Relu{});
  net.add("join", node::Concat{}, {left, right});
  net.add("drop", node::Dropout{});
  net.add("pool2", node::GlobalAveragePool{});
  net.add("logits", node::Flatten{});
  net.add("prob", node::Softmax{});
  Graph graph = std::move(net).finish();
  graph.aliases["the first features"] = "relu1";
  return test::with_random_weights("small", std::move(graph));
}

std::string complaint(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& error) {
    return error.what();
  }
  return "no complaint";
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// tanh, as an embedding program would add it.
class Tanh final : public Layer<double, Cpu> {
 public:
  LayerTraits traits() const override { return {true, false, false, Reach::pointwise, {}}; }
  void forward(const ForwardPass<double, Cpu>& pass) const override {
    std::transform(pass.src[0].begin(), pass.src[0].end(), pass.dst[0].begin(),
                   [](double x) { return std::tanh(x); });
  }
  void reverse(const ReversePass<double, Cpu>& pass) const override {
    for (Index i = 0; i < pass.dst.count(); ++i)
      pass.diff_src[0].data()[i] = pass.diff_dst.data()[i] * (1 - pass.dst.data()[i] * pass.dst.data()[i]);
  }
  ReverseReads reverse_reads(const ReverseOptions&) const override { return {false, true, false}; }
};

}  // namespace

TEST_CASE("a trace holds every tensor, under its name, its alias or its layer's name") {
  const Network<double, Cpu> network(small_model());
  const Context<Cpu> context(1);
  const auto src = random_tensor<double>({2, 3, 16, 16}, 1);
  const auto trace = network.forward(context, src);
  CHECK(trace.images() == 2);
  for (std::size_t t = 0; t < network.topology().tensor_count(); ++t) {
    INFO(network.topology().name(t));
    CHECK(trace.has(network.topology().name(t)));
    CHECK(trace.activation(network.topology().name(t)).shape() == trace.shape(t));
  }
  CHECK(trace.shape("conv1") == Shape{2, 6, 16, 16});
  CHECK(trace.shape("pool1") == Shape{2, 6, 8, 8});
  CHECK(trace.shape("join") == Shape{2, 8, 8, 8});
  CHECK(trace.shape("logits") == Shape{2, 8});
  CHECK(values_of(trace.activation("x")) == values_of(src));
  CHECK(values_of(trace.activation("the first features")) == values_of(trace.activation("relu1")));
  const auto rectified = trace.activation("relu1"), before = trace.activation("conv1");
  CHECK(std::any_of(before.begin(), before.end(), [](double v) { return v < 0; }));
  for (Index i = 0; i < before.count(); ++i) CHECK(rectified.data()[i] == std::max(before.data()[i], 0.0));
  const auto probabilities = trace.activation("prob");
  double sum = 0;
  for (Index c = 0; c < 8; ++c) sum += probabilities.data()[8 + c];
  CHECK(!(std::abs(sum - 1) > 1e-12));
  CHECK(trace.bytes() > static_cast<std::size_t>(before.count()) * sizeof(double));
}

TEST_CASE("switches name the tap that won") {
  const Network<double, Cpu> network(small_model());
  const auto trace = network.forward(Context<Cpu>(1), random_tensor<double>({1, 3, 16, 16}, 2));
  const auto switches = trace.switches("pool1");
  const auto src = trace.activation("relu1"), dst = trace.activation("pool1");
  for (Index c = 0; c < 6; ++c)
    for (Index p = 0; p < 8; ++p)
      for (Index q = 0; q < 8; ++q) {
        const Index tap = switches.at(0, c, p, q);
        REQUIRE(tap < 9);
        CHECK(src(0, c, 2 * p + tap / 3, 2 * q + tap % 3) == dst(0, c, p, q));
      }
  CHECK_THROWS_AS(trace.switches("conv1"), ArgumentError);
  CHECK_THROWS_AS(trace.switches("x"), ArgumentError);
}

TEST_CASE("whatever a forward pass keeps, what it keeps has the same bits") {
  const Context<Cpu> context(2);
  for (auto& small : test::small_networks()) {
    INFO(small.model.name);
    const Network<double, Cpu> network(std::move(small.model));
    const auto src = random_tensor<double>(small.input, 3);
    const auto whole = network.forward(context, src);
    const auto lean = network.forward(context, src, ForwardOptions::outputs_only());
    const std::string& output = network.graph().outputs[0];
    CHECK(values_of(lean.activation(output)) == values_of(whole.activation(output)));
    for (std::size_t t = 0; t < network.topology().tensor_count(); ++t) {
      const std::string& name = network.topology().name(t);
      if (!whole.has(name)) continue;
      INFO(name);
      CHECK(values_of(network.forward(context, src, ForwardOptions::only({name})).activation(name)) ==
            values_of(whole.activation(name)));
      ForwardOptions part;
      part.up_to = name;
      CHECK(values_of(network.forward(context, src, part).activation(name)) ==
            values_of(whole.activation(name)));
      part.keep_everything = false;
      CHECK(values_of(network.forward(context, src, part).activation(name)) ==
            values_of(whole.activation(name)));
    }
  }
}

TEST_CASE("what was not asked for is not kept, what lies above is not computed") {
  const Network<double, Cpu> network(small_model());
  const Context<Cpu> context(1);
  const auto src = random_tensor<double>({1, 3, 16, 16}, 4);
  const auto lean = network.forward(context, src, ForwardOptions::only({"left"}));
  CHECK(lean.has("left"));
  CHECK(lean.has("prob"));
  for (const char* name : {"conv1", "relu1", "pool1", "right", "join", "logits"}) {
    INFO(name);
    CHECK_FALSE(lean.has(name));
  }
  CHECK(lean.bytes() < network.forward(context, src).bytes() / 4);
  ForwardOptions part;
  part.up_to = "left_relu";
  const auto lower = network.forward(context, src, part);
  CHECK(lower.has("pool1"));
  CHECK(lower.has("left_relu"));
  for (const char* name : {"right", "join", "prob"}) {
    INFO(name);
    CHECK_FALSE(lower.has(name));
  }
  part.keep = {"right"};
  CHECK(network.forward(context, src, part).has("right"));
}

TEST_CASE("a trace outlives its network") {
  auto network = std::make_unique<Network<double, Cpu>>(small_model());
  const auto trace = network->forward(Context<Cpu>(1), random_tensor<double>({1, 3, 16, 16}, 5));
  const auto before = values_of(trace.activation("join"));
  network.reset();
  CHECK(values_of(trace.activation("join")) == before);
}

TEST_CASE("one network serves two threads, and each gets what it gets alone") {
  const Network<float, Cpu> network(models::model_by_name(
      "squeezenet1.1", models::Options{.classes = 10, .initialisation = Initialisation::he}));
  std::vector<Tensor<float, Cpu>> images;
  for (std::uint64_t seed = 0; seed < 2; ++seed)
    images.push_back(random_tensor<float>({1, 3, 224, 224}, seed));
  const auto work = [&](const Tensor<float, Cpu>& src) {
    const Context<Cpu> context(1);
    const auto trace = network.forward(context, src);
    auto signal = Tensor<float, Cpu>::filled(trace.shape("logits"), 1.0f);
    const auto down = reverse<float, Cpu>(network, context, trace, "logits", signal.view(), "data", {});
    const auto logits = trace.activation(context, "logits");
    std::vector<float> all(logits.begin(), logits.end());
    all.insert(all.end(), down.begin(), down.end());
    return all;
  };
  std::vector<std::vector<float>> together(2);
  {
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < 2; ++i)
      threads.emplace_back([&, i] {
        for (int turn = 0; turn < 2; ++turn) together[i] = work(images[i]);
      });
    for (auto& thread : threads) thread.join();
  }
  for (std::size_t i = 0; i < 2; ++i) CHECK(together[i] == work(images[i]));
  CHECK(together[0] != together[1]);
}

TEST_CASE("an image gives the same in a batch as alone, and from either layout") {
  const Network<double, Cpu> network(small_model());
  const Context<Cpu> context(2);
  const auto batch = random_tensor<double>({5, 3, 16, 16}, 6);
  const auto all = network.forward(context, batch).activation("prob");
  for (Index n = 0; n < 5; ++n) {
    const auto alone = network.forward(context, batch.view().slice(n, 1)).activation("prob");
    CHECK(!(relative_error(std::span<const double>(all.view().slice(n, 1).span()),
                           std::span<const double>(alone.span())) > 1e-14));
  }
  Tensor<double, Cpu> woven(batch.shape(), Layout::nhwc);
  copy_layout<double>(context, batch.view(), woven.view());
  CHECK(values_of(network.forward(context, woven).activation("prob")) == values_of(all));
}

TEST_CASE("the size of the images is free where the layers allow it") {
  const Network<double, Cpu> network(small_model());
  const Context<Cpu> context(1);
  for (const auto& [height, width] : {std::pair<Index, Index>{9, 31}, {3, 3}, {40, 8}}) {
    const auto trace = network.forward(context, random_tensor<double>({2, 3, height, width}, 7));
    CHECK(trace.shape("conv1") == Shape{2, 6, height, width});
    CHECK(trace.shape("prob") == Shape{2, 8});
  }
  const Network<float, Cpu> lenet(models::model_by_name("lenet"));
  const std::string text = complaint([&] {
    (void)lenet.forward(context, Tensor<float, Cpu>::filled({1, 1, 32, 32}, 0.0f));
  });
  INFO(text);
  CHECK(contains(text, "ip1"));
}

TEST_CASE("inputs of wrong shapes are refused with what was wanted and met") {
  const Network<double, Cpu> network(small_model());
  const Context<Cpu> context(1);
  const auto text = complaint([&] {
    (void)network.forward(context, Tensor<double, Cpu>::filled({1, 4, 16, 16}, 0.0));
  });
  INFO(text);
  CHECK(contains(text, "[1,3,16,16]"));
  CHECK(contains(text, "[1,4,16,16]"));
  CHECK_THROWS_AS(network.forward(context, Tensor<double, Cpu>::filled({3, 16, 16}, 0.0)), ShapeError);
  CHECK_THROWS_AS(network.forward(context, NetworkInputs<double, Cpu>{}), ArgumentError);
}

TEST_CASE("an unknown name is answered with the nearest ones, a tensor that is gone with its name") {
  const Network<double, Cpu> network(small_model());
  const Context<Cpu> context(1);
  const auto src = random_tensor<double>({1, 3, 16, 16}, 8);
  const auto trace = network.forward(context, src, ForwardOptions::outputs_only());
  const auto unknown = complaint([&] { (void)trace.activation("cnv1"); });
  INFO(unknown);
  CHECK(contains(unknown, "\"cnv1\""));
  CHECK(contains(unknown, "\"conv1\""));
  CHECK(unknown.find("\"conv1\"") < unknown.find("\"pool1\""));
  CHECK_THROWS_AS(network.forward(context, src, ForwardOptions::only({"left2"})), ArgumentError);
  ForwardOptions part;
  part.up_to = "nowhere";
  CHECK_THROWS_AS(network.forward(context, src, part), ArgumentError);
  const auto gone = complaint([&] { (void)trace.activation("join"); });
  CHECK(contains(gone, "\"join\" was not kept"));
  CHECK_THROWS_AS(trace.indices("prob"), ArgumentError);
}

TEST_CASE("indices of a pooling come out of the trace and go in from outside") {
  Graph graph;
  graph.inputs = {{"x", {1, 2, 4, 4}}};
  graph.nodes.push_back({"pool", node::MaxPool2d{{Window2d::square(2, 2)}}, {"x"}, {"pool", "places"}});
  graph.outputs = {"pool"};
  const Network<double, Cpu> pool(Model{"pool", std::move(graph), {}});
  const Context<Cpu> context(1);
  const auto src = random_tensor<double>({1, 2, 4, 4}, 9);
  const auto trace = pool.forward(context, src);
  const auto places = trace.indices("places");
  const auto largest = trace.activation("pool");
  for (Index i = 0; i < 8; ++i) CHECK(src.data()[places.data()[i]] == largest.data()[i]);

  Graph back;
  back.inputs = {{"values", {1, 2, 2, 2}}, {"places", {1, 2, 2, 2}}};
  back.nodes.push_back(
      {"unpool", node::MaxUnpool2d{Window2d::square(2, 2), 4, 4}, {"values", "places"}, {"unpool"}});
  back.outputs = {"unpool"};
  const Network<double, Cpu> unpool(Model{"unpool", std::move(back), {}});
  NetworkInputs<double, Cpu> inputs;
  inputs.values.emplace("values", largest.view());
  inputs.indices.emplace("places", places);
  const auto placed = unpool.forward(context, inputs).activation("unpool");
  for (Index i = 0; i < 32; ++i) {
    const bool won = std::find(places.begin(), places.end(), i) != places.end();
    CHECK(placed.data()[i] == (won ? src.data()[i] : 0.0));
  }
}

TEST_CASE("parameters are read and changed by name") {
  Network<double, Cpu> network(small_model());
  const Context<Cpu> context(1);
  const auto src = random_tensor<double>({1, 3, 16, 16}, 10);
  auto parameters = network.parameters();
  REQUIRE(parameters.contains("conv1.weight"));
  CHECK(parameters.at("conv1.weight")->shape() == Shape{6, 3, 3, 3});
  CHECK(parameters.size() == 6);
  const auto before = values_of(network.forward(context, src).activation("relu1"));
  for (double& weight : parameters.at("conv1.weight")->span()) weight *= 2;
  for (double& bias : parameters.at("conv1.bias")->span()) bias *= 2;
  network.parameters_changed();
  const auto after = values_of(network.forward(context, src).activation("relu1"));
  for (std::size_t i = 0; i < before.size(); ++i) CHECK(!(std::abs(after[i] - 2 * before[i]) > 1e-12));
}

TEST_CASE("a program's own layer runs forward and in reverse") {
  const auto model = [] {
    GraphBuilder net("x", {1, 2, 5, 5});
    net.add("conv", node::Conv2d{3, {Window2d::square(3)}});
    net.add("tanh", node::Custom{[](const std::vector<Shape>& inputs) { return inputs[0]; }});
    return test::with_random_weights("own", std::move(net).finish());
  };
  std::map<std::string, std::unique_ptr<Layer<double, Cpu>>> own;
  own.emplace("tanh", std::make_unique<Tanh>());
  const Network<double, Cpu> network(model(), std::move(own));
  const Context<Cpu> context(1);
  const auto trace = network.forward(context, random_tensor<double>({2, 2, 5, 5}, 11));
  const auto src = trace.activation("conv"), dst = trace.activation("tanh");
  for (Index i = 0; i < src.count(); ++i) CHECK(dst.data()[i] == std::tanh(src.data()[i]));
  const auto signal = random_tensor<double>(dst.shape(), 12);
  const auto down = reverse<double, Cpu>(network, context, trace, "tanh", signal.view(), "conv",
                                         ReverseOptions::gradient());
  for (Index i = 0; i < src.count(); ++i)
    CHECK(down.data()[i] == signal.data()[i] * (1 - dst.data()[i] * dst.data()[i]));
  CHECK_THROWS_AS((Network<double, Cpu>(model())), ArgumentError);
}

TEST_CASE("weights that do not fit the graph are refused by name") {
  Model lacking = small_model();
  lacking.weights.erase("left.bias");
  CHECK(contains(complaint([&] { Network<double, Cpu> network(std::move(lacking)); }), "left.bias"));
  Model odd = small_model();
  odd.weights.at("right.weight") = Tensor<float, Cpu>::filled({4, 6, 3, 2}, 0.0f);
  const auto text = complaint([&] { Network<double, Cpu> network(std::move(odd)); });
  INFO(text);
  CHECK(contains(text, "right.weight"));
  CHECK(contains(text, "[4,6,3,3]"));
  CHECK(contains(text, "[4,6,3,2]"));
}
