#pragma once
/// Caffe networks: .prototxt (new and V1 layers) and .caffemodel.
///
/// Names. A blob that is written once gives its name to the tensor. A layer that writes to a blob which
/// exists already (in place, most often a rectifier) makes a tensor of its own, named like the layer; the
/// blob's name keeps meaning the first tensor for users, while the layers further on in the file read the
/// latest, as in Caffe. So with "conv1 -> conv1, relu1: conv1 -> conv1" there are the tensors conv1 (not
/// rectified) and relu1. Where a layer's name is no tensor it is an alias of the layer's output.
///
/// Only layers of phase TEST are read. Data layers become inputs; losses, accuracies and Silence are dropped;
/// Split gives its input more names. A Scale behind a BatchNorm becomes part of it.

#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "deconv/io/caffe_blobs.hpp"
#include "deconv/io/caffe_layers.hpp"
#include "deconv/io/file.hpp"
#include "deconv/io/text_format.hpp"
#include "deconv/nn/graph.hpp"

namespace deconv::io {

/// What the readers may be told beside the files.
struct CaffeOptions {
  /// Shapes of inputs by name, in place of what the file says; needed where a training net says nothing of
  /// them.
  std::map<std::string, Shape> input_shapes;
};

namespace detail {

/// Turns a parsed .prototxt into a graph and remembers which layer each node's numbers stand in.
class CaffeImport {
 public:
  CaffeImport(const TextMessage& net, const CaffeOptions& options) : net_(net), options_(options) {
    net.allow({"name", "input", "input_dim", "input_shape", "layer", "layers", "state", "force_backward",
               "debug_info"});
    if (net.has("layer") && net.has("layers")) fail("layer and layers at once");
    for (const TextMessage* message : net.messages(net.has("layers") ? "layers" : "layer")) {
      CaffeLayer layer(*message);
      if (layer.in_test_phase()) layers_.push_back(std::move(layer));
    }
    if (layers_.empty()) fail("a network with layers wanted, met none");
    for (const std::string& input : net.texts("input")) reserved_.insert(input);
    for (const CaffeLayer& layer : layers_) {
      reserved_.insert(layer.tops.begin(), layer.tops.end());
      for (const std::string& bottom : layer.bottoms) ++readers_[bottom];
    }
  }

  [[nodiscard]] Model read(const CaffeWeights* weights) {
    read_inputs();
    for (const CaffeLayer& layer : layers_) read_layer(layer);
    Graph& graph = model_.graph;
    for (const Node& node : graph.nodes)
      for (const std::string& output : node.outputs)
        if (!read_.contains(output)) graph.outputs.push_back(output);
    for (const auto& [alias, tensor] : aliases_)
      if (!made_.contains(alias) && alias != tensor) graph.aliases.emplace(alias, tensor);
    model_.name = net_.text("name", "");
    try {
      sort_and_check(graph);
      const std::map<std::string, Shape> shapes = infer_shapes(graph);
      if (weights != nullptr)
        for (const Node& node : graph.nodes)
          read_weights(node, deconv::detail::input_shapes(node, shapes), *weights);
    } catch (const ShapeError& problem) {
      raise<ShapeError>(document(), ": ", problem.what());
    }
    return std::move(model_);
  }

 private:
  [[nodiscard]] std::string document() const { return net_.name.substr(0, net_.name.rfind(':')); }
  [[noreturn]] void fail(const auto&... parts) const { raise<FormatError>(document(), ": ", parts...); }

  // ---- inputs
  // -----------------------------------------------------------------------------------------------

  void add_input(const std::string& name, const std::optional<Shape>& in_file) {
    const auto told = options_.input_shapes.find(name);
    if (told == options_.input_shapes.end() && !in_file)
      fail("input ", quoted(name), ": its shape is not in the file and must be given");
    model_.graph.inputs.push_back({name, told != options_.input_shapes.end() ? told->second : *in_file});
    made_.insert(name);
    blobs_[name] = name;
  }

