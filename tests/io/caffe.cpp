// Caffe networks: each layer kind, names, phases, arrays in every form, and hostile files.
#include "deconv/io/caffe.hpp"

#include <cmath>
#include <random>

#include "caffe_builder.hpp"
#include "catch.hpp"
#include "deconv/io/atomic_file.hpp"
#include "scratch_folder.hpp"
#include "test_data.hpp"

using namespace deconv;
using namespace deconv::test;
using deconv::test::Contains;

namespace {

const std::string header =
    "name: \"net\" input: \"data\" input_dim: 2 input_dim: 4 input_dim: 9 input_dim: 9\n";

Model graph_of(const std::string& layers) { return io::read_caffe(header + layers, "net.prototxt", nullptr); }

std::string error_of(const std::string& layers) {
  try {
    (void)graph_of(layers);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

const Node& node_of(const Model& model, const std::string& name) {
  for (const Node& node : model.graph.nodes)
    if (node.name == name) return node;
  throw std::runtime_error("no node " + name);
}

template <class P>
const P& params_of(const Model& model, const std::string& name) {
  return std::get<P>(node_of(model, name).params);
}

/// One layer of a type, from data to "out".
std::string layer(const std::string& type, const std::string& rest = "") {
  return "layer { name: \"n\" type: \"" + type + "\" bottom: \"data\" top: \"out\" " + rest + " }";
}

const std::string small_net = header +
                              "layer { name: 'conv' type: 'Convolution' bottom: 'data' top: 'conv'"
                              " convolution_param { num_output: 2 kernel_size: 3 group: 2 } }"
                              "layer { name: 'relu' type: 'ReLU' bottom: 'conv' top: 'conv' }"
                              "layer { name: 'fc' type: 'InnerProduct' bottom: 'conv' top: 'fc'"
                              " inner_product_param { num_output: 3 bias_term: false } }";

io::Bytes small_weights(BlobForm form, bool v1) {
  return caffemodel({{"conv", {caffe_blob({2, 2, 3, 3}, ramp(36), form), caffe_blob({2}, {5, 6}, form)}},
                     {"fc", {caffe_blob({3, 98}, ramp(294, 0.5f), form)}}},
                    v1);
}

}  // namespace

TEST_CASE("convolutions") {
  const Model plain =
      graph_of(layer("Convolution",
                     "convolution_param { num_output: 8 kernel_size: 3 stride: 2 pad: 1 dilation: 2"
                     " group: 4 bias_term: false weight_filler { type: \"xavier\" } engine: CUDNN }"));
  const auto& conv = params_of<node::Conv2d>(plain, "n");
  CHECK(conv.out_channels == 8);
  CHECK_FALSE(conv.bias);
  CHECK(conv.params == Conv2dParams{{3, 3, 2, 2, 2, 2, Padding::all(1), Rounding::floor}, 4});

  const Model oblong =
      graph_of(layer("Convolution",
                     "convolution_param { num_output: 8 kernel_h: 3 kernel_w: 2 stride_h: 1 stride_w: 3"
                     " pad_h: 2 pad_w: 0 dilation: 1 dilation: 2 }"));
  CHECK(params_of<node::Conv2d>(oblong, "n").params ==
        Conv2dParams{{3, 2, 1, 3, 1, 2, {2, 0, 2, 0}, Rounding::floor}, 1});
  CHECK(params_of<node::Conv2d>(oblong, "n").bias);

  const Model pair =
      graph_of(layer("Convolution", "convolution_param { num_output: 1 kernel_size: 3 kernel_size: 2 }"));
  CHECK(params_of<node::Conv2d>(pair, "n").params.window.kernel_y == 3);
  CHECK(params_of<node::Conv2d>(pair, "n").params.window.kernel_x == 2);

  const Model up = graph_of(
      layer("Deconvolution", "convolution_param { num_output: 6 kernel_size: 4 stride: 2 group: 2 }"));
  CHECK(infer_shapes(up.graph).at("out") == Shape{2, 6, 20, 20});
  CHECK(weight_shapes(up.graph).at("n.weight") == Shape{4, 3, 4, 4});

  CHECK_THAT(error_of(layer("Convolution", "convolution_param { num_output: 8 }")),
             Contains("kernel_size is missing"));
  CHECK_THAT(error_of(layer("Convolution", "convolution_param { kernel_size: 8 }")),
             Contains("num_output is missing"));
  CHECK_THAT(error_of(layer("Convolution", "convolution_param { num_output: 8 kernel_h: 3 }")),
             Contains("one is missing"));
  CHECK_THAT(error_of(layer("Convolution",
                            "convolution_param { num_output: 8 kernel_size: 3 kernel_h: 3 kernel_w: 3 }")),
             Contains("at once"));
  CHECK_THAT(error_of(layer("Convolution", "convolution_param { num_output: 8 kernel_size: 3 stride: 0 }")),
             Contains("stride") && Contains("met \"0\""));
  CHECK_THAT(error_of(layer("Convolution", "convolution_param { num_output: 99999999999 kernel_size: 3 }")),
             Contains("num_output"));
  CHECK_THAT(error_of(layer("Convolution", "convolution_param { num_output: 8 kernel_size: 3 fancy: 1 }")),
             Contains("net.prototxt:2: fancy: unknown field"));
  CHECK_THAT(error_of(layer("Convolution", "convolution_param { num_output: 8 kernel_size: 30 }")),
             Contains("conv2d \"n\"") && Contains("does not fit"));
  CHECK_THAT(error_of(layer("Convolution", "convolution_param { num_output: 8 kernel_size: 3 axis: 2 }")),
             Contains("axis 1"));
}

TEST_CASE("pools round up, averages count the padding") {
  const Model max = graph_of(layer("Pooling", "pooling_param { pool: MAX kernel_size: 2 stride: 2 }"));
  CHECK(params_of<node::MaxPool2d>(max, "n").params.window == Window2d::square(2, 2, 0, Rounding::ceil));
  CHECK(infer_shapes(max.graph).at("out") == Shape{2, 4, 5, 5});
  const Model average =
      graph_of(layer("Pooling", "pooling_param { pool: AVE kernel_h: 3 kernel_w: 2 pad: 1 stride: 2 }"));
  CHECK(params_of<node::AveragePool2d>(average, "n").params.count_padding);
  CHECK(infer_shapes(average.graph).at("out") == Shape{2, 4, 5, 5});
  const Model floor =
      graph_of(layer("Pooling", "pooling_param { kernel_size: 2 stride: 2 round_mode: FLOOR }"));
  CHECK(infer_shapes(floor.graph).at("out") == Shape{2, 4, 4, 4});
  CHECK_NOTHROW(params_of<node::GlobalAveragePool>(
      graph_of(layer("Pooling", "pooling_param { pool: AVE global_pooling: true }")), "n"));
  CHECK_NOTHROW(params_of<node::GlobalMaxPool>(
      graph_of(layer("Pooling", "pooling_param { global_pooling: true }")), "n"));
  CHECK_THAT(error_of(layer("Pooling", "pooling_param { pool: STOCHASTIC kernel_size: 2 }")),
             Contains("STOCHASTIC"));
  CHECK_THAT(error_of(layer("Pooling", "pooling_param { pool: SUM kernel_size: 2 }")),
             Contains("one of MAX, AVE"));
  CHECK_THAT(error_of(layer("Pooling", "pooling_param { kernel_size: 2 pad: 2 }")),
             Contains("padding must be smaller"));
  CHECK_THAT(error_of(layer("Pooling")), Contains("kernel_size is missing"));
}

TEST_CASE("the other layers") {
  const Model norm = graph_of(layer("LRN", "lrn_param { local_size: 3 alpha: 5e-05 beta: 0.5 k: 2 }"));
  CHECK(params_of<node::Lrn>(norm, "n").params ==
        LrnParams{LrnRegion::across_channels, AlphaConvention::per_region, 3, 5e-05f, 0.5f, 2.0f});
  const Model within = graph_of(layer("LRN", "lrn_param { norm_region: WITHIN_CHANNEL k: 2 }"));
  CHECK(params_of<node::Lrn>(within, "n").params ==
        LrnParams{LrnRegion::within_channel, AlphaConvention::per_region, 5, 1.0f, 0.75f, 1.0f});
  CHECK_THAT(error_of(layer("LRN", "lrn_param { local_size: 4 }")), Contains("odd"));
  CHECK(params_of<node::Relu>(graph_of(layer("ReLU", "relu_param { negative_slope: 0.1 }")), "n")
            .negative_slope == 0.1f);
  CHECK(params_of<node::Dropout>(graph_of(layer("Dropout", "dropout_param { dropout_ratio: 0.7 }")), "n")
            .ratio == 0.7f);
  CHECK(params_of<node::Softmax>(graph_of(layer("Softmax", "softmax_param { axis: 2 }")), "n").axis == 2);
  CHECK(params_of<node::Concat>(graph_of(layer("Concat", "bottom: \"data\" concat_param { concat_dim: 2 }")),
                                "n")
            .axis == 2);
  CHECK(infer_shapes(graph_of(layer("Eltwise", "bottom: \"data\"")).graph).at("out") == Shape{2, 4, 9, 9});
  CHECK_THAT(error_of(layer("Eltwise", "bottom: \"data\" eltwise_param { operation: PROD }")),
             Contains("SUM is supported"));
  CHECK_THAT(error_of(layer("Eltwise", "bottom: \"data\" eltwise_param { coeff: 1 coeff: -1 }")),
             Contains("coeff"));
  CHECK(infer_shapes(graph_of(layer("Flatten")).graph).at("out") == Shape{2, 324});
  const Model reshaped = graph_of(layer("Reshape", "reshape_param { shape { dim: 2 dim: -1 dim: 9 } }"));
  CHECK(infer_shapes(reshaped.graph, 5).at("out") == Shape{5, 36, 9});  // its 2 was the nominal batch
  CHECK_THAT(error_of(layer("Sigmoid")), Contains("layer \"n\": type \"Sigmoid\" is not supported"));
  CHECK_THAT(error_of(layer("Slice", "top: \"b\"")), Contains("one top wanted, met 2"));
}

TEST_CASE("layers in place become tensors of their own") {
  const Model model = graph_of(R"(
    layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1" convolution_param { num_output: 4 kernel_size: 3 } }
    layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }
    layer { name: "drop1" type: "Dropout" bottom: "conv1" top: "conv1" }
    layer { name: "classifier" type: "InnerProduct" bottom: "conv1" top: "scores" inner_product_param { num_output: 3 } }
    layer { name: "side" type: "Pooling" bottom: "conv1" top: "side" pooling_param { kernel_size: 2 } })");
  CHECK(node_of(model, "conv1").outputs[0] == "conv1");
  CHECK(node_of(model, "relu1").inputs[0] == "conv1");
  CHECK(node_of(model, "relu1").outputs[0] == "relu1");
  CHECK(node_of(model, "drop1").outputs[0] == "drop1");
  CHECK(node_of(model, "classifier").inputs[0] == "drop1");
  CHECK(node_of(model, "side").inputs[0] == "drop1");
  CHECK(model.graph.aliases == std::map<std::string, std::string>{{"classifier", "scores"}});
  CHECK(model.graph.outputs == std::vector<std::string>{"scores", "side"});
}

TEST_CASE("an in-place layer whose name is a blob elsewhere gets another name") {
  const Model model = graph_of(R"(
    layer { name: "late" type: "ReLU" bottom: "data" top: "data" }
    layer { name: "other" type: "ReLU" bottom: "data" top: "late" })");
  CHECK(node_of(model, "late").outputs[0] == "late/data");
  CHECK(node_of(model, "other").inputs[0] == "late/data");
  CHECK(node_of(model, "other").outputs[0] == "late");
}

TEST_CASE("splits, losses, labels and phases of a training net") {
  const Model model = io::read_caffe(R"(
    name: "train"
    layer { name: "d" type: "Data" top: "data" top: "label" include { phase: TRAIN }
            transform_param { crop_size: 5 } data_param { batch_size: 64 } }
    layer { name: "d" type: "Data" top: "data" top: "label" include { phase: TEST }
            transform_param { crop_size: 7 } data_param { batch_size: 3 } }
    layer { name: "s" type: "Split" bottom: "data" top: "a" top: "b" }
    layer { name: "ra" type: "ReLU" bottom: "a" top: "ra" }
    layer { name: "rb" type: "ReLU" bottom: "b" top: "b" exclude { phase: TRAIN } }
    layer { name: "rc" type: "ReLU" bottom: "b" top: "c" exclude { phase: TEST } }
    layer { name: "rd" type: "ReLU" bottom: "b" top: "e" include { stage: "deploy" } }
    layer { name: "sum" type: "Eltwise" bottom: "ra" bottom: "b" top: "sum" }
    layer { name: "loss" type: "SoftmaxWithLoss" bottom: "sum" bottom: "label" top: "loss" }
    layer { name: "accuracy" type: "Accuracy" bottom: "sum" bottom: "label" top: "accuracy" include { phase: TEST } })",
                                     "train.prototxt", nullptr);
  REQUIRE(model.graph.inputs.size() == 1);
  CHECK(model.graph.inputs[0].shape == Shape{3, 3, 7, 7});
  CHECK(model.graph.nodes.size() == 3);
  CHECK(node_of(model, "ra").inputs[0] == "data");
  CHECK(node_of(model, "rb").inputs[0] == "data");
  CHECK(node_of(model, "sum").inputs == std::vector<std::string>{"ra", node_of(model, "rb").outputs[0]});
  CHECK(model.graph.outputs == std::vector<std::string>{"sum"});
  CHECK(model.graph.aliases.at("a") == "data");
}

