// Graphs as JSON: every kind there and back, short forms, and what is said of broken documents.
#include "deconv/io/graph_json.hpp"

#include <bit>
#include <cmath>
#include <limits>
#include <random>

#include "catch.hpp"
#include "deconv/nn/models/by_name.hpp"

using namespace deconv;
using deconv::test::Contains;

namespace {

/// A document with one node; `fields` are the node's own.
std::string document(const std::string& kind, const std::string& fields) {
  return R"({"inputs": [{"name": "x", "shape": [1, 4, 8, 8]}], "outputs": ["n"], "nodes": [{"name": "n", "kind": ")" +
         kind + R"(", "inputs": ["x"])" + (fields.empty() ? "" : ", " + fields) + "}]}";
}

node::Params read(const std::string& kind, const std::string& fields) {
  return io::parse_graph(document(kind, fields), "net.json").nodes.at(0).params;
}

std::string error_of(const std::string& text) {
  try {
    (void)io::parse_graph(text, "net.json");
  } catch (const FormatError& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("every kind goes there and back with unusual values") {
  const Window2d window{3, 2, 2, 1, 1, 2, {1, 0, 2, 3}, Rounding::ceil};
  const std::vector<node::Params> all = {
      node::Conv2d{8, {window, 2}, false},
      node::Conv2dTranspose{8, {window, 2, 1, 0}, false},
      node::MaxPool2d{{window}, true},
      node::MaxUnpool2d{window, 17, 19},
      node::AveragePool2d{{window, true}},
      node::GlobalAveragePool{},
      node::GlobalMaxPool{},
      node::Relu{0.1f},
      node::Lrn{{LrnRegion::within_channel, AlphaConvention::plain, 3, 5e-5f, 0.6f, 2.5f}},
      node::Linear{7, false},
      node::Softmax{-1},
      node::LogSoftmax{2},
      node::Dropout{0.3f},
      node::Concat{-2},
      node::Add{},
      node::BatchNorm{1e-3f},
      node::Flatten{2},
      node::Reshape{{0, -1, 3}},
      node::Pad2d{{-1, 2, -3, 4, 0.25f}},
      node::Identity{}};
  REQUIRE(all.size() + 1 == std::variant_size_v<node::Params>);  // all but node::Custom
  for (const node::Params& params : all) {
    INFO(kind_of(params));
    Graph graph{{{"x", {2, 4, 8, 8}}}, {{"n", params, {"x", "x"}, {"y"}}}, {"y"}, {{"other", "y"}}};
    if (!std::holds_alternative<node::Concat>(params) && !std::holds_alternative<node::Add>(params) &&
        !std::holds_alternative<node::MaxUnpool2d>(params))
      graph.nodes[0].inputs.pop_back();
    const io::Json json = io::graph_to_json(graph);
    const Graph again = io::parse_graph(json.dump(), "net.json");
    CHECK(again.nodes[0].params.index() == params.index());
    CHECK(io::graph_to_json(again) == json);
    CHECK(again.inputs[0].shape == graph.inputs[0].shape);
    CHECK(again.aliases == graph.aliases);
  }
  const auto again =
      read("conv2d", R"("out_channels": 8, "kernel": [3, 2], "stride": [2, 1], "dilation": [1, 2],
                                       "padding": [1, 0, 2, 3], "rounding": "ceil", "groups": 2, "bias": false)");
  CHECK(std::get<node::Conv2d>(again).params == Conv2dParams{window, 2});
}

TEST_CASE("a program's own layer cannot stand in a file") {
  const Graph graph{{{"x", {1, 1}}}, {{"n", node::Custom{}, {"x"}, {"y"}}}, {"y"}, {}};
  CHECK_THROWS_AS(io::graph_to_json(graph), FormatError);
  CHECK_THAT(error_of(document("custom", "")), Contains("custom"));
}

TEST_CASE("floats keep every bit and stay readable") {
  std::mt19937 random(1);
  for (int i = 0; i < 20000; ++i) {
    const float value = std::bit_cast<float>(static_cast<std::uint32_t>(random()));
    if (!std::isfinite(value)) continue;
    const Graph graph{{{"x", {1, 1}}}, {{"n", node::Relu{value}, {"x"}, {"y"}}}, {"y"}, {}};
    const Graph again = io::parse_graph(io::graph_to_json(graph).dump(), "n");
    const float met = std::get<node::Relu>(again.nodes[0].params).negative_slope;
    REQUIRE(std::bit_cast<std::uint32_t>(met) == std::bit_cast<std::uint32_t>(value));
  }
  const Graph graph{{{"x", {1, 1}}}, {{"n", node::Relu{0.1f}, {"x"}, {"y"}}}, {"y"}, {}};
  CHECK_THAT(io::graph_to_json(graph).dump(),
             Contains("\"negative_slope\":0.1,") || Contains("\"negative_slope\":0.1}"));
  const Graph endless{
      {{"x", {1, 1}}}, {{"n", node::Relu{std::numeric_limits<float>::infinity()}, {"x"}, {"y"}}}, {"y"}, {}};
  CHECK_THROWS_AS(io::graph_to_json(endless), ArgumentError);
}

TEST_CASE("the short forms that people write") {
  const auto conv = std::get<node::Conv2d>(read("conv2d", R"("out_channels": 6, "kernel": 3)"));
  CHECK(conv.params == Conv2dParams{Window2d::square(3), 1});
  CHECK(conv.bias);
  CHECK(std::get<node::Conv2d>(read("conv2d", R"("out_channels": 6, "kernel": 3, "padding": 2, "stride": 2)"))
            .params == Conv2dParams{Window2d::square(3, 2, 2), 1});
  CHECK(std::get<node::Softmax>(read("softmax", "")).axis == 1);
  const Graph graph = io::parse_graph(document("relu", ""), "net.json");
  CHECK(graph.nodes[0].outputs == std::vector<std::string>{"n"});
}

TEST_CASE("all models go there and back") {
  for (const std::string_view name : models::model_names()) {
    const Model model = models::model_by_name(name, {.classes = 10, .with_weights = false});
    const io::Json json = io::graph_to_json(model.graph);
    const Graph again = io::graph_from_json(json, std::string(name));
    CHECK(io::graph_to_json(again) == json);
    CHECK(infer_shapes(again) == infer_shapes(model.graph));
  }
}

TEST_CASE("broken documents are named with node and field") {
  CHECK(error_of(document("relu", "")) == "no error");
  CHECK(error_of(document("selu", "")) == "net.json: node \"n\": kind: unknown kind \"selu\"");
  CHECK(error_of(document("conv2d", R"("out_channels": 6)")) ==
        "net.json: node \"n\": field kernel is missing");
  CHECK(error_of(document("conv2d", R"("kernel": 3)")) ==
        "net.json: node \"n\": field out_channels is missing");
  CHECK(error_of(document("relu", R"("slope": 3)")) == "net.json: node \"n\": unknown field \"slope\"");
  CHECK_THAT(error_of(document("conv2d", R"("out_channels": 0, "kernel": 3)")),
             Contains("node \"n\": out_channels"));
  CHECK_THAT(error_of(document("conv2d", R"("out_channels": 1e30, "kernel": 3)")), Contains("whole number"));
  CHECK_THAT(error_of(document("conv2d", R"("out_channels": 99999999999999999999, "kernel": 3)")),
             Contains("whole number"));
  CHECK_THAT(error_of(document("conv2d", R"("out_channels": 4, "kernel": -1)")), Contains("kernel"));
  CHECK_THAT(error_of(document("conv2d", R"("out_channels": 4, "kernel": [3])")),
             Contains("one or 2 whole numbers"));
  CHECK_THAT(error_of(document("conv2d", R"("out_channels": 4, "kernel": 3, "padding": [1, 2])")),
             Contains("one or 4"));
  CHECK_THAT(error_of(document("conv2d", R"("out_channels": 4, "kernel": 3, "rounding": "up")")),
             Contains("floor or ceil"));
  CHECK_THAT(error_of(document("conv2d", R"("out_channels": 4, "kernel": 3, "bias": 1)")),
             Contains("true or false"));
  CHECK_THAT(error_of(document("relu", R"("negative_slope": "0.1")")), Contains("a number wanted"));
  CHECK_THAT(error_of(document("relu", R"("negative_slope": 1e39)")), Contains("float's range"));
  CHECK_THAT(error_of(document("softmax", R"("axis": 100)")), Contains("axis"));
  CHECK_THAT(error_of(document("reshape", R"("extents": [1, 2, 3, 4, 5, 6, 7, 8, 9])")),
             Contains("at most 8"));
  CHECK_THAT(error_of(document("reshape", R"("extents": [-2])")), Contains("extents"));
  CHECK_THAT(error_of(document("relu", R"("outputs": [3])")), Contains("a string wanted"));
  CHECK_THAT(error_of(document("relu", R"("name": "again")")), Contains("occurs twice"));
  CHECK_THAT(error_of("{}"), Contains("field inputs is missing"));
  CHECK_THAT(error_of("[]"), Contains("an object wanted"));
  CHECK_THAT(error_of("nothing"), Contains("not valid JSON"));
  CHECK_THAT(error_of(""), Contains("not valid JSON"));
  CHECK_THAT(error_of(R"({"inputs": [], "nodes": [], "outputs": []})"), Contains("graph: has no input"));
  CHECK_THAT(error_of(R"({"inputs": [{"name": "x", "shape": [1]}], "nodes": [3], "outputs": ["x"]})"),
             Contains("node 0"));
  CHECK_THAT(error_of(R"({"inputs": [{"name": "x", "shape": [-1]}], "nodes": [], "outputs": ["x"]})"),
             Contains("shape"));
  CHECK_THAT(
      error_of(
          R"({"inputs": [{"name": "x", "shape": [1073741824, 1073741824, 1073741824]}], "nodes": [], "outputs": ["x"]})"),
      Contains("too large"));
  CHECK_THAT(error_of(R"({"inputs": [{"name": "x", "shape": [1]}], "nodes": [], "outputs": ["y"]})"),
             Contains("no node makes"));
  CHECK_THAT(
      error_of(
          R"({"inputs": [{"name": "x", "shape": [1]}], "nodes": [], "outputs": ["x"], "aliases": {"a": "b"}})"),
      Contains("alias \"a\""));
}

TEST_CASE("a document cut anywhere is an Error") {
  const std::string whole =
      io::graph_to_json(models::lenet({.classes = 10, .with_weights = false}).graph).dump();
  CHECK(error_of(whole) == "no error");
  for (std::size_t size = 0; size < whole.size(); ++size)
    REQUIRE(error_of(whole.substr(0, size)) != "no error");
}