  [[nodiscard]] Shape shape_of(const std::string& name, const std::vector<Index>& extents) const {
    try {
      return Shape(std::span<const Index>(extents));
    } catch (const ShapeError& problem) {
      fail("input ", quoted(name), ": ", problem.what());
    }
  }
  [[nodiscard]] std::optional<Shape> shape_of(const std::string& name, const TextMessage& shape) const {
    shape.allow({"dim"});
    const std::vector<Index> extents = shape.integers("dim", 1, caffe_limit);
    if (extents.empty()) return std::nullopt;
    return shape_of(name, extents);
  }

  void read_inputs() {
    const std::vector<std::string> names = net_.texts("input");
    const std::vector<Index> extents = net_.integers("input_dim", 1, caffe_limit);
    const auto shapes = net_.messages("input_shape");
    if (!extents.empty() && (!shapes.empty() || extents.size() != 4 * names.size()))
      fail("four input_dim for each of ", names.size(), " inputs wanted, met ", extents.size());
    if (!shapes.empty() && shapes.size() != names.size())
      fail(names.size(), " input_shape wanted, met ", shapes.size());
    for (std::size_t i = 0; i < names.size(); ++i) {
      std::optional<Shape> shape;
      if (!shapes.empty()) shape = shape_of(names[i], *shapes[i]);
      if (!extents.empty())
        shape =
            shape_of(names[i], std::vector<Index>(extents.begin() + static_cast<std::ptrdiff_t>(4 * i),
                                                  extents.begin() + static_cast<std::ptrdiff_t>(4 * i + 4)));
      add_input(names[i], shape);
    }
  }

  void read_input_layer(const CaffeLayer& layer) {
    const TextMessage& param = layer.param("input_param");
    param.allow({"shape"});
    const auto shapes = param.messages("shape");
    if (shapes.size() > 1 && shapes.size() != layer.tops.size())
      layer.fail("one shape or ", layer.tops.size(), " wanted, met ", shapes.size());
    for (std::size_t i = 0; i < layer.tops.size(); ++i) {
      std::optional<Shape> shape;
      if (!shapes.empty()) shape = shape_of(layer.tops[i], *shapes[shapes.size() == 1 ? 0 : i]);
      add_input(layer.tops[i], shape);
    }
  }

  /// The first top holds the images; labels are read by losses and accuracies alone, which are dropped.
  void read_data_layer(const CaffeLayer& layer) {
    if (layer.tops.empty()) layer.fail("a top is wanted");
    std::optional<Shape> shape;
    const std::string& name = layer.tops.front();
    const TextMessage& memory = layer.param("memory_data_param");
    const TextMessage& transform = layer.param("transform_param");
    const Index crop = transform.integer("crop_size", 0, 0, caffe_limit);
    if (memory.has("channels")) {
      const auto extent = [&](const char* field) { return memory.integer(field, 1, 1, caffe_limit); };
      shape = shape_of(name, {extent("batch_size"), extent("channels"), extent("height"), extent("width")});
    } else if (crop > 0) {
      // Grey pictures are rare and colour is Caffe's own default; where the guess is wrong the weights do not
      // fit.
      shape =
          shape_of(name, {layer.param("data_param").integer("batch_size", 1, 1, caffe_limit), 3, crop, crop});
    }
    add_input(name, shape);
  }

  // ---- layers
  // -----------------------------------------------------------------------------------------------