TEST_CASE("inputs in each of their forms") {
  const auto input = [](const std::string& text, const io::CaffeOptions& options = {}) {
    return io::read_caffe(text + " layer { name: 'r' type: 'ReLU' bottom: 'x' top: 'y' }", "n", nullptr,
                          options)
        .graph.inputs.at(0)
        .shape;
  };
  CHECK(input("input: 'x' input_dim: 1 input_dim: 2 input_dim: 3 input_dim: 4") == Shape{1, 2, 3, 4});
  CHECK(input("input: 'x' input_shape { dim: 1 dim: 2 }") == Shape{1, 2});
  CHECK(input("layer { name: 'i' type: 'Input' top: 'x' input_param { shape { dim: 5 dim: 6 } } }") ==
        Shape{5, 6});
  CHECK(input("layer { name: 'i' type: 'MemoryData' top: 'x' top: 'l' memory_data_param"
              " { batch_size: 2 channels: 1 height: 28 width: 27 } }") == Shape{2, 1, 28, 27});
  CHECK(input("input: 'x'", {{{"x", Shape{1, 1, 8, 8}}}}) == Shape{1, 1, 8, 8});
  CHECK_THROWS_WITH(input("input: 'x'"), Contains("input \"x\": its shape is not in the file"));
  CHECK_THROWS_WITH(input("input: 'x' input_dim: 1 input_dim: 2"), Contains("four input_dim"));
  CHECK_THROWS_WITH(input("input: 'x' input_dim: 1 input_dim: 0 input_dim: 1 input_dim: 1"),
                    Contains("input_dim"));
  CHECK_THROWS_WITH(input("layer { name: 'i' type: 'Data' top: 'x' }"), Contains("must be given"));
}

