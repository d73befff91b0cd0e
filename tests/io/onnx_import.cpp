// What the nodes of ONNX graphs become: parameters, weights, names, folded constants.

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "deconv/io/onnx.hpp"
#include "io/onnx_builder.hpp"
#include "support/catch.hpp"

namespace {

using namespace deconv;
using test::OnnxBuilder;
using Floats = test::OnnxTensorBytes;

Model read(const OnnxBuilder& builder, const io::OnnxOptions& options = {}) {
  return io::read_onnx(builder.bytes(), options, "test");
}
std::string error_of(const OnnxBuilder& builder, const io::OnnxOptions& options = {}) {
  try {
    static_cast<void>(read(builder, options));
  } catch (const Error& failure) {
    return failure.what();
  }
  return "";
}
bool mentions(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

std::vector<float> counting(std::size_t count) {
  std::vector<float> values(count);
  for (std::size_t i = 0; i < count; ++i) values[i] = static_cast<float>(i);
  return values;
}
std::vector<float> list(const Tensor<float, Cpu>& tensor) { return {tensor.begin(), tensor.end()}; }

template <class Layer>
const Layer& params(const Model& model, std::size_t node) {
  REQUIRE(node < model.graph.nodes.size());
  const auto* found = std::get_if<Layer>(&model.graph.nodes[node].params);
  REQUIRE(found != nullptr);
  return *found;
}

// A graph of one node of the operator from x to y.
OnnxBuilder one(const std::string& op, const std::vector<std::int64_t>& shape,
                const std::vector<test::OnnxAttribute>& attributes, std::int64_t opset = 13) {
  OnnxBuilder builder(opset);
  builder.input("x", shape).node(op, {"x"}, {"y"}, attributes).output("y");
  return builder;
}
Shape shape_of(const Model& model, const std::string& name, Index batch = 0) {
  return infer_shapes(model.graph, batch).at(name);
}

}  // namespace

TEST_CASE("nodes are known by their own names and by those of their outputs") {
  OnnxBuilder builder;
  builder.input("x", {0, 3}).node("Relu", {"x"}, {"t1"}, {}, "first").node("Relu", {"t1"}, {"t2"});
  builder.node("Relu", {"t2"}, {"y"}, {}, "first").output("y");
  const Model model = read(builder);
  REQUIRE(model.graph.nodes.size() == 3);
  CHECK(model.graph.nodes[0].name == "first");
  CHECK(model.graph.nodes[1].name == "t2");
  CHECK(model.graph.nodes[2].name == "y");  // the name was taken
  CHECK(model.graph.aliases == std::map<std::string, std::string>{{"first", "t1"}});
  CHECK(model.graph.inputs[0].shape == Shape{1, 3});
}

TEST_CASE("auto_pad follows ONNX's formulas") {
  const auto padding = [](const char* mode, std::int64_t kernel, std::int64_t stride) {
    const Model model = read(one("MaxPool", {1, 1, 5, 6},
                                 {{"kernel_shape", {kernel, kernel}},
                                  {"strides", {stride, stride}},
                                  {"auto_pad", std::string(mode)}}));
    return params<node::MaxPool2d>(model, 0).params.window.padding;
  };
  CHECK(padding("SAME_UPPER", 2, 1) == Padding{0, 0, 1, 1});
  CHECK(padding("SAME_LOWER", 2, 1) == Padding{1, 1, 0, 0});
  CHECK(padding("SAME_UPPER", 3, 2) == Padding{1, 0, 1, 1});
  CHECK(padding("SAME_LOWER", 3, 2) == Padding{1, 1, 1, 0});
  CHECK(padding("VALID", 3, 2) == Padding{});
  CHECK(mentions(
      error_of(one("MaxPool", {1, 1, 5, 5}, {{"kernel_shape", {2, 2}}, {"auto_pad", std::string("MAYBE")}})),
      "MAYBE"));
}

TEST_CASE("poolings keep their options") {
  const Model pool = read(one("MaxPool", {2, 3, 8, 8},
                              {{"kernel_shape", {3, 2}},
                               {"strides", {2, 1}},
                               {"pads", {1, 0, 0, 1}},
                               {"dilations", {1, 2}},
                               {"ceil_mode", 1},
                               {"storage_order", 1}}));
  const auto& layer = params<node::MaxPool2d>(pool, 0);
  CHECK(layer.params.window == Window2d{3, 2, 2, 1, 1, 2, {1, 0, 0, 1}, Rounding::ceil});
  CHECK(layer.column_major);
  CHECK(pool.graph.nodes[0].outputs.size() == 1);
  const Model mean =
      read(one("AveragePool", {1, 1, 4, 4}, {{"kernel_shape", {2, 2}}, {"count_include_pad", 1}}));
  CHECK(params<node::AveragePool2d>(mean, 0).params.count_padding);
  CHECK(mentions(error_of(one("MaxPool", {1, 2, 9}, {{"kernel_shape", {3}}})), "two-dimensional"));
  CHECK(mentions(error_of(one("MaxPool", {1, 2, 9, 9}, {{"kernel_shape", {3, 3, 3}}})), "two-dimensional"));
  CHECK(mentions(error_of(one("MaxPool", {1, 2, 9, 9}, {})), "kernel_shape"));
  CHECK(mentions(error_of(one("MaxPool", {1, 2, 9, 9}, {{"kernel_shape", {2, 2}}, {"curl", 1}})), "curl"));
}

TEST_CASE("a convolution's geometry and weights are checked") {
  const auto conv = [](std::int64_t channels, std::int64_t group, const std::vector<std::int64_t>& weight) {
    OnnxBuilder builder;
    std::size_t count = 1;
    for (const auto extent : weight) count *= static_cast<std::size_t>(extent);
    builder.input("x", {1, channels, 5, 5}).initialiser(Floats::floats("w", weight, counting(count)));
    builder.node("Conv", {"x", "w"}, {"y"}, {{"group", test::OnnxValue(group)}}, "conv").output("y");
    return builder;
  };
  const Model model = read(conv(4, 2, {6, 2, 3, 2}));
  const auto& layer = params<node::Conv2d>(model, 0);
  CHECK(layer.out_channels == 6);
  CHECK(layer.params.groups == 2);
  CHECK_FALSE(layer.bias);
  CHECK(layer.params.window.kernel_y == 3);
  CHECK(layer.params.window.kernel_x == 2);
  CHECK(model.weights.at("conv.weight").shape() == Shape{6, 2, 3, 2});
  CHECK(mentions(error_of(conv(3, 1, {6, 2, 3, 2})), "Conv \"conv\""));
  CHECK(mentions(error_of(conv(4, 3, {6, 2, 3, 2})), "group"));
  CHECK(mentions(error_of(conv(4, 0, {6, 2, 3, 2})), "group"));
  CHECK(mentions(error_of(conv(2, 1, {6, 2, 3})), "two-dimensional"));
  CHECK(mentions(error_of(conv(2, 1, {6, 2, 6, 6})), "does not fit"));
}

TEST_CASE("the output of a transposed convolution can be given") {
  const auto transpose = [](const std::vector<test::OnnxAttribute>& attributes) {
    OnnxBuilder builder;
    builder.input("x", {1, 1, 3, 3}).initialiser(Floats::floats("w", {1, 2, 3, 3}, counting(18)));
    builder.node("ConvTranspose", {"x", "w"}, {"y"}, attributes).output("y");
    return builder;
  };
  CHECK(shape_of(read(transpose({})), "y") == Shape{1, 2, 5, 5});
  CHECK(shape_of(read(transpose({{"strides", {3, 2}}, {"output_shape", {10, 8}}})), "y") ==
        Shape{1, 2, 10, 8});
  CHECK(shape_of(read(transpose({{"strides", {3, 2}}, {"output_padding", {1, 1}}})), "y") ==
        Shape{1, 2, 10, 8});
  CHECK(shape_of(read(transpose({{"strides", {2, 2}}, {"output_shape", {4, 5}}})), "y") == Shape{1, 2, 4, 5});
  const Model same = read(transpose({{"strides", {2, 2}}, {"auto_pad", std::string("SAME_LOWER")}}));
  CHECK(shape_of(same, "y") == Shape{1, 2, 6, 6});
  CHECK(params<node::Conv2dTranspose>(same, 0).params.window.padding == Padding{1, 1, 0, 0});
  CHECK(mentions(error_of(transpose({{"output_padding", {-1, 0}}})), "output_padding"));
  CHECK(mentions(error_of(transpose({{"output_shape", {-1, 4}}})), "output"));
}

TEST_CASE("matrix products with constant weights become linear layers") {
  const auto gemm = [](const std::vector<test::OnnxAttribute>& attributes, const std::vector<std::int64_t>& b,
                       const std::vector<std::int64_t>& c) {
    OnnxBuilder builder;
    builder.input("x", {0, 2}).initialiser(Floats::floats("b", b, {1, 2, 3, 4, 5, 6}));
    std::vector<float> values(c.empty() ? 1 : 3, 10.0f);
    builder.initialiser(Floats::floats("c", c, values));
    builder.node("Gemm", {"x", "b", "c"}, {"y"}, attributes, "fc").output("y");
    return builder;
  };
  const Model plain = read(gemm({{"transB", 1}}, {3, 2}, {3}));
  CHECK(list(plain.weights.at("fc.weight")) == std::vector<float>{1, 2, 3, 4, 5, 6});
  CHECK(list(plain.weights.at("fc.bias")) == std::vector<float>{10, 10, 10});
  const Model scaled = read(gemm({{"alpha", 2.0f}, {"beta", 0.5f}}, {2, 3}, {}));
  CHECK(list(scaled.weights.at("fc.weight")) == std::vector<float>{2, 8, 4, 10, 6, 12});
  CHECK(list(scaled.weights.at("fc.bias")) == std::vector<float>{5, 5, 5});
  CHECK(mentions(error_of(gemm({}, {3, 2}, {3})), "Gemm \"fc\""));
  CHECK(mentions(error_of(gemm({{"transB", 1}}, {3, 2}, {3, 1})), "constant of shape"));

  OnnxBuilder builder;
  builder.input("x", {0, 2}).initialiser(Floats::floats("b", {2, 3}, {1, 2, 3, 4, 5, 6}));
  builder.initialiser(Floats::floats("c", {3}, {7, 8, 9}));
  builder.node("MatMul", {"x", "b"}, {"t"}, {}, "product")
      .node("Add", {"c", "t"}, {"y"}, {}, "sum")
      .output("y");
  const Model folded = read(builder);
  REQUIRE(folded.graph.nodes.size() == 1);
  CHECK(folded.graph.nodes[0].outputs == std::vector<std::string>{"y"});
  CHECK(list(folded.weights.at("product.weight")) == std::vector<float>{1, 4, 2, 5, 3, 6});
  CHECK(list(folded.weights.at("product.bias")) == std::vector<float>{7, 8, 9});
  CHECK(folded.graph.aliases == std::map<std::string, std::string>{{"product", "y"}, {"sum", "y"}});
  // Where somebody else reads the product, the sum stays a layer.
  builder.node("Relu", {"t"}, {"z"}).output("z");
  const Model apart = read(builder);
  REQUIRE(apart.graph.nodes.size() == 3);
  CHECK(std::holds_alternative<node::BatchNorm>(apart.graph.nodes[1].params));
}

TEST_CASE("arithmetic with constants a channel becomes a batch normalisation") {
  OnnxBuilder builder;
  builder.input("x", {0, 2, 4, 4}).initialiser(Floats::floats("mean", {2, 1, 1}, {1, 3}));
  builder.initialiser(Floats::floats("deviation", {1, 2, 1, 1}, {2, 4}))
      .initialiser(Floats::floats("one", {}, {1}));
  builder.node("Sub", {"x", "mean"}, {"a"})
      .node("Div", {"a", "deviation"}, {"b"})
      .node("Sub", {"one", "b"}, {"y"})
      .output("y");
  const Model model = read(builder);
  REQUIRE(model.graph.nodes.size() == 3);
  CHECK(params<node::BatchNorm>(model, 0).epsilon == 0.0f);
  CHECK(list(model.weights.at("a.bias")) == std::vector<float>{-1, -3});
  CHECK(list(model.weights.at("b.scale")) == std::vector<float>{0.5f, 0.25f});
  CHECK(list(model.weights.at("y.scale")) == std::vector<float>{-1, -1});
  CHECK(list(model.weights.at("y.bias")) == std::vector<float>{1, 1});
  OnnxBuilder wide;
  wide.input("x", {1, 2, 4, 4})
      .initialiser(Floats::floats("row", {4}, {1, 2, 3, 4}))
      .node("Add", {"x", "row"}, {"y"})
      .output("y");
  CHECK(mentions(error_of(wide), "constant of shape [4]"));
}

TEST_CASE("a flattening that the exporter computed from the input's shape serves any batch") {
  OnnxBuilder builder;
  builder.input("x", {0, 3, 4, 5}).node("Shape", {"x"}, {"shape"});
  builder.initialiser(Floats::integers("zero", {}, {0})).initialiser(Floats::integers("axes", {1}, {0}));
  builder.node("Gather", {"shape", "zero"}, {"n"}).node("Unsqueeze", {"n", "axes"}, {"n1"});
  builder.node("Constant", {}, {"rest"}, {{"value", Floats::integers("", {1}, {-1})}});
  builder.node("Concat", {"n1", "rest"}, {"target"}, {{"axis", 0}})
      .node("Reshape", {"x", "target"}, {"y"})
      .output("y");
  const Model model = read(builder);
  REQUIRE(model.graph.nodes.size() == 1);
  CHECK(params<node::Reshape>(model, 0).extents == std::vector<Index>{0, -1});
  CHECK(shape_of(model, "y", 5) == Shape{5, 60});
}

TEST_CASE("constants are computed as the operators say") {
  // Everything ends as the shape of a Reshape of x, 24 elements.
  const auto target = [](const std::function<void(OnnxBuilder&)>& add) {
    OnnxBuilder builder;
    builder.input("x", {2, 3, 4}).initialiser(Floats::integers("s", {4}, {24, 12, 2, 1}));
    add(builder);
    builder.node("Reshape", {"x", "t"}, {"y"}).output("y");
    return shape_of(read(builder), "y");
  };
  const auto constant = [](OnnxBuilder& b, const std::string& name, const std::vector<std::int64_t>& values) {
    b.initialiser(Floats::integers(name, {static_cast<std::int64_t>(values.size())}, values));
  };
  CHECK(target([&](OnnxBuilder& b) {
          constant(b, "from", {1}), constant(b, "to", {1000});
          constant(b, "along", {0}), constant(b, "by", {1});
          b.node("Slice", {"s", "from", "to", "along", "by"}, {"t"});
        }) == Shape{12, 2, 1});
  CHECK(target([&](OnnxBuilder& b) {
          constant(b, "from", {1000}), constant(b, "to", {-4});
          constant(b, "along", {-1}), constant(b, "by", {-1});
          b.node("Slice", {"s", "from", "to", "along", "by"}, {"t"});
        }) == Shape{1, 2, 12});
  CHECK(target([&](OnnxBuilder& b) {
          constant(b, "which", {1, -2, -1});
          b.node("Gather", {"s", "which"}, {"t"});
        }) == Shape{12, 2, 1});
  CHECK(target([&](OnnxBuilder& b) {
          constant(b, "two", {2}), constant(b, "three", {3});
          b.node("Mul", {"two", "three"}, {"six"}).node("Sub", {"six", "two"}, {"four"});
          b.node("Concat", {"six", "four"}, {"t"}, {{"axis", 0}});
        }) == Shape{6, 4});
  CHECK(target([&](OnnxBuilder& b) {
          constant(b, "seven", {7}), constant(b, "two", {2});
          b.node("Div", {"seven", "two"}, {"three"}).node("Cast", {"three"}, {"real"}, {{"to", 1}});
          b.node("Cast", {"real"}, {"whole"}, {{"to", 7}}).node("Identity", {"whole"}, {"same"});
          constant(b, "rest", {-1});
          b.node("Concat", {"same", "rest"}, {"t"}, {{"axis", -1}});
        }) == Shape{3, 8});
  CHECK(target([&](OnnxBuilder& b) {
          constant(b, "length", {2});
          b.node("ConstantOfShape", {"length"}, {"ones"}, {{"value", Floats::integers("", {1}, {1})}});
          constant(b, "rest", {-1});
          b.node("Concat", {"ones", "rest"}, {"t"}, {{"axis", 0}});
        }) == Shape{1, 1, 24});
  CHECK(target([&](OnnxBuilder& b) {
          b.node("Shape", {"x"}, {"last"}, {{"start", -2}}).node("Shape", {"x"}, {"head"}, {{"end", 1}});
          b.node("Concat", {"last", "head"}, {"t"}, {{"axis", 0}});
        }) == Shape{3, 4, 2});
  CHECK(
      target([&](OnnxBuilder& b) {
        b.initialiser(Floats::integers("square", {2, 2}, {2, 6, 12, 4}))
            .initialiser(Floats::integers("axis", {1}, {0}));
        b.node("Transpose", {"square"}, {"turned"}).node("Gather", {"turned", "axis"}, {"row"});  // [[2, 12]]
        b.node("Squeeze", {"row", "axis"}, {"pair"}).node("Add", {"pair", "axis"}, {"t"});
      }) == Shape{2, 12});
}

TEST_CASE("softmax flattens before opset 13 and not after") {
  const Model before = read(one("Softmax", {2, 3, 4}, {{"axis", 1}}, 12));
  REQUIRE(before.graph.nodes.size() == 3);
  CHECK(std::holds_alternative<node::Flatten>(before.graph.nodes[0].params));
  CHECK(params<node::Softmax>(before, 1).axis == 1);
  CHECK(shape_of(before, "y", 5) == Shape{5, 3, 4});
  const Model after = read(one("Softmax", {2, 3, 4}, {{"axis", 1}}, 13));
  REQUIRE(after.graph.nodes.size() == 1);
  CHECK(params<node::Softmax>(after, 0).axis == 1);
  CHECK(params<node::LogSoftmax>(read(one("LogSoftmax", {2, 3, 4}, {}, 13)), 0).axis == 2);
  // One axis alone is the same in both.
  CHECK(read(one("Softmax", {2, 3, 1, 1}, {}, 9)).graph.nodes.size() == 1);
}

TEST_CASE("padding comes as an attribute or as inputs, and may crop") {
  const Model old =
      read(one("Pad", {1, 1, 4, 4}, {{"pads", {0, 0, 1, 2, 0, 0, 3, -1}}, {"value", 0.5f}}, 10));
  CHECK(params<node::Pad2d>(old, 0).params == Pad2dParams{1, 2, 3, -1, 0.5f});
  OnnxBuilder builder(18);
  builder.input("x", {1, 1, 4, 4}).initialiser(Floats::integers("pads", {2}, {-1, 2}));
  builder.initialiser(Floats::integers("axes", {1}, {-1}));
  builder.node("Pad", {"x", "pads", "", "axes"}, {"y"}).output("y");
  CHECK(params<node::Pad2d>(read(builder), 0).params == Pad2dParams{0, -1, 0, 2, 0});
  CHECK(mentions(error_of(one("Pad", {1, 1, 4, 4}, {{"pads", {0, 1, 0, 0, 0, 0, 0, 0}}}, 10)),
                 "rows and columns"));
  CHECK(mentions(error_of(one("Pad", {1, 1, 4, 4},
                              {{"pads", {0, 0, 1, 1, 0, 0, 1, 1}}, {"mode", std::string("reflect")}}, 10)),
                 "reflect"));
}

TEST_CASE("shapes can be changed where no element moves") {
  OnnxBuilder builder;
  builder.input("x", {0, 8, 1, 1}).initialiser(Floats::integers("axes", {2}, {2, 3}));
  builder.node("Squeeze", {"x", "axes"}, {"flat"}).node("Unsqueeze", {"flat", "axes"}, {"back"});
  builder.node("Transpose", {"back"}, {"turned"}, {{"perm", {0, 2, 3, 1}}}).output("turned").output("flat");
  const Model model = read(builder);
  CHECK(shape_of(model, "flat", 4) == Shape{4, 8});
  CHECK(shape_of(model, "back", 4) == Shape{4, 8, 1, 1});
  CHECK(shape_of(model, "turned", 4) == Shape{4, 1, 1, 8});
  CHECK(mentions(error_of(one("Transpose", {1, 2, 3}, {{"perm", {0, 2, 1}}})), "Transpose \"y\""));
  CHECK(mentions(error_of(one("Transpose", {1, 2, 3}, {{"perm", {1, 0, 2}}})), "Transpose \"y\""));
  CHECK(mentions(error_of(one("Squeeze", {1, 2, 1}, {}, 11)), "batch"));
}

TEST_CASE("open sizes want a shape from the user") {
  const OnnxBuilder builder = one("GlobalAveragePool", {0, 3, 0, 0}, {});
  CHECK(mentions(error_of(builder), "extent 2 is left open"));
  io::OnnxOptions options;
  options.input_shapes.emplace("x", Shape{1, 3, 20, 30});
  CHECK(read(builder, options).graph.inputs[0].shape == Shape{1, 3, 20, 30});
  options.input_shapes.emplace("z", Shape{1});
  CHECK_THROWS_AS(read(builder, options), ArgumentError);
}

TEST_CASE("graph inputs can be bound as constants") {
  OnnxBuilder builder;
  builder.input("x", {1, 1, 3, 3}).input("w", {2, 1, 3, 3}).node("Conv", {"x", "w"}, {"y"}).output("y");
  CHECK(mentions(error_of(builder), "must be a constant"));
  io::OnnxOptions options;
  options.constants.emplace("w", io::OnnxTensor{"w", Tensor<float, Cpu>::from({2, 1, 3, 3}, counting(18))});
  const Model model = read(builder, options);
  CHECK(model.graph.inputs.size() == 1);
  CHECK(list(model.weights.at("y.weight")) == counting(18));
  CHECK(list(std::get<0>(options.constants.at("w").values)) == counting(18));  // the caller keeps his own
}

TEST_CASE("poolings with indices feed unpoolings") {
  OnnxBuilder builder;
  builder.input("x", {0, 2, 4, 4})
      .node("MaxPool", {"x"}, {"p", "i"}, {{"kernel_shape", {2, 2}}, {"strides", {2, 2}}});
  builder.node("MaxUnpool", {"p", "i"}, {"y"}, {{"kernel_shape", {2, 2}}, {"strides", {2, 2}}}).output("y");
  const Model model = read(builder);
  CHECK(model.graph.nodes[0].outputs == std::vector<std::string>{"p", "i"});
  CHECK(shape_of(model, "y") == Shape{1, 2, 4, 4});
  builder.node("Relu", {"i"}, {"bad"});
  CHECK(mentions(error_of(builder), "must not be integers"));
}

TEST_CASE("weights that several nodes share are given to each") {
  OnnxBuilder builder;
  builder.input("x", {1, 1, 3, 3}).initialiser(Floats::floats("w", {1, 1, 1, 1}, {3}));
  builder.node("Conv", {"x", "w"}, {"a"}).node("Conv", {"a", "w"}, {"y"}).output("y");
  const Model model = read(builder);
  CHECK(list(model.weights.at("a.weight")) == std::vector<float>{3});
  CHECK(list(model.weights.at("y.weight")) == std::vector<float>{3});
}