  void read_layer(const CaffeLayer& layer) {
    const std::string& type = layer.type();
    static const std::set<std::string, std::less<>> data = {"data", "imagedata", "windowdata", "memorydata",
                                                            "hdf5data"};
    static const std::set<std::string, std::less<>> dropped = {"softmaxwithloss",
                                                               "softmaxloss",
                                                               "accuracy",
                                                               "euclideanloss",
                                                               "hingeloss",
                                                               "sigmoidcrossentropyloss",
                                                               "multinomiallogisticloss",
                                                               "infogainloss",
                                                               "contrastiveloss",
                                                               "hdf5output",
                                                               "silence"};
    if (type == "input") return read_input_layer(layer);
    if (data.contains(type)) return read_data_layer(layer);
    if (dropped.contains(type)) return;
    if (type == "split") return read_split(layer);
    if (type == "scale") return read_scale(layer);
    if (layer.tops.size() != 1) layer.fail("one top wanted, met ", layer.tops.size());
    add_node(layer, params_of(layer));
  }

  [[nodiscard]] node::Params params_of(const CaffeLayer& layer) const {
    const std::string& type = layer.type();
    if (type == "convolution") return caffe_convolution(layer, false);
    if (type == "deconvolution") return caffe_convolution(layer, true);
    if (type == "pooling") return caffe_pooling(layer);
    if (type == "innerproduct") return caffe_inner_product(layer);
    if (type == "relu") return caffe_relu(layer);
    if (type == "lrn") return caffe_lrn(layer);
    if (type == "dropout") return caffe_dropout(layer);
    if (type == "softmax") return caffe_softmax(layer);
    if (type == "concat") return caffe_concat(layer);
    if (type == "eltwise") return caffe_eltwise(layer);
    if (type == "flatten") return caffe_flatten(layer);
    if (type == "batchnorm") return caffe_batch_norm(layer);
    if (type == "reshape") {
      const Graph& graph = model_.graph;
      return caffe_reshape(
          layer, graph.inputs.empty() || graph.inputs[0].shape.rank() == 0 ? 0 : graph.inputs[0].shape[0]);
    }
    layer.fail("type ", quoted(layer.type_in_file()), " is not supported");
  }

  [[nodiscard]] const std::string& tensor_of(const CaffeLayer& layer, const std::string& blob) const {
    const auto found = blobs_.find(blob);
    if (found == blobs_.end()) layer.fail("unknown bottom ", quoted(blob));
    return found->second;
  }

  [[nodiscard]] std::string name_for(const CaffeLayer& layer, const std::string& top) {
    const auto taken = [&](const std::string& name) {
      return made_.contains(name) || reserved_.contains(name);
    };
    std::string name = top;
    if (made_.contains(top)) {
      name = layer.name();
      if (name.empty() || taken(name)) name += '/' + top;
      while (taken(name)) name += '_' + std::to_string(made_.size());
    }
    made_.insert(name);
    return name;
  }

  void add_node(const CaffeLayer& layer, node::Params params) {
    Node node{layer.name(), std::move(params), {}, {}};
    for (const std::string& bottom : layer.bottoms) {
      node.inputs.push_back(tensor_of(layer, bottom));
      read_.insert(node.inputs.back());
    }
    const std::string& top = layer.tops.front();
    const std::string tensor = name_for(layer, top);
    node.outputs.push_back(tensor);
    blobs_[top] = tensor;
    aliases_.emplace(layer.name(), tensor);
    if (std::holds_alternative<node::BatchNorm>(node.params)) batch_norms_[tensor] = layer.name();
    if (layer.type() == "innerproduct" && layer.param("inner_product_param").truth("transpose", false))
      transposed_.insert(layer.name());
    model_.graph.nodes.push_back(std::move(node));
  }

  void read_split(const CaffeLayer& layer) {
    if (layer.bottoms.size() != 1) layer.fail("one bottom wanted, met ", layer.bottoms.size());
    const std::string tensor = tensor_of(layer, layer.bottoms.front());
    for (const std::string& top : layer.tops) {
      blobs_[top] = tensor;
      aliases_.emplace(top, tensor);
    }
    aliases_.emplace(layer.name(), tensor);
    split_.insert(tensor);
  }