TEST_CASE("weights in each of their forms") {
  for (const BlobForm form : {BlobForm::modern, BlobForm::legacy, BlobForm::unpacked, BlobForm::doubles})
    for (const bool v1 : {false, true}) {
      const io::CaffeWeights weights(small_weights(form, v1), "net.caffemodel");
      const Model model = io::read_caffe(small_net, "net.prototxt", &weights);
      CHECK_NOTHROW(check_weights(model));
      CHECK(model.weights.at("conv.weight").data()[35] == 35.0f);
      CHECK(model.weights.at("conv.bias").data()[1] == 6.0f);
      CHECK(model.weights.at("fc.weight").data()[293] == 146.5f);
    }
}

TEST_CASE("V1 text and new text give the same network") {
  std::string v1 = small_net;
  const auto replace = [&](const std::string& from, const std::string& to) {
    for (std::size_t at; (at = v1.find(from)) != std::string::npos;) v1.replace(at, from.size(), to);
  };
  replace("layer {", "layers{");
  replace("'Convolution'", "CONVOLUTION");
  replace("'ReLU'", "RELU");
  replace("'InnerProduct'", "INNER_PRODUCT blobs_lr: 1 weight_decay: 1");
  const Model one = io::read_caffe(small_net, "n", nullptr), two = io::read_caffe(v1, "n", nullptr);
  CHECK(infer_shapes(one.graph) == infer_shapes(two.graph));
  CHECK(weight_shapes(one.graph) == weight_shapes(two.graph));
  CHECK_THROWS_WITH(io::read_caffe(small_net + "layers { name: 'z' type: RELU }", "n", nullptr),
                    Contains("at once"));
}

