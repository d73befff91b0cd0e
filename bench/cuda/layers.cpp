#include "layers.hpp"

#include <algorithm>
#include <set>

#include "deconv/nn/models/alexnet.hpp"
#include "deconv/nn/models/vgg.hpp"
#include "deconv/nn/models/zfnet.hpp"

namespace deconv::bench {
namespace {

const std::vector<std::pair<std::string, Graph>>& networks() {
  static const auto all = [] {
    models::Options geometry;
    geometry.with_weights = false;
    std::vector<std::pair<std::string, Graph>> made;
    made.emplace_back("zfnet", models::zfnet(geometry).graph);
    made.emplace_back("alexnet", models::alexnet(geometry).graph);
    made.emplace_back("vgg16", models::vgg16(geometry).graph);
    return made;
  }();
  return all;
}

/// What makes two layers the same for a benchmark.
template <class Node>
std::string geometry(const Node& node, const Shape& src) {
  if constexpr (std::same_as<Node, node::Conv2d>)
    return message(src, node.out_channels, node.params.window, node.params.groups);
  else if constexpr (std::same_as<Node, node::MaxPool2d>)
    return message(src, node.params.window);
  else if constexpr (std::same_as<Node, node::Linear>)
    return message(src, node.out_features);
  else
    return message(src);
}

Index cut(Index channels, Index groups) { return std::min(channels, 6 * groups); }

template <class Node>
void cut_down(Layer<Node>& layer) {
  Shape& src = layer.src;
  if constexpr (std::same_as<Node, node::Linear>) {
    src = {1, 37};
    layer.node.out_features = 21;
    layer.dst = {1, 21};
  } else if constexpr (std::same_as<Node, node::Conv2d> || std::same_as<Node, node::MaxPool2d>) {
    const Window2d& w = layer.node.params.window;
    Index groups = 1;
    if constexpr (std::same_as<Node, node::Conv2d>) groups = layer.node.params.groups;
    // The same remainder by the stride, so that windows overhang where they did.
    const auto few = [](Index extent, Index kernel, Index stride) {
      return std::min(extent, kernel + 2 * stride + (extent - kernel) % stride);
    };
    src = {1, cut(src[1], groups), few(src[2], w.kernel_y, w.stride_y), few(src[3], w.kernel_x, w.stride_x)};
    if constexpr (std::same_as<Node, node::Conv2d>) {
      layer.node.out_channels = cut(layer.node.out_channels, groups);
      layer.dst = conv2d_output_shape(src, layer.node.out_channels, layer.node.params);
    } else {
      layer.dst = pool2d_output_shape(src, w);
    }
  } else if (src.rank() == 4) {
    layer.dst = src = {1, cut(src[1], 1), std::min<Index>(src[2], 7), std::min<Index>(src[3], 7)};
  } else {
    layer.dst = src = {1, std::min<Index>(src[1], 50)};
  }
}

template <class Node>
std::vector<Layer<Node>> layers(bool tiny) {
  std::vector<Layer<Node>> found;
  std::set<std::string> seen;
  for (const auto& [network, graph] : networks()) {
    const auto shapes = infer_shapes(graph, 1);
    for (const deconv::Node& node : graph.nodes) {
      const auto* params = std::get_if<Node>(&node.params);
      if (params == nullptr) continue;
      Shape src = shapes.at(node.inputs.at(0));
      if constexpr (std::same_as<Node, node::Linear>) src = {1, src.count()};
      if (!seen.insert(geometry(*params, src)).second) continue;
      found.push_back({network + '/' + node.name, *params, src, shapes.at(node.outputs.at(0))});
    }
  }
  if (tiny)
    for (auto& layer : found) cut_down(layer);
  return found;
}

}  // namespace

std::vector<Layer<node::Conv2d>> convolutions(bool tiny) { return layers<node::Conv2d>(tiny); }
std::vector<Layer<node::Linear>> linears(bool tiny) { return layers<node::Linear>(tiny); }
std::vector<Layer<node::MaxPool2d>> max_pools(bool tiny) { return layers<node::MaxPool2d>(tiny); }
std::vector<Layer<node::Lrn>> normalisations(bool tiny) { return layers<node::Lrn>(tiny); }
std::vector<Layer<node::Relu>> rectifiers(bool tiny) { return layers<node::Relu>(tiny); }
std::vector<Layer<node::Dropout>> dropouts(bool tiny) { return layers<node::Dropout>(tiny); }
std::vector<Layer<node::Softmax>> softmaxes(bool tiny) { return layers<node::Softmax>(tiny); }

std::vector<PooledConvolution> pooled_convolutions(bool tiny) {
  std::vector<PooledConvolution> found;
  for (const auto& [network, graph] : networks()) {
    const auto shapes = infer_shapes(graph, 1);
    for (std::size_t i = 0; i + 2 < graph.nodes.size(); ++i) {
      const auto* convolution = std::get_if<node::Conv2d>(&graph.nodes[i].params);
      const auto* pool = std::get_if<node::MaxPool2d>(&graph.nodes[i + 2].params);
      if (convolution == nullptr || pool == nullptr ||
          !std::holds_alternative<node::Relu>(graph.nodes[i + 1].params))
        continue;
      Layer<node::Conv2d> layer{network + '/' + graph.nodes[i].name, *convolution,
                                shapes.at(graph.nodes[i].inputs.at(0)),
                                shapes.at(graph.nodes[i].outputs.at(0))};
      if (tiny) cut_down(layer);
      found.push_back({layer.name, layer.node, *pool, layer.src, layer.dst,
                       pool2d_output_shape(layer.dst, pool->params.window)});
    }
  }
  return found;
}

std::vector<std::pair<std::string, Graph>> whole_networks(bool tiny) {
  if (!tiny) return networks();
  GraphBuilder net("data", {1, 3, 33, 33});
  net.add("conv1", node::Conv2d{6, {Window2d::square(7, 2, 0, Rounding::ceil)}});
  net.add("relu1", node::Relu{});
  net.add("pool1", node::MaxPool2d{{Window2d::square(3, 2, 0, Rounding::ceil)}});
  net.add("norm1", node::Lrn{});
  net.add("conv5", node::Conv2d{12, {Window2d::square(3, 1, 1)}});
  net.add("relu5", node::Relu{});
  net.add("pool5", node::MaxPool2d{{Window2d::square(3, 2, 0, Rounding::ceil)}});
  net.add("fc8", node::Linear{10});
  net.add("prob", node::Softmax{});
  return {{"zfnet", std::move(net).finish()}};
}

std::vector<Layer<node::Identity>> inputs(bool tiny) {
  std::vector<Layer<node::Identity>> found;
  for (const auto& [network, graph] : networks()) {
    const Shape shape = graph.inputs.at(0).shape.with(0, 1);
    if (!found.empty() && found[0].src == shape) continue;
    found.push_back({network + "/data", {}, shape, shape});
  }
  if (tiny)
    for (auto& layer : found) cut_down(layer);
  return found;
}

}  // namespace deconv::bench