  /// scale * x + bias a channel: part of the batch normalisation before it, or one of its own that changes
  /// nothing else.
  void read_scale(const CaffeLayer& layer) {
    const TextMessage& param = layer.param("scale_param");
    param.allow({"axis", "num_axes", "filler", "bias_term", "bias_filler"});
    want_axis(layer, param, 1);
    if (param.integer("num_axes", 1, -1, 8) != 1) layer.fail("num_axes 1 is supported");
    if (layer.bottoms.size() != 1 || layer.tops.size() != 1) layer.fail("one bottom and one top wanted");
    const ScaleSource source{layer.name(), param.truth("bias_term", false)};
    const std::string &bottom = layer.bottoms.front(), &top = layer.tops.front();
    const std::string tensor = tensor_of(layer, bottom);
    const auto norm = batch_norms_.find(tensor);
    const bool sole_reader = bottom == top || readers_[bottom] == 1;
    if (norm != batch_norms_.end() && sole_reader && !read_.contains(tensor) && !split_.contains(tensor)) {
      scales_.emplace(norm->second, source);
      batch_norms_.erase(norm);  // a second Scale becomes a node of its own
      blobs_[top] = tensor;
      aliases_.emplace(top, tensor);
      aliases_.emplace(layer.name(), tensor);
      return;
    }
    add_node(layer, node::BatchNorm{0.0f});
    batch_norms_.erase(blobs_[top]);
    scales_.emplace(layer.name(), source);
    lone_scales_.insert(layer.name());
  }

  // ---- weights
  // ----------------------------------------------------------------------------------------------

  struct ScaleSource {
    std::string layer;
    bool bias = false;
  };

  [[nodiscard]] static std::vector<CaffeBlob> blobs_of(const CaffeWeights& weights, const std::string& layer,
                                                       std::size_t wanted) {
    std::vector<CaffeBlob> blobs = weights.blobs(layer);
    require<FormatError>(blobs.size() == wanted, weights.name(), ": layer ", quoted(layer), ": wants ",
                         wanted, " arrays, met ", blobs.size());
    return blobs;
  }

  /// The array under the wanted shape. Caffe's old files pad shapes with ones in front, so ones do not count.
  [[nodiscard]] static Tensor<float, Cpu> fitted(const CaffeBlob& blob, const Shape& wanted,
                                                 const std::string& what) {
    const auto without_ones = [](const Shape& shape) {
      std::vector<Index> extents(shape.begin(), shape.end());
      std::erase(extents, 1);
      return extents;
    };
    require<FormatError>(without_ones(blob.shape()) == without_ones(wanted), what, ": wants shape ", wanted,
                         ", met ", blob.shape());
    return blob.read(wanted);
  }

  void read_weights(const Node& node, const std::vector<Shape>& inputs, const CaffeWeights& weights) {
    const std::map<std::string, Shape> wanted = weight_shapes(node, inputs);
    if (wanted.empty()) return;
    if (std::holds_alternative<node::BatchNorm>(node.params)) return read_batch_norm(node, wanted, weights);
    const auto blobs = blobs_of(weights, node.name, wanted.size());
    const std::string weight = node.name + ".weight", bias = node.name + ".bias";
    const auto what = [&](const std::string& name) {
      return message(weights.name(), ": weight ", quoted(name));
    };
    const Shape& shape = wanted.at(weight);
    if (transposed_.contains(node.name)) {
      const Tensor<float, Cpu> stored = fitted(blobs[0], Shape{shape[1], shape[0]}, what(weight));
      Tensor<float, Cpu> turned(shape);
      for (Index o = 0; o < shape[0]; ++o)
        for (Index f = 0; f < shape[1]; ++f)
          turned.data()[o * shape[1] + f] = stored.data()[f * shape[0] + o];
      model_.weights.emplace(weight, std::move(turned));
    } else {
      model_.weights.emplace(weight, fitted(blobs[0], shape, what(weight)));
    }
    if (wanted.contains(bias)) model_.weights.emplace(bias, fitted(blobs[1], wanted.at(bias), what(bias)));
  }

