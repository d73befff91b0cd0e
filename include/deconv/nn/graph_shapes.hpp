#pragma once

// Shapes, weights and counts of graph.hpp, which reads this file behind graph_inl.hpp.

#include <initializer_list>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "deconv/core/quoted.hpp"
#include "deconv/nn/graph.hpp"

namespace deconv {

namespace detail {

[[nodiscard]] inline Shape flattened(const Shape& src, std::size_t axis) {
  Index before = 1, after = 1;
  for (std::size_t i = 0; i < src.rank(); ++i) (i < axis ? before : after) *= src[i];
  return {before, after};
}

[[nodiscard]] inline Shape reshaped(const Shape& src, const std::vector<Index>& wanted,
                                    std::string_view what) {
  require<ShapeError>(wanted.size() <= Shape::max_rank, what, ": wants at most ", Shape::max_rank,
                      " extents, met ", wanted.size());
  std::vector<Index> extents = wanted;
  std::size_t open = extents.size();
  Index known = 1;
  for (std::size_t i = 0; i < extents.size(); ++i) {
    if (extents[i] == 0) {
      require<ShapeError>(i < src.rank(), what, ": copies extent ", i, " of an input of shape ", src);
      extents[i] = src[i];
    }
    if (extents[i] == -1) {
      require<ShapeError>(open == extents.size(), what, ": more than one extent is -1");
      open = i;
      continue;
    }
    require<ShapeError>(extents[i] >= 0, what, ": extent ", extents[i], " is negative");
    known = saturating_product(known, extents[i]);
  }
  if (open != extents.size()) {
    require<ShapeError>(known > 0 && src.count() % known == 0, what, ": ", src.count(), " elements of ", src,
                        " do not divide by ", known);
    extents[open] = src.count() / known;
  }
  const Shape dst{std::span<const Index>(extents)};
  require<ShapeError>(dst.count() == src.count(), what, ": wants ", dst.count(), " elements for ", dst,
                      ", met ", src);
  return dst;
}

/// Shapes of the outputs of one node.
class ShapeRule {
 public:
  ShapeRule(const Node& node, const std::vector<Shape>& inputs)
      : node_(node), what_(label_of(node)), in_(inputs) {}

  [[nodiscard]] Shape first() const { return std::visit(*this, node_.params); }