TEST_CASE("a transposed inner product is turned round") {
  const std::string net =
      "input: 'x' input_shape { dim: 1 dim: 2 } layer { name: 'fc' type: 'InnerProduct' bottom: 'x' top: 'y'"
      " inner_product_param { num_output: 3 bias_term: false transpose: true } }";
  const io::CaffeWeights weights(caffemodel({{"fc", {caffe_blob({2, 3}, ramp(6))}}}), "m");
  const Model model = io::read_caffe(net, "n", &weights);
  const auto weight = model.weights.at("fc.weight").span();
  CHECK(std::vector<float>(weight.begin(), weight.end()) == std::vector<float>{0, 3, 1, 4, 2, 5});
}

TEST_CASE("batch normalisation with its factor, and Scale folded into it") {
  const std::string norm =
      header +
      "layer { name: 'bn' type: 'BatchNorm' bottom: 'data' top: 'bn' batch_norm_param { eps: 0.5 } }";
  const std::string scale =
      "layer { name: 'sc' type: 'Scale' bottom: 'bn' top: 'bn' scale_param { bias_term: true } }";
  const std::vector<std::string> statistics = {caffe_blob({4}, {2, 4, 6, 8}), caffe_blob({4}, {4, 4, 8, 8}),
                                               caffe_blob({1}, {2})};
  const std::vector<std::string> factors = {caffe_blob({4}, {1, 2, 3, 4}), caffe_blob({4}, {5, 6, 7, 8})};
  const io::CaffeWeights weights(caffemodel({{"bn", statistics}, {"sc", factors}}), "m");
  const auto values = [](const Model& model, const char* name) {
    const auto span = model.weights.at(name).span();
    return std::vector<float>(span.begin(), span.end());
  };

  const Model alone = io::read_caffe(norm, "n", &weights);
  CHECK(params_of<node::BatchNorm>(alone, "bn").epsilon == 0.5f);
  CHECK(values(alone, "bn.mean") == std::vector<float>{1, 2, 3, 4});
  CHECK(values(alone, "bn.variance") == std::vector<float>{2, 2, 4, 4});
  CHECK(values(alone, "bn.scale") == std::vector<float>{1, 1, 1, 1});

  const Model folded = io::read_caffe(norm + scale, "n", &weights);
  CHECK(folded.graph.nodes.size() == 1);
  CHECK(values(folded, "bn.scale") == std::vector<float>{1, 2, 3, 4});
  CHECK(values(folded, "bn.bias") == std::vector<float>{5, 6, 7, 8});
  CHECK(folded.graph.aliases.at("sc") == "bn");

  // Somebody else reads the normalised values: then the Scale must stay apart.
  const std::string other = "layer { name: 'r' type: 'ReLU' bottom: 'bn' top: 'r' }";
  const Model apart = io::read_caffe(norm + other + scale, "n", &weights);
  REQUIRE(apart.graph.nodes.size() == 3);
  CHECK(values(apart, "bn.scale") == std::vector<float>{1, 1, 1, 1});
  CHECK(values(apart, "sc.scale") == std::vector<float>{1, 2, 3, 4});
  CHECK(values(apart, "sc.mean") == std::vector<float>{0, 0, 0, 0});
  CHECK(values(apart, "sc.variance") == std::vector<float>{1, 1, 1, 1});
  CHECK(params_of<node::BatchNorm>(apart, "sc").epsilon == 0.0f);

  const io::CaffeWeights two_arrays(caffemodel({{"bn", {statistics[0], statistics[1]}}}), "m");
  CHECK_THROWS_WITH(io::read_caffe(norm, "n", &two_arrays), Contains("wants 3 arrays, met 2"));
}

