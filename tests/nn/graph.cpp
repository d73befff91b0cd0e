// Graphs as plain data: order, names, shapes, weights, and what is said of broken ones.
#include "deconv/nn/graph.hpp"

#include <algorithm>
#include <cmath>
#include <random>

#include "catch.hpp"
#include "deconv/nn/graph_builder.hpp"
#include "deconv/nn/initialise.hpp"

using namespace deconv;
using deconv::test::Contains;

namespace {

/// data -> conv1 -> relu1 -> {pool1, side} -> sum -> fc
Graph small_graph() {
  GraphBuilder net("data", {2, 3, 9, 9});
  net.add("conv1", node::Conv2d{4, {Window2d::square(3, 2)}});
  const std::string rectified = net.add("relu1", node::Relu{});
  const std::string pooled = net.add("pool1", node::MaxPool2d{{Window2d::square(2, 2)}, false});
  const std::string side = net.add("side", node::Conv2d{4, {Window2d::square(2, 2)}, false}, {rectified});
  net.add("sum", node::Add{}, {pooled, side});
  net.add("fc", node::Linear{5});
  return std::move(net).finish();
}

std::string error_of(Graph graph) {
  try {
    sort_and_check(graph);
  } catch (const FormatError& error) {
    return error.what();
  }
  return "no error";
}

std::string shape_error_of(const Graph& graph) {
  try {
    (void)infer_shapes(graph);
  } catch (const ShapeError& error) {
    return error.what();
  }
  return "no error";
}

/// One node behind an input of the given shape.
Graph single(node::Params params, const Shape& shape, std::size_t inputs = 1) {
  return Graph{
      {{"x", shape}}, {{"n", std::move(params), std::vector<std::string>(inputs, "x"), {"y"}}}, {"y"}, {}};
}

Shape output_of(node::Params params, const Shape& shape, std::size_t inputs = 1) {
  return infer_shapes(single(std::move(params), shape, inputs)).at("y");
}

}  // namespace

TEST_CASE("a shuffled graph is put in order, a sorted one stays as it is") {
  const Graph sorted = small_graph();
  Graph again = small_graph();
  sort_and_check(again);
  for (std::size_t i = 0; i < sorted.nodes.size(); ++i) CHECK(again.nodes[i].name == sorted.nodes[i].name);

  std::mt19937 random(7);
  for (int round = 0; round < 20; ++round) {
    Graph shuffled = small_graph();
    std::shuffle(shuffled.nodes.begin(), shuffled.nodes.end(), random);
    sort_and_check(shuffled);
    const auto shapes = infer_shapes(shuffled);
    CHECK(shapes.at("fc") == Shape{2, 5});
  }
}

TEST_CASE("shapes follow the batch size") {
  const Graph graph = small_graph();
  CHECK(infer_shapes(graph).at("conv1") == Shape{2, 4, 4, 4});
  CHECK(infer_shapes(graph, 7).at("conv1") == Shape{7, 4, 4, 4});
  CHECK(infer_shapes(graph, 7).at("sum") == Shape{7, 4, 2, 2});
  CHECK(infer_shapes(graph, 7).at("fc") == Shape{7, 5});
  CHECK_THROWS_AS(infer_shapes(graph, -1), ArgumentError);
}

TEST_CASE("each kind's output shape") {
  const Shape image{2, 6, 9, 7};
  CHECK(output_of(node::Conv2d{8, {Window2d::square(3, 2, 1, Rounding::ceil), 2}}, image) ==
        Shape{2, 8, 5, 4});
  CHECK(output_of(node::Conv2dTranspose{4, {Window2d::square(3, 2, 1), 2, 1, 0}}, image) ==
        Shape{2, 4, 18, 13});
  CHECK(output_of(node::MaxPool2d{{Window2d::square(3, 2, 0, Rounding::ceil)}, false}, image) ==
        Shape{2, 6, 4, 3});
  CHECK(output_of(node::AveragePool2d{{Window2d::square(3, 2), false}}, {2, 6, 8, 7}) == Shape{2, 6, 3, 3});
  CHECK(output_of(node::MaxUnpool2d{Window2d::square(2, 2), 0, 0}, image, 2) == Shape{2, 6, 18, 14});
  CHECK(output_of(node::MaxUnpool2d{Window2d::square(2, 2), 19, 15}, image, 2) == Shape{2, 6, 19, 15});
  CHECK(output_of(node::GlobalAveragePool{}, image) == Shape{2, 6, 1, 1});
  CHECK(output_of(node::GlobalMaxPool{}, image) == Shape{2, 6, 1, 1});
  CHECK(output_of(node::Lrn{}, image) == image);
  CHECK(output_of(node::Linear{10, true}, image) == Shape{2, 10});
  CHECK(output_of(node::Softmax{-1}, image) == image);
  CHECK(output_of(node::Concat{1}, image, 3) == Shape{2, 18, 9, 7});
  CHECK(output_of(node::Concat{-1}, image, 2) == Shape{2, 6, 9, 14});
  CHECK(output_of(node::Add{}, image, 3) == image);
  CHECK(output_of(node::BatchNorm{}, image) == image);
  CHECK(output_of(node::Flatten{1}, image) == Shape{2, 378});
  CHECK(output_of(node::Flatten{-1}, image) == Shape{108, 7});
  CHECK(output_of(node::Flatten{4}, image) == Shape{756, 1});
  CHECK(output_of(node::Flatten{0}, image) == Shape{1, 756});
  CHECK(output_of(node::Reshape{{0, -1}}, image) == Shape{2, 378});
  CHECK(output_of(node::Reshape{{0, 3, 2, -1}}, image) == Shape{2, 3, 2, 63});
  CHECK(output_of(node::Pad2d{{1, -2, 3, 0, 0.0f}}, image) == Shape{2, 6, 13, 5});
  CHECK(output_of(node::Identity{}, image) == image);
}