  Shape operator()(const node::Conv2d& p) const {
    channels(p.out_channels);
    return conv2d_output_shape(in_[0], p.out_channels, p.params, what_);
  }
  Shape operator()(const node::Conv2dTranspose& p) const {
    channels(p.out_channels);
    require<ShapeError>(within(p.params.extra_y) && within(p.params.extra_x), what_,
                        ": rows and columns added behind must not be negative or huge, met ",
                        p.params.extra_y, " and ", p.params.extra_x);
    return conv2d_transpose_output_shape(in_[0], p.out_channels, p.params, what_);
  }
  Shape operator()(const node::MaxPool2d& p) const {
    return pool2d_output_shape(in_[0], p.params.window, what_);
  }
  Shape operator()(const node::AveragePool2d& p) const {
    return pool2d_output_shape(in_[0], p.params.window, what_);
  }
  Shape operator()(const node::MaxUnpool2d& p) const {
    rank4();
    p.window.check(what_);
    require<ShapeError>(in_[0] == in_[1], what_, ": values are ", in_[0], " but indices are ", in_[1]);
    require<ShapeError>(within(p.height) && within(p.width) && (p.height > 0) == (p.width > 0), what_,
                        ": output of ", p.height, 'x', p.width);
    const Window2d& w = p.window;
    const Index height = p.height > 0
                             ? p.height
                             : (in_[0][2] - 1) * w.stride_y - w.padding.top - w.padding.bottom + w.reach_y();
    const Index width =
        p.width > 0 ? p.width : (in_[0][3] - 1) * w.stride_x - w.padding.left - w.padding.right + w.reach_x();
    require<ShapeError>(height >= 1 && width >= 1, what_, ": window ", w, " leaves an output of ", height,
                        'x', width);
    return {in_[0][0], in_[0][1], height, width};
  }
  Shape operator()(const node::GlobalAveragePool&) const { return global(); }
  Shape operator()(const node::GlobalMaxPool&) const { return global(); }
  Shape operator()(const node::Relu&) const { return in_[0]; }
  Shape operator()(const node::Dropout&) const { return in_[0]; }
  Shape operator()(const node::Identity&) const { return in_[0]; }
  Shape operator()(const node::Custom& p) const {
    require<ArgumentError>(static_cast<bool>(p.output_shape), what_, ": wants an output_shape function");
    return p.output_shape(in_);
  }
  Shape operator()(const node::Lrn& p) const {
    rank4();
    require<ShapeError>(p.params.size >= 1 && within(p.params.size), what_,
                        ": region size must be at least 1, met ", p.params.size);
    return in_[0];
  }
  Shape operator()(const node::Linear& p) const {
    channels(p.out_features);
    require<ShapeError>(in_[0].rank() >= 2, what_, ": wants an input of rank 2 or more, met ", in_[0]);
    return {in_[0][0], p.out_features};
  }
  Shape operator()(const node::Softmax& p) const { return along(p.axis); }
  Shape operator()(const node::LogSoftmax& p) const { return along(p.axis); }
  Shape operator()(const node::Concat& p) const {
    const Index axis = static_cast<Index>(axis_of(p.axis));
    Index total = 0;
    for (const Shape& shape : in_) {
      require<ShapeError>(shape.rank() == in_[0].rank() && shape.with(axis, 0) == in_[0].with(axis, 0), what_,
                          ": inputs may differ along axis ", axis, " only, met ", in_[0], " and ", shape);
      total = saturating_sum(total, shape.extent(axis));
    }
    return in_[0].with(axis, total);
  }
  Shape operator()(const node::Add&) const {
    for (const Shape& shape : in_)
      require<ShapeError>(shape == in_[0], what_, ": wants inputs of one shape, met ", in_[0], " and ",
                          shape);
    return in_[0];
  }
  Shape operator()(const node::BatchNorm&) const {
    require<ShapeError>(in_[0].rank() == 2 || in_[0].rank() == 4, what_,
                        ": wants an input of rank 2 or 4, met ", in_[0]);
    return in_[0];
  }
  Shape operator()(const node::Flatten& p) const {
    const Index rank = static_cast<Index>(in_[0].rank());
    require<ShapeError>(p.axis >= -rank && p.axis <= rank, what_, ": axis ", p.axis, " of a shape of rank ",
                        rank);
    return flattened(in_[0], static_cast<std::size_t>(p.axis < 0 ? p.axis + rank : p.axis));
  }
  Shape operator()(const node::Reshape& p) const { return reshaped(in_[0], p.extents, what_); }
  Shape operator()(const node::Pad2d& p) const {
    for (const Index side : {p.params.top, p.params.left, p.params.bottom, p.params.right})
      require<ShapeError>(side > -extent_limit && side < extent_limit, what_, ": pads by ", side);
    return pad2d_output_shape(in_[0], p.params, what_);
  }

 private:
  static bool within(Index value) noexcept { return value >= 0 && value <= extent_limit; }
  void channels(Index count) const {
    require<ShapeError>(count >= 1 && within(count), what_, ": wants at least 1 output, met ", count);
  }
  void rank4() const {
    require<ShapeError>(in_[0].rank() == 4, what_, ": wants a rank-4 input N,C,H,W, met ", in_[0]);
  }
  Shape global() const {
    rank4();
    require<ShapeError>(in_[0][2] >= 1 && in_[0][3] >= 1, what_, ": nothing to pool in ", in_[0]);
    return {in_[0][0], in_[0][1], 1, 1};
  }
  std::size_t axis_of(Index axis) const {
    const Index rank = static_cast<Index>(in_[0].rank());
    require<ShapeError>(axis >= -rank && axis < rank, what_, ": axis ", axis, " of an input of shape ",
                        in_[0]);
    return static_cast<std::size_t>(axis < 0 ? axis + rank : axis);
  }
  Shape along(Index axis) const {
    static_cast<void>(axis_of(axis));
    return in_[0];
  }