TEST_CASE("weights that do not fit are named") {
  const auto error = [](const CaffeLayers& layers) {
    try {
      const io::CaffeWeights weights(caffemodel(layers), "net.caffemodel");
      (void)io::read_caffe(small_net, "net.prototxt", &weights);
    } catch (const FormatError& problem) {
      return std::string(problem.what());
    }
    return std::string("no error");
  };
  const std::string weight = caffe_blob({2, 2, 3, 3}, ramp(36)), bias = caffe_blob({2}, ramp(2));
  const std::string fc = caffe_blob({3, 98}, ramp(294));
  CHECK(error({{"conv", {weight, bias}}, {"fc", {fc}}}) == "no error");
  CHECK(error({{"conv", {weight, bias}}}) == "net.caffemodel: layer \"fc\": wants 1 arrays, met 0");
  CHECK(error({{"conv", {weight}}, {"fc", {fc}}}) == "net.caffemodel: layer \"conv\": wants 2 arrays, met 1");
  CHECK(error({{"conv", {weight, bias}}, {"fc", {caffe_blob({98, 3}, ramp(294))}}}) ==
        "net.caffemodel: weight \"fc.weight\": wants shape [3,98], met [98,3]");
  CHECK_THAT(error({{"conv", {caffe_blob({2, 2, 3, 3}, ramp(35)), bias}}, {"fc", {fc}}}),
             Contains("wants 36 numbers, met 35"));
  CHECK_THAT(error({{"conv", {caffe_blob({1LL << 40, 1LL << 40}, {}), bias}}, {"fc", {fc}}}),
             Contains("too large"));
  CHECK_THAT(error({{"conv", {caffe_blob({-1, 3}, {}), bias}}, {"fc", {fc}}}), Contains("negative extent"));
  CHECK_THAT(error({{"conv", {caffe_blob({1, 1, 1, 1, 1, 1, 1, 1, 1}, {1}), bias}}, {"fc", {fc}}}),
             Contains("more than 8"));
  CHECK_THAT(error({{"conv", {std::string(), bias}}, {"fc", {fc}}}), Contains("without extents"));
  CHECK_THAT(error({{"conv", std::vector<std::string>(65, bias)}}), Contains("more than 64 arrays"));
}