  void read_batch_norm(const Node& node, const std::map<std::string, Shape>& wanted,
                       const CaffeWeights& weights) {
    const Shape& shape = wanted.begin()->second;
    const auto put = [&](const char* weight, Tensor<float, Cpu> value) {
      model_.weights.emplace(node.name + '.' + weight, std::move(value));
    };
    const auto what = [&](const std::string& layer) {
      return message(weights.name(), ": layer ", quoted(layer));
    };
    if (lone_scales_.contains(node.name)) {
      put("mean", Tensor<float, Cpu>::filled(shape, 0.0f));
      put("variance", Tensor<float, Cpu>::filled(shape, 1.0f));
    } else {
      // Caffe keeps sums and the number that they are to be divided by.
      const auto blobs = blobs_of(weights, node.name, 3);
      const float count = fitted(blobs[2], Shape{1}, what(node.name)).data()[0];
      const float factor = count == 0.0f ? 0.0f : 1.0f / count;
      for (const auto& [name, place] : {std::pair("mean", 0), std::pair("variance", 1)}) {
        Tensor<float, Cpu> value = fitted(blobs[static_cast<std::size_t>(place)], shape, what(node.name));
        for (float& each : value.span()) each *= factor;
        put(name, std::move(value));
      }
    }
    const auto scale = scales_.find(node.name);
    if (scale == scales_.end()) {
      put("scale", Tensor<float, Cpu>::filled(shape, 1.0f));
      put("bias", Tensor<float, Cpu>::filled(shape, 0.0f));
      return;
    }
    const auto blobs = blobs_of(weights, scale->second.layer, scale->second.bias ? 2 : 1);
    put("scale", fitted(blobs[0], shape, what(scale->second.layer)));
    put("bias", scale->second.bias ? fitted(blobs[1], shape, what(scale->second.layer))
                                   : Tensor<float, Cpu>::filled(shape, 0.0f));
  }

  const TextMessage& net_;
  const CaffeOptions& options_;
  std::vector<CaffeLayer> layers_;
  Model model_;
  std::set<std::string> reserved_;              ///< every blob name of the file
  std::map<std::string, std::size_t> readers_;  ///< layers that read a blob name
  std::set<std::string> made_, read_, split_;   ///< tensors
  std::map<std::string, std::string> blobs_;    ///< blob -> its latest tensor
  std::map<std::string, std::string> aliases_;
  std::map<std::string, std::string> batch_norms_;  ///< tensor -> node that a Scale may still join
  std::map<std::string, ScaleSource> scales_;       ///< node -> the layer that has its scale
  std::set<std::string> transposed_, lone_scales_;  ///< nodes
};

}  // namespace detail

/// The network of .prototxt text with its weights, or without any when `weights` is null: its shapes can then
/// be inferred and described. `name` is what messages call the text. Throws FormatError naming file and line,
/// layer or weight, what was wanted and what was met; ShapeError where layers do not fit each other.
[[nodiscard]] inline Model read_caffe(std::string_view prototxt, const std::string& name,
                                      const CaffeWeights* weights, const CaffeOptions& options = {}) {
  const TextMessage net = parse_text_format(prototxt, name);
  return detail::CaffeImport(net, options).read(weights);
}

/// The network of two files. Throws also IoError.
[[nodiscard]] inline Model read_caffe(const std::filesystem::path& prototxt,
                                      const std::filesystem::path& caffemodel,
                                      const CaffeOptions& options = {}) {
  const CaffeWeights weights(read_file(caffemodel), caffemodel.string());
  return read_caffe(read_text(prototxt, std::uint64_t{1} << 24), prototxt.string(), &weights, options);
}

/// The network of a .prototxt alone, without weights.
[[nodiscard]] inline Model read_prototxt(const std::filesystem::path& prototxt,
                                         const CaffeOptions& options = {}) {
  return read_caffe(read_text(prototxt, std::uint64_t{1} << 24), prototxt.string(), nullptr, options);
}

}  // namespace deconv::io
