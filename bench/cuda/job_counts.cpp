#include "job_counts.hpp"

#include <algorithm>

namespace deconv::bench {
namespace {

/// Flops and weights of a layer that multiplies matrices, for outputs of `dst` elements.
Counts product(double dst, double terms, double weights) { return {2 * dst * terms, weights}; }

/// One layer forward or back, for `dst` outputs of all images; `src` and `dst` moved once.
Counts layer_counts(const Node& node, const Shape& src_shape, double src, double dst) {
  Counts counts{0, src + dst};
  if (const auto* conv = std::get_if<node::Conv2d>(&node.params)) {
    const Window2d& w = conv->params.window;
    const double terms = static_cast<double>(src_shape[1] / conv->params.groups * w.kernel_y * w.kernel_x);
    return counts + product(dst, terms, terms * static_cast<double>(conv->out_channels));
  }
  if (const auto* linear = std::get_if<node::Linear>(&node.params)) {
    const double terms = static_cast<double>(src_shape.count() / src_shape[0]);
    return counts + product(dst, terms, terms * static_cast<double>(linear->out_features));
  }
  const bool works = std::holds_alternative<node::MaxPool2d>(node.params) ||
                     std::holds_alternative<node::Lrn>(node.params) ||
                     std::holds_alternative<node::Softmax>(node.params);
  return works ? counts : Counts{};  // rectifiers work in place of others, the rest passes through
}

/// The node that makes a tensor.
std::size_t maker(const Graph& graph, const std::string& tensor) {
  for (std::size_t i = 0; i < graph.nodes.size(); ++i)
    if (graph.nodes[i].outputs[0] == tensor) return i;
  raise<ArgumentError>("no layer makes ", tensor);
}

}  // namespace

std::string last_rectified(const Graph& graph) {
  for (std::size_t i = graph.nodes.size(); i-- > 1;)
    if (std::holds_alternative<node::Relu>(graph.nodes[i].params) &&
        std::holds_alternative<node::Conv2d>(graph.nodes[i - 1].params))
      return graph.nodes[i].outputs[0];
  raise<ArgumentError>("a network with a rectified convolution wanted");
}

Counts forward_counts(const Graph& graph, Index images, const std::string& up_to) {
  const auto shapes = infer_shapes(graph, 1);
  const std::size_t last = up_to.empty() ? graph.nodes.size() - 1 : maker(graph, up_to);
  const auto n = static_cast<double>(images);
  Counts all;
  for (std::size_t i = 0; i <= last; ++i) {
    const Node& node = graph.nodes[i];
    const Shape &src = shapes.at(node.inputs[0]), &dst = shapes.at(node.outputs[0]);
    all = all +
          layer_counts(node, src, n * static_cast<double>(src.count()), n * static_cast<double>(dst.count()));
  }
  return all;
}

Counts reverse_counts(const Graph& graph, Index images, const std::string& down_to) {
  // Each layer once more, the other way round.
  const Counts all = forward_counts(graph, images), below = forward_counts(graph, images, down_to);
  return {all.flops - below.flops, all.elements - below.elements};
}

Counts projection_counts(const Graph& graph, const std::string& layer, Index units) {
  const auto shapes = infer_shapes(graph, 1);
  Counts all;
  Index rows = 1, columns = 1;
  for (std::size_t i = maker(graph, layer) + 1; i-- > 0;) {
    const Node& node = graph.nodes[i];
    const Shape &src = shapes.at(node.inputs[0]), &dst = shapes.at(node.outputs[0]);
    if (src.rank() != 4 || dst.rank() != 4) continue;
    const auto u = static_cast<double>(units);
    const auto elements = [&](const Shape& shape) {
      return u * static_cast<double>(shape[1] * std::min(rows, shape[2]) * std::min(columns, shape[3]));
    };
    const double above = elements(dst);
    const Window2d* w = nullptr;
    if (const auto* conv = std::get_if<node::Conv2d>(&node.params)) w = &conv->params.window;
    if (const auto* pool = std::get_if<node::MaxPool2d>(&node.params)) w = &pool->params.window;
    if (w != nullptr) {
      rows = (rows - 1) * w->stride_y + w->kernel_y;
      columns = (columns - 1) * w->stride_x + w->kernel_x;
    }
    // A deconvnet hands the signal on unchanged through contrast normalisation.
    if (!std::holds_alternative<node::Lrn>(node.params))
      all = all + layer_counts(node, src, elements(src), above);
  }
  return all;
}

}  // namespace deconv::bench