TEST_CASE("broken networks are named") {
  CHECK_THAT(error_of("layer { name: 'r' type: 'ReLU' bottom: 'nowhere' top: 'y' }"),
             Contains("unknown bottom \"nowhere\""));
  CHECK_THAT(error_of("layer { name: 'r' type: 'ReLU' bottom: 'data' top: 'y' speed: 3 }"),
             Contains("unknown field of layer"));
  CHECK_THAT(error_of("layer { name: 'r' type: 'ReLU' bottom: 'data' }"), Contains("one top wanted, met 0"));
  CHECK_THAT(error_of(""), Contains("a network with layers wanted"));
  CHECK_THAT(error_of("layer { name: 'a' type: 'ReLU' bottom: 'data' top: 'y' } layer { name: 'a' type: "
                      "'ReLU' bottom: 'y' top: 'z' }"),
             Contains("two nodes are named \"a\""));
  CHECK_THAT(error_of("layer { name: 'a' type: 'Eltwise' bottom: 'data' top: 'y' }"),
             Contains("at least 2 input(s)"));
  CHECK_THAT(error_of("net: 'solver'"), Contains("unknown field"));
  CHECK_THAT(error_of("layers { layer { name: 'old' } }"), Contains("unknown field"));
}

TEST_CASE("a .caffemodel cut anywhere or with any byte changed ends in an Error or a network") {
  const io::Bytes whole = small_weights(BlobForm::modern, false);
  const auto read = [&](io::Bytes bytes) {
    try {
      const io::CaffeWeights weights(std::move(bytes), "net.caffemodel");
      const Model model = io::read_caffe(small_net, "net.prototxt", &weights);
      check_weights(model);
      return true;
    } catch (const Error& error) {
      CHECK(std::string(error.what()).find('\n') == std::string::npos);
      return false;
    }
  };
  REQUIRE(read(whole));
  for (std::size_t size = 0; size < whole.size(); ++size)
    CHECK_FALSE(read({whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)}));
  std::mt19937 random(3);
  for (std::size_t at = 0; at < whole.size(); ++at) {
    io::Bytes changed = whole;
    changed[at] = static_cast<std::uint8_t>(changed[at] ^ (1u << (random() % 8)));
    (void)read(changed);
  }
}

