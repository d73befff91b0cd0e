#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "deconv/core/tensor.hpp"
#include "deconv/ops/average_pool2d.hpp"
#include "deconv/ops/conv2d_params.hpp"
#include "deconv/ops/conv2d_transpose_params.hpp"
#include "deconv/ops/lrn.hpp"
#include "deconv/ops/max_pool2d.hpp"
#include "deconv/ops/pad2d.hpp"

// A network as plain data: what importers produce, what the model file stores, and what Network is built
// from.
namespace deconv {

/// What a node computes. Weights stand in Model::weights under "<node name>.<weight>"; the names are given
/// here.
namespace node {

/// weights "weight" K x C/groups x R x S and, with `bias`, "bias" K.
struct Conv2d {
  Index out_channels = 0;
  Conv2dParams params;
  bool bias = true;
};
/// weights "weight" C x K/groups x R x S and, with `bias`, "bias" K.
struct Conv2dTranspose {
  Index out_channels = 0;
  Conv2dTransposeParams params;
  bool bias = true;
};
/// Outputs: the maxima and, as an optional second one, their int64 indices: row-major over the whole N,C,H,W
/// input, or with `column_major` with y running fastest inside a plane (ONNX storage_order 1).
struct MaxPool2d {
  MaxPool2dParams params;
  bool column_major = false;
};
/// Inputs: values N x C x P x Q and int64 indices as MaxPool2d's second output. Output N x C x H x W: the
/// shape is `height` x `width` when given, else (P-1) stride - padding + kernel.
struct MaxUnpool2d {
  Window2d window;
  Index height = 0, width = 0;
};
struct AveragePool2d {
  AveragePool2dParams params;
};
struct GlobalAveragePool {};
struct GlobalMaxPool {};
/// max(x, 0), or x * negative_slope below zero.
struct Relu {
  float negative_slope = 0;
};
struct Lrn {
  LrnParams params;
};
/// dst = flattened src (N x F) * weight^T + bias; weights "weight" O x F and, with `bias`, "bias" O. A src of
/// higher rank is flattened behind its first axis in N,C,H,W order.
struct Linear {
  Index out_features = 0;
  bool bias = true;
};
/// Along one axis; negative axes count from the back.
struct Softmax {
  Index axis = 1;
};
struct LogSoftmax {
  Index axis = 1;
};
/// The identity in inference.
struct Dropout {
  float ratio = 0.5f;
};
struct Concat {
  Index axis = 1;
};
/// Sum of two or more inputs of one shape.
struct Add {};
/// (x - mean) / sqrt(variance + epsilon) * scale + bias a channel; weights "scale", "bias", "mean",
/// "variance".
struct BatchNorm {
  float epsilon = 1e-5f;
};
/// Axes before `axis` fold into the first extent, the others into the second.
struct Flatten {
  Index axis = 1;
};
/// Extent 0 copies the input's extent at that place; one extent may be -1.
struct Reshape {
  std::vector<Index> extents;
};
struct Pad2d {
  Pad2dParams params;
};
/// The input, unchanged (ONNX Identity, Caffe Split).
struct Identity {};
/// A layer of the embedding program's own, which Network is given beside the model. One output. It cannot be
/// stored in a file.
struct Custom {
  std::function<Shape(const std::vector<Shape>&)> output_shape;  ///< from the inputs' shapes
};

using Params = std::variant<Conv2d, Conv2dTranspose, MaxPool2d, MaxUnpool2d, AveragePool2d, GlobalAveragePool,
                            GlobalMaxPool, Relu, Lrn, Linear, Softmax, LogSoftmax, Dropout, Concat, Add,
                            BatchNorm, Flatten, Reshape, Pad2d, Identity, Custom>;

}  // namespace node

/// One operation. Tensors are named: `inputs` are the graph's inputs or earlier nodes' outputs, every output
/// name is new in the graph (in-place layers of a file are given names of their own by its importer).
struct Node {
  std::string name;  ///< unique and not empty
  node::Params params;
  std::vector<std::string> inputs;
  std::vector<std::string> outputs;
};

/// An input and its shape; the first extent is a nominal batch size that any forward pass may replace.
struct GraphInput {
  std::string name;
  Shape shape;
};

struct Graph {
  std::vector<GraphInput> inputs;
  std::vector<Node> nodes;  ///< in any order that a topological sort can mend; importers keep the file's
  std::vector<std::string> outputs;
  /// Further names that users know tensors by: alias -> tensor name.
  std::map<std::string, std::string> aliases;
};

using Weights = std::map<std::string, Tensor<float, Cpu>>;

/// A network and its trained numbers, as read from a file.
struct Model {
  std::string name;
  Graph graph;
  Weights weights;
};

/// The field's word for a node's operation: "conv2d", "max_pool2d", "relu", ...
[[nodiscard]] std::string_view kind_of(const node::Params& params);

/// Puts nodes into an order in which every input stands before its use. Throws FormatError naming the node:
/// unknown inputs, doubled names, cycles, wrong numbers of inputs or outputs, no inputs or outputs, unknown
/// output names or alias targets.
void sort_and_check(Graph& graph);

/// The shape of every tensor for a batch of `batch` images (0: the nominal one). The graph is sorted. Throws
/// ShapeError naming the node.
[[nodiscard]] std::map<std::string, Shape> infer_shapes(const Graph& graph, Index batch = 0);

/// The names and shapes of a node's weights for inputs of the given shapes.
[[nodiscard]] std::map<std::string, Shape> weight_shapes(const Node& node, const std::vector<Shape>& inputs);

/// Checks that `model.weights` holds exactly what its nodes want. Throws FormatError naming the weight,
/// wanted and met.
void check_weights(const Model& model);

}  // namespace deconv

#include "deconv/nn/graph_inl.hpp"