  const Node& node_;
  std::string what_;
  const std::vector<Shape>& in_;
};

/// Shapes of a node's inputs. Throws ArgumentError when one is missing, as in a graph that was never sorted.
[[nodiscard]] inline std::vector<Shape> input_shapes(const Node& node,
                                                     const std::map<std::string, Shape>& shapes) {
  std::vector<Shape> inputs;
  inputs.reserve(node.inputs.size());
  for (const std::string& name : node.inputs) {
    const auto found = shapes.find(name);
    require<ArgumentError>(found != shapes.end(), label_of(node), ": no shape is known for input ",
                           quoted(name));
    inputs.push_back(found->second);
  }
  return inputs;
}

inline void check_extents(const Shape& shape, const std::string& what) {
  for (const Index extent : shape)
    require<ShapeError>(extent <= extent_limit, what, ": shape ", shape, " goes beyond ", extent_limit);
}

}  // namespace detail

inline std::map<std::string, Shape> infer_shapes(const Graph& graph, Index batch) {
  require<ArgumentError>(batch >= 0, "batch size must not be negative, met ", batch);
  std::map<std::string, Shape> shapes;
  for (const GraphInput& input : graph.inputs) {
    const Shape shape = batch > 0 ? input.shape.with(0, batch) : input.shape;
    detail::check_extents(shape, message("input ", quoted(input.name)));
    shapes.emplace(input.name, shape);
  }
  for (const Node& node : graph.nodes) {
    detail::check_arity(node);
    const std::vector<Shape> inputs = detail::input_shapes(node, shapes);
    Shape shape;
    try {
      shape = detail::ShapeRule(node, inputs).first();
      detail::check_extents(shape, detail::label_of(node));
    } catch (const ShapeError& error) {
      // A Shape that is too large says so itself, but does not know whose it is.
      const std::string label = detail::label_of(node);
      if (std::string_view(error.what()).starts_with(label)) throw;
      raise<ShapeError>(label, ": ", error.what());
    }
    for (const std::string& output : node.outputs) shapes.insert_or_assign(output, shape);
  }
  return shapes;
}

/// As declared in graph.hpp, under the names of Model::weights: "<node name>.<weight>". Throws ShapeError
/// where the node does not fit its inputs.
inline std::map<std::string, Shape> weight_shapes(const Node& node, const std::vector<Shape>& inputs) {
  detail::check_arity(node);
  require<ArgumentError>(inputs.size() == node.inputs.size(), detail::label_of(node), ": wants ",
                         node.inputs.size(), " input shapes, met ", inputs.size());
  static_cast<void>(detail::ShapeRule(node, inputs).first());
  std::map<std::string, Shape> shapes;
  const auto put = [&](const char* weight, const Shape& shape) {
    shapes.emplace(node.name + '.' + weight, shape);
  };
  std::visit(detail::Overloaded{
                 [&](const node::Conv2d& p) {
                   const Window2d& w = p.params.window;
                   put("weight", {p.out_channels, inputs[0][1] / p.params.groups, w.kernel_y, w.kernel_x});
                   if (p.bias) put("bias", {p.out_channels});
                 },
                 [&](const node::Conv2dTranspose& p) {
                   const Window2d& w = p.params.window;
                   put("weight", {inputs[0][1], p.out_channels / p.params.groups, w.kernel_y, w.kernel_x});
                   if (p.bias) put("bias", {p.out_channels});
                 },
                 [&](const node::Linear& p) {
                   put("weight", {p.out_features, detail::flattened(inputs[0], 1)[1]});
                   if (p.bias) put("bias", {p.out_features});
                 },
                 [&](const node::BatchNorm&) {
                   for (const char* weight : {"scale", "bias", "mean", "variance"})
                     put(weight, {inputs[0][1]});
                 },
                 [](const auto&) {},
             },
             node.params);
  return shapes;
}

/// The names and shapes of all weights that a sorted graph's nodes want, as in Model::weights. Throws
/// ShapeError naming the node, and FormatError where two nodes' weights would share a name.
[[nodiscard]] inline std::map<std::string, Shape> weight_shapes(const Graph& graph) {
  const std::map<std::string, Shape> shapes = infer_shapes(graph);
  std::map<std::string, Shape> result;
  for (const Node& node : graph.nodes)
    for (const auto& [name, shape] : weight_shapes(node, detail::input_shapes(node, shapes)))
      require<FormatError>(result.emplace(name, shape).second, detail::label_of(node), ": weight ",
                           quoted(name), " belongs to another node too");
  return result;
}

inline void check_weights(const Model& model) {
  const std::map<std::string, Shape> wanted = weight_shapes(model.graph);
  for (const auto& [name, shape] : wanted) {
    const auto met = model.weights.find(name);
    require<FormatError>(met != model.weights.end() && !met->second.empty(), "weight ", quoted(name),
                         " of shape ", shape, " is missing");
    require<FormatError>(met->second.shape() == shape, "weight ", quoted(name), ": wants shape ", shape,
                         ", met ", met->second.shape());
    require<FormatError>(met->second.layout() == Layout::nchw, "weight ", quoted(name),
                         ": wants layout nchw");
  }
  for (const auto& entry : model.weights)
    require<FormatError>(wanted.contains(entry.first), "weight ", quoted(entry.first), " belongs to no node");
}

/// Numbers that the node stores, the running mean and variance of a batch normalisation included; `shapes`
/// are infer_shapes'. The largest Index where the count would not fit.
[[nodiscard]] inline Index parameter_count(const Node& node, const std::map<std::string, Shape>& shapes) {
  Index total = 0;
  for (const auto& entry : weight_shapes(node, detail::input_shapes(node, shapes)))
    total = detail::saturating_sum(total, entry.second.count());
  return total;
}

/// Numbers that the model's nodes store, whether or not the weights were read.
[[nodiscard]] inline Index parameter_count(const Model& model) {
  Index total = 0;
  for (const auto& entry : weight_shapes(model.graph))
    total = detail::saturating_sum(total, entry.second.count());
  return total;
}

/// Multiplications followed by an addition of one forward pass of the node at infer_shapes' `shapes` (for the
/// batch that they were made for): convolutions, taps in the padding included, and linear layers; 0 for all
/// other nodes, by the field's custom. The largest Index where the count would not fit.
[[nodiscard]] inline Index multiply_adds(const Node& node, const std::map<std::string, Shape>& shapes) {
  const std::vector<Shape> inputs = detail::input_shapes(node, shapes);
  const auto wanted = weight_shapes(node, inputs);
  const auto weight = wanted.find(node.name + ".weight");
  if (weight == wanted.end()) return 0;
  if (const auto* transpose = std::get_if<node::Conv2dTranspose>(&node.params)) {
    const Index per_pixel = detail::saturating_product(transpose->out_channels / transpose->params.groups,
                                                       transpose->params.window.taps());
    return detail::saturating_product(inputs[0].count(), per_pixel);
  }
  const Index outputs = detail::ShapeRule(node, inputs).first().count();
  const Index rows = weight->second[0];
  return detail::saturating_product(outputs, rows == 0 ? 0 : weight->second.count() / rows);
}

/// The sum over all nodes, for a batch of one.
[[nodiscard]] inline Index multiply_adds(const Graph& graph) {
  const std::map<std::string, Shape> shapes = infer_shapes(graph, 1);
  Index total = 0;
  for (const Node& node : graph.nodes) total = detail::saturating_sum(total, multiply_adds(node, shapes));
  return total;
}

}  // namespace deconv