TEST_CASE("a .prototxt cut anywhere or with any byte changed ends in an Error or a network") {
  std::mt19937 random(5);
  const auto read = [&](const std::string& text) {
    try {
      const Model model = io::read_caffe(text, "net.prototxt", nullptr);
      (void)weight_shapes(model.graph);
    } catch (const Error& error) {
      CHECK(std::string(error.what()).find('\n') == std::string::npos);
    }
  };
  for (std::size_t at = 0; at < small_net.size(); ++at) {
    read(small_net.substr(0, at));
    std::string changed = small_net;
    changed[at] = static_cast<char>(random());
    read(changed);
  }
}

TEST_CASE("mean images") {
  const ScratchFolder folder;
  const auto write = [&](const std::string& bytes) {
    io::write_text(folder / "mean.binaryproto", bytes);
    return io::read_binaryproto(folder / "mean.binaryproto");
  };
  const Tensor<float, Cpu> mean = write(caffe_blob({1, 3, 2, 2}, ramp(12), BlobForm::legacy));
  CHECK(mean.shape() == Shape{1, 3, 2, 2});
  CHECK(mean.data()[11] == 11.0f);
  CHECK_THROWS_AS(write(caffe_blob({1, 3, 2, 2}, ramp(11), BlobForm::legacy)), FormatError);
  CHECK_THROWS_AS(write("no protobuf at all"), FormatError);
  CHECK_THROWS_AS(write(""), FormatError);
  CHECK_THROWS_AS(io::read_binaryproto(folder / "absent.binaryproto"), IoError);
}

TEST_CASE("real Caffe files") {
  DECONV_TEST_DATA_OR_SKIP(models, "models/caffe");
  const Model lenet = io::read_caffe(models / "lenet.prototxt", models / "lenet_iter_10000.caffemodel");
  CHECK_NOTHROW(check_weights(lenet));
  CHECK(parameter_count(lenet) == 431'080);
  CHECK(infer_shapes(lenet.graph, 1).at("pool2") == Shape{1, 50, 4, 4});

  const Model full =
      io::read_caffe(models / "cifar10_full.prototxt", models / "cifar10_full_iter_70000.caffemodel");
  CHECK_NOTHROW(check_weights(full));
  const auto shapes = infer_shapes(full.graph);
  CHECK(shapes.at("pool1") == Shape{1, 32, 16, 16});
  CHECK(shapes.at("relu1") == Shape{1, 32, 16, 16});  // in place on pool1
  CHECK(node_of(full, "norm1").inputs[0] == "relu1");

  const Model alexnet = io::read_prototxt(models / "bvlc_alexnet" / "deploy.prototxt");
  CHECK(parameter_count(alexnet) == 60'965'224);
  CHECK(infer_shapes(alexnet.graph, 1).at("pool5") == Shape{1, 256, 6, 6});
  CHECK_THROWS_AS(check_weights(alexnet), FormatError);
  const Model training = io::read_prototxt(models / "bvlc_alexnet" / "train_val.prototxt");
  CHECK(weight_shapes(training.graph) == weight_shapes(alexnet.graph));

  const Model googlenet = io::read_prototxt(models / "bvlc_googlenet" / "deploy.prototxt");
  CHECK(parameter_count(googlenet) == 6'998'552);
  CHECK(infer_shapes(googlenet.graph, 1).at("inception_5b/output") == Shape{1, 1024, 7, 7});
  const Model cnn_s = io::read_prototxt(models / "VGG_CNN_S_deploy.prototxt");
  CHECK(infer_shapes(cnn_s.graph, 1).at("pool5") == Shape{1, 512, 6, 6});
  CHECK_THROWS_WITH(io::read_prototxt(models / "bvlc_alexnet" / "solver.prototxt"),
                    Contains("unknown field"));

  const Tensor<float, Cpu> mean = io::read_binaryproto(models / "means" / "imagenet_mean.binaryproto");
  REQUIRE(mean.shape() == Shape{1, 3, 256, 256});
  double sum[3] = {};
  for (Index c = 0; c < 3; ++c)
    for (Index i = 0; i < 65536; ++i) sum[c] += static_cast<double>(mean.data()[c * 65536 + i]) / 65536;
  CHECK(std::abs(sum[0] - 104.0) < 1.0);  // the usual means of blue, green and red
  CHECK(std::abs(sum[1] - 117.0) < 1.0);
  CHECK(std::abs(sum[2] - 123.0) < 1.0);
}