TEST_CASE("broken graphs are named, with the node") {
  Graph graph = small_graph();
  graph.nodes[2].inputs = {"nowhere"};
  CHECK(error_of(graph) == "max_pool2d \"pool1\": unknown input \"nowhere\"");
  graph = small_graph();
  graph.nodes[0].inputs = {"sum"};
  CHECK_THAT(error_of(graph), Contains("cycle"));
  graph = small_graph();
  graph.nodes[1].name = "conv1";
  CHECK(error_of(graph) == "graph: two nodes are named \"conv1\"");
  graph = small_graph();
  graph.nodes[1].outputs = {"conv1"};
  CHECK(error_of(graph) == "relu \"relu1\": output \"conv1\" is already an output of conv2d \"conv1\"");
  graph = small_graph();
  graph.nodes[1].outputs = {"data"};
  CHECK_THAT(error_of(graph), Contains("already an input of the graph"));
  graph = small_graph();
  graph.nodes[1].outputs = {"a", "b"};
  CHECK(error_of(graph) == "relu \"relu1\": wants 1 output(s), met 2");
  graph = small_graph();
  graph.nodes[4].inputs = {"pool1"};
  CHECK(error_of(graph) == "add \"sum\": wants at least 2 input(s), met 1");
  graph = small_graph();
  graph.nodes[0].name.clear();
  CHECK_THAT(error_of(graph), Contains("has no name"));
  graph = small_graph();
  graph.outputs = {"prob"};
  CHECK(error_of(graph) == "graph: no node makes the output \"prob\"");
  graph = small_graph();
  graph.outputs.clear();
  CHECK(error_of(graph) == "graph: has no output");
  graph = small_graph();
  graph.inputs.clear();
  CHECK(error_of(graph) == "graph: has no input");
  graph = small_graph();
  graph.aliases["loss"] = "nowhere";
  CHECK_THAT(error_of(graph), Contains("alias \"loss\""));
  CHECK(error_of(small_graph()) == "no error");
}

TEST_CASE("names out of hostile files leave one readable line") {
  Graph graph = small_graph();
  graph.nodes[2].inputs = {"a\nb\x01" + std::string(100000, 'z')};
  const std::string error = error_of(graph);
  CHECK(error.find('\n') == std::string::npos);
  CHECK(error.size() < 200);
}

TEST_CASE("a cycle is told apart from what hangs on it") {
  // a -> b -> a, and a tail that only depends on the cycle.
  Graph graph{{{"x", {1, 1}}}, {}, {"tail"}, {}};
  graph.nodes.push_back({"tail", node::Relu{}, {"b"}, {"tail"}});
  graph.nodes.push_back({"a", node::Relu{}, {"b"}, {"a"}});
  graph.nodes.push_back({"b", node::Relu{}, {"a"}, {"b"}});
  const std::string error = error_of(graph);
  CHECK((error == "graph: a cycle leads through relu \"a\"" ||
         error == "graph: a cycle leads through relu \"b\""));
}

TEST_CASE("a long chain in reverse order is sorted without recursion or squares") {
  Graph graph{{{"t0", {1, 1, 1, 1}}}, {}, {"t200000"}, {}};
  for (int i = 200000; i > 0; --i)
    graph.nodes.push_back({message('n', i), node::Relu{}, {message('t', i - 1)}, {message('t', i)}});
  sort_and_check(graph);
  CHECK(graph.nodes.front().name == "n1");
  CHECK(graph.nodes.back().name == "n200000");
  CHECK(infer_shapes(graph).size() == 200001);
}

