#pragma once
/// Networks from ONNX files (.onnx), opsets 7 to 21, and older ones as far as their operators mean the same.
///
/// Read are Conv, ConvTranspose, MaxPool (with indices), MaxUnpool, AveragePool, GlobalAveragePool,
/// GlobalMaxPool, ReduceMean over rows and columns, Relu, LeakyRelu, LRN, Gemm and MatMul with constant
/// weights, Add, Sum, and Sub, Mul, Div by constants, BatchNormalization, Softmax, LogSoftmax, Dropout,
/// Concat, Pad, Flatten, Reshape, Squeeze, Unsqueeze, Transpose that moves nothing, Identity and Cast. Nodes
/// that only compute constants (shapes above all) are computed while reading. Images have two dimensions.
/// Source: the ONNX operator specification (https://onnx.ai/onnx/operators).

#include <filesystem>
#include <limits>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "deconv/io/file.hpp"
#include "deconv/io/onnx_import.hpp"
#include "deconv/io/onnx_layers.hpp"
#include "deconv/io/onnx_proto.hpp"
#include "deconv/io/onnx_windows.hpp"
#include "deconv/nn/graph.hpp"

namespace deconv::io {

namespace onnx {

using Handler = void (*)(Import&, Call&);

/// What imports a node of that operator, or null.
[[nodiscard]] inline Handler handler_of(std::string_view op) {
  static const std::unordered_map<std::string_view, Handler> handlers{
      {"Add", import_arithmetic},
      {"AveragePool", import_average_pool},
      {"BatchNormalization", import_batch_norm},
      {"Cast", import_identity},
      {"Concat", import_concat},
      {"Conv", import_conv},
      {"ConvTranspose", import_conv_transpose},
      {"Div", import_arithmetic},
      {"Dropout", import_dropout},
      {"Flatten", import_flatten},
      {"Gemm", import_gemm},
      {"GlobalAveragePool", import_global_pool<node::GlobalAveragePool>},
      {"GlobalMaxPool", import_global_pool<node::GlobalMaxPool>},
      {"Identity", import_identity},
      {"LRN", import_lrn},
      {"LeakyRelu", import_relu},
      {"LogSoftmax", import_softmax<node::LogSoftmax>},
      {"MatMul", import_matmul},
      {"MaxPool", import_max_pool},
      {"MaxUnpool", import_max_unpool},
      {"Mul", import_arithmetic},
      {"Pad", import_pad},
      {"ReduceMean", import_reduce_mean},
      {"Relu", import_relu},
      {"Reshape", import_reshape},
      {"Softmax", import_softmax<node::Softmax>},
      {"Squeeze", import_squeeze},
      {"Sub", import_arithmetic},
      {"Sum", import_sum},
      {"Transpose", import_transpose},
      {"Unsqueeze", import_squeeze},
  };
  const auto found = handlers.find(op);
  return found == handlers.end() ? nullptr : found->second;
}

/// The version of ONNX's own operators. Throws FormatError where it is missing or later than 21.
[[nodiscard]] inline std::int64_t opset_of(const ModelProto& file) {
  std::int64_t version = file.opsets.empty() && file.ir_version < 3 ? 1 : 0;
  for (const OpsetProto& opset : file.opsets)
    if (opset.domain.empty() || opset.domain == "ai.onnx") version = opset.version;
  if (version == 0 && !file.opsets.empty())
    raise<FormatError>("uses the operators ", quoted(file.opsets.front().domain),
                       ", only ONNX's own are read");
  require<FormatError>(version >= 1 && version <= 21, "opset 1 to 21 wanted, met ", version);
  return version;
}

/// The nominal shape of a graph input: a batch of 1 where the file leaves the batch open. Throws FormatError
/// where it leaves more open and no shape was given.
[[nodiscard]] inline Shape input_shape(const ValueProto& input, const OnnxOptions& options) {
  if (const auto given = options.input_shapes.find(std::string(input.name));
      given != options.input_shapes.end())
    return given->second;
  const std::string label = message("graph input ", quoted(input.name));
  require<FormatError>(input.dims.has_value(), label, " has no shape; give one");
  std::vector<Index> extents = *input.dims;
  for (std::size_t i = 0; i < extents.size(); ++i) {
    if (i == 0 && extents[i] <= 0) extents[i] = 1;
    require<FormatError>(extents[i] > 0, label, ": extent ", i, " is left open; give the input's shape");
  }
  const Shape shape{std::span<const Index>(extents)};
  deconv::detail::check_extents(shape, label);
  return shape;
}

inline void import_inputs(Import& import, const GraphProto& graph, const OnnxOptions& options) {
  std::unordered_map<std::string_view, const ValueProto*> inputs;
  for (const ValueProto& input : graph.inputs) inputs.emplace(input.name, &input);
  for (const auto& entry : options.constants)
    require<ArgumentError>(inputs.contains(entry.first), "no graph input is named ", quoted(entry.first));
  for (const auto& entry : options.input_shapes)
    require<ArgumentError>(inputs.contains(entry.first), "no graph input is named ", quoted(entry.first));
  for (const ValueProto& input : graph.inputs) {
    const std::string name(input.name);
    // Older files list the initialisers here too. What no node reads is no input of the network.
    if (import.is_constant(name) || !import.is_used(name)) continue;
    const bool integers = input.type == ElementType::int64 || input.type == ElementType::int32;
    require<FormatError>(integers || is_float(input.type), "graph input ", quoted(name), ": element type ",
                         static_cast<int>(input.type), " is not supported");
    import.add_input(name, input_shape(input, options), integers);
  }
}

/// The extents of a tensor that Shape asks for, from `start` to before `end`.
[[nodiscard]] inline Constant shape_constant(Call& call, const Shape& src) {
  const auto rank = static_cast<Index>(src.rank());
  const auto place = [&](Index at) { return std::clamp<Index>(at < 0 ? at + rank : at, 0, rank); };
  const Index start = place(call.integer("start", 0)), end = place(call.integer("end", rank));
  return make_constant(std::vector<Index>(src.begin() + start, src.begin() + std::max(start, end)));
}

inline void import_node(Import& import, Call& call) {
  const NodeProto& proto = call.proto();
  const std::string_view op = proto.op;
  require<FormatError>(proto.domain.empty() || proto.domain == "ai.onnx", call.label(), ": operators of ",
                       quoted(proto.domain), " are not supported");
  require<FormatError>(call.has_output(0), call.label(), ": has no output");
  if (op == "Constant") {
    import.add_constant(call, stated_constant(call, import.folder()));
    return;
  }
  if (op == "Shape" || op == "Size") {
    call.want_inputs(1, 1);
    const Constant known = import.find_constant(call.input(0));
    const Shape src = known != nullptr ? known->shape() : import.computed(call, 0).shape;
    import.add_constant(call, op == "Shape"
                                  ? shape_constant(call, src)
                                  : make_constant(Tensor<std::int64_t, Cpu>::filled({}, src.count())));
    return;
  }
  bool constant = false;
  for (std::size_t i = 0; i < call.input_count(); ++i) {
    if (!call.has_input(i)) continue;
    constant = import.find_constant(call.input(i)) != nullptr;
    if (!constant) break;
  }
  if (constant) {
    std::vector<Constant> inputs;
    for (std::size_t i = 0; i < call.input_count(); ++i) inputs.push_back(import.optional_constant(call, i));
    Constant value = fold(call, inputs, import.budget());
    require<FormatError>(value != nullptr, call.label(), ": is not supported for constant inputs");
    import.add_constant(call, std::move(value));
    return;
  }
  const Handler handler = handler_of(op);
  require<FormatError>(handler != nullptr, call.label(), ": the operator is not supported");
  require<FormatError>(call.input_count() > 0, call.label(), ": has no input");
  handler(import, call);
}

[[nodiscard]] inline Model import_model(const ModelProto& file, const OnnxOptions& options,
                                        const std::filesystem::path& folder) {
  require<FormatError>(file.graph.has_value(), "holds no ONNX graph");
  const GraphProto& graph = *file.graph;
  require<FormatError>(!graph.sparse, "sparse initialisers are not supported");
  const std::int64_t opset = opset_of(file);
  Import import(graph, options, folder);
  import.model.name = std::string(graph.name);
  import_inputs(import, graph, options);
  for (const NodeProto& node : graph.nodes) {
    Call call(node, opset);
    import_node(import, call);
    call.finish();
    import.finish(call);
  }
  Model& model = import.model;
  for (const ValueProto& output : graph.outputs) {
    const std::string name(output.name);
    require<FormatError>(!import.is_constant(name), "graph output ", quoted(name), " is a constant");
    model.graph.outputs.push_back(name);
  }
  sort_and_check(model.graph);
  check_weights(model);
  return std::move(model);
}

/// Puts the file's name before the message of any error about its content.
template <class Work>
[[nodiscard]] auto labelled(const std::string& name, const Work& work) {
  try {
    return work();
  } catch (const FormatError& failure) {
    raise<FormatError>("onnx ", name, ": ", failure.what());
  } catch (const ShapeError& failure) {
    raise<ShapeError>("onnx ", name, ": ", failure.what());
  }
}

}  // namespace onnx

/// Reads a network from the bytes of an ONNX file; `name` is what messages call it. External data is looked
/// for in `folder`, and refused where that is empty. Throws FormatError, ShapeError or ArgumentError with one
/// line that names node or tensor; memory stays within a small multiple of the bytes and
/// options.most_made_elements.
[[nodiscard]] inline Model read_onnx(std::span<const std::uint8_t> content, const OnnxOptions& options = {},
                                     const std::string& name = "in memory",
                                     const std::filesystem::path& folder = {}) {
  return onnx::labelled(name,
                        [&] { return onnx::import_model(onnx::read_model_proto(content), options, folder); });
}

/// Reads a network from an ONNX file, at most 2 GiB as protobuf allows, and from external data in the file's
/// folder. Layers are called as the file's nodes, or as their outputs where those have no names; both names
/// are known to the graph. Weights are float32 in memory. Throws as above, and IoError.
[[nodiscard]] inline Model read_onnx(const std::filesystem::path& path, const OnnxOptions& options = {}) {
  const Bytes content = read_file(path, std::uint64_t{1} << 31);
  std::filesystem::path folder = path.parent_path();
  if (folder.empty()) folder = ".";
  return read_onnx(content, options, path.string(), folder);
}

}  // namespace deconv::io