TEST_CASE("shapes that do not fit are named, with the node") {
  CHECK_THAT(shape_error_of(single(node::Conv2d{4, {Window2d::square(11)}}, {1, 3, 9, 9})),
             Contains("conv2d \"n\"") && Contains("does not fit"));
  CHECK_THAT(shape_error_of(single(node::Conv2d{4, {Window2d::square(3), 2}}, {1, 3, 9, 9})),
             Contains("groups"));
  CHECK_THAT(shape_error_of(single(node::Conv2d{0, {Window2d::square(3)}}, {1, 3, 9, 9})),
             Contains("at least 1"));
  CHECK_THAT(shape_error_of(single(node::Conv2d{4, {Window2d::square(3)}}, {1, 3})), Contains("rank-4"));
  CHECK_THAT(shape_error_of(single(node::Linear{4, true}, {3})), Contains("rank 2"));
  CHECK_THAT(shape_error_of(single(node::Softmax{4}, {1, 3, 2, 2})), Contains("axis 4"));
  CHECK_THAT(shape_error_of(single(node::Flatten{5}, {1, 3, 2, 2})), Contains("axis 5"));
  CHECK_THAT(shape_error_of(single(node::Reshape{{-1, -1}}, {1, 4})), Contains("more than one"));
  CHECK_THAT(shape_error_of(single(node::Reshape{{3, -1}}, {1, 4})), Contains("do not divide"));
  CHECK_THAT(shape_error_of(single(node::Reshape{{5}}, {1, 4})), Contains("wants 5 elements"));
  CHECK_THAT(shape_error_of(single(node::Reshape{{1, 2, 3, 0, 0}}, {1, 4})), Contains("copies extent 3"));
  CHECK_THAT(shape_error_of(single(node::BatchNorm{}, {1, 4, 2})), Contains("rank 2 or 4"));
  CHECK_THAT(shape_error_of(single(node::Pad2d{{-5, 0, -5, 0, 0.0f}}, {1, 1, 9, 9})),
             Contains("leaves nothing"));
  Graph odd = small_graph();
  std::get<node::Conv2d>(odd.nodes[3].params).out_channels = 5;
  CHECK_THAT(shape_error_of(odd), Contains("add \"sum\"") && Contains("[2,4,2,2] and [2,5,2,2]"));
}

TEST_CASE("absurd numbers end in a ShapeError, not in a wrap") {
  const Index huge = Index{1} << 62, large = Index{1} << 30;
  const Shape image{1, 1, 8, 8};
  CHECK_THAT(shape_error_of(single(node::Conv2d{huge, {Window2d::square(3)}}, image)),
             Contains("conv2d \"n\""));
  CHECK_THAT(shape_error_of(single(node::Conv2d{1, {Window2d::square(huge)}}, image)), Contains("kernel"));
  CHECK_THAT(shape_error_of(single(node::Conv2d{1, {Window2d::square(3, 1, huge)}}, image)),
             Contains("padding"));
  CHECK_THAT(
      shape_error_of(single(node::Conv2dTranspose{1, {Window2d::square(3, large), 1, huge, 0}}, image)),
      Contains("behind"));
  CHECK_THAT(shape_error_of(single(node::Conv2dTranspose{1, {Window2d::square(3, large), 1, 0, 0}}, image)),
             Contains("too large") || Contains("goes beyond"));
  CHECK_THAT(shape_error_of(single(node::MaxUnpool2d{Window2d::square(2, 2), huge, huge}, image, 2)),
             Contains("output"));
  CHECK_THAT(shape_error_of(single(node::Pad2d{{huge, huge, huge, huge, 0.0f}}, image)), Contains("pads by"));
  CHECK_THAT(shape_error_of(single(node::Lrn{{.size = -3}}, image)), Contains("region size"));
  CHECK_THAT(shape_error_of(single(node::Identity{}, {Index{1} << 40})), Contains("goes beyond"));

  // Concatenating with oneself doubles: sixty times of that is more than memory ever had.
  Graph doubling{{{"t0", {1, 1, 1, 1}}}, {}, {"t60"}, {}};
  for (int i = 1; i <= 60; ++i)
    doubling.nodes.push_back(
        {message('n', i), node::Concat{1}, {message('t', i - 1), message('t', i - 1)}, {message('t', i)}});
  sort_and_check(doubling);
  CHECK_THAT(shape_error_of(doubling), Contains("concat \"n31\""));
}

TEST_CASE("weights are wanted by name and shape") {
  Model model{"small", small_graph(), {}};
  CHECK(weight_shapes(model.graph) == std::map<std::string, Shape>{{"conv1.weight", {4, 3, 3, 3}},
                                                                   {"conv1.bias", {4}},
                                                                   {"side.weight", {4, 4, 2, 2}},
                                                                   {"fc.weight", {5, 16}},
                                                                   {"fc.bias", {5}}});
  CHECK(parameter_count(model) == 4 * 27 + 4 + 4 * 16 + 5 * 16 + 5);
  CHECK(multiply_adds(model.graph) == 4 * 27 * 16 + 4 * 16 * 4 + 5 * 16);

  const auto error = [&] {
    try {
      check_weights(model);
    } catch (const FormatError& problem) {
      return std::string(problem.what());
    }
    return std::string("no error");
  };
  CHECK_THAT(error(), Contains("is missing"));
  initialise(model, Initialisation::he, 1);
  CHECK(error() == "no error");
  model.weights.insert_or_assign("conv1.weight", Tensor<float, Cpu>({4, 4, 3, 3}));
  CHECK(error() == "weight \"conv1.weight\": wants shape [4,3,3,3], met [4,4,3,3]");
  initialise(model, Initialisation::he, 1);
  model.weights.emplace("conv9.weight", Tensor<float, Cpu>({1}));
  CHECK(error() == "weight \"conv9.weight\" belongs to no node");
}

TEST_CASE("weights of the other kinds") {
  const auto of = [](node::Params params, const Shape& shape) {
    return weight_shapes(Node{"n", std::move(params), {"x"}, {"y"}}, {shape});
  };
  CHECK(of(node::Conv2dTranspose{6, {Window2d::square(3), 2, 0, 0}, true}, {1, 4, 5, 5}) ==
        std::map<std::string, Shape>{{"n.weight", {4, 3, 3, 3}}, {"n.bias", {6}}});
  CHECK(of(node::Conv2d{6, {Window2d::square(3), 2}, false}, {1, 4, 5, 5}) ==
        std::map<std::string, Shape>{{"n.weight", {6, 2, 3, 3}}});
  CHECK(
      of(node::BatchNorm{}, {1, 4, 5, 5}) ==
      std::map<std::string, Shape>{{"n.scale", {4}}, {"n.bias", {4}}, {"n.mean", {4}}, {"n.variance", {4}}});
  CHECK(of(node::Relu{}, {1, 4}).empty());
  CHECK_THROWS_AS(of(node::Conv2d{6, {Window2d::square(3)}, false}, {1, 4}), ShapeError);
  // 2^30 maps of 2^30 taps do not fit any memory; counting them must not wrap either.
  CHECK_THROWS_AS(
      of(node::Conv2d{Index{1} << 30, {Window2d::square(Index{1} << 15, 1, Index{1} << 15)}}, {1, 4, 5, 5}),
      ShapeError);
}

TEST_CASE("starting weights depend on seed and name alone") {
  Model one{"small", small_graph(), {}}, two{"small", small_graph(), {}};
  initialise(one, Initialisation::paper, 3, Context<Cpu>(1));
  initialise(two, Initialisation::paper, 3, Context<Cpu>(2));
  for (const auto& [name, weight] : one.weights)
    CHECK(std::ranges::equal(weight.span(), two.weights.at(name).span()));
  initialise(two, Initialisation::paper, 4);
  CHECK_FALSE(std::ranges::equal(one.weights.at("fc.weight").span(), two.weights.at("fc.weight").span()));

  const auto deviation = [](const Tensor<float, Cpu>& weight) {
    double sum = 0;
    for (const float value : weight.span()) sum += static_cast<double>(value) * static_cast<double>(value);
    return std::sqrt(sum / static_cast<double>(weight.count()));
  };
  Model wide{"wide", {}, {}};
  GraphBuilder net("data", {1, 100});
  net.add("fc", node::Linear{1000});
  wide.graph = std::move(net).finish();
  initialise(wide, Initialisation::paper, 1);
  CHECK(std::abs(deviation(wide.weights.at("fc.weight")) - 0.01) <
        1e-4);  // 1e5 numbers: 0.2 % of error is typical
  CHECK(deviation(wide.weights.at("fc.bias")) == 0.0);
  initialise(wide, Initialisation::he, 1);
  CHECK(std::abs(deviation(wide.weights.at("fc.weight")) - std::sqrt(0.02)) < 1.5e-3);
  initialise(wide, Initialisation::torch, 1);
  for (const char* name : {"fc.weight", "fc.bias"}) {
    // Uniform within 1 / sqrt(100): the deviation is that over sqrt(3), and the ends are reached.
    const auto [low, high] = std::ranges::minmax(wide.weights.at(name).span());
    CHECK((low >= -0.1f && low < -0.099f));
    CHECK((high <= 0.1f && high > 0.099f));
    CHECK(std::abs(deviation(wide.weights.at(name)) - 0.1 / std::sqrt(3.0)) < 2e-3);
  }
}
