#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "deconv/analysis/resize_plane.hpp"
#include "deconv/core/transfer.hpp"
#include "deconv/nn/reverse.hpp"
#include "deconv/nn/score_tensor.hpp"

// Where in the image a class is seen: gradient-weighted class activation maps.
// Source: Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based
// Localization", ICCV 2017, section 3.
namespace deconv {

/// The last layer whose maps have more than one position, of those that `score` depends on: the tensor
/// closest to the scores that a layer other than a pooling, padding, normalisation or pass-through made (a
/// pooled map says the same more coarsely). `shapes` by tensor number. Throws ArgumentError when there is
/// none.
[[nodiscard]] inline std::string last_spatial_layer(const Topology& topology,
                                                    const std::vector<Shape>& shapes,
                                                    const std::string& score) {
  const auto& steps = topology.steps();
  std::vector<bool> needed(topology.tensor_count());
  needed[topology.find(score)] = true;
  for (std::size_t i = steps.size(); i-- > 0;) {
    bool wanted = false;
    for (const std::size_t output : steps[i].outputs) wanted = wanted || needed[output];
    if (!wanted) continue;
    const std::size_t output = steps[i].outputs[0];
    const Shape& shape = shapes[output];
    const node::Params& params = topology.graph().nodes[i].params;
    const bool makes_maps =
        std::holds_alternative<node::Conv2d>(params) ||
        std::holds_alternative<node::Conv2dTranspose>(params) || std::holds_alternative<node::Relu>(params) ||
        std::holds_alternative<node::Concat>(params) || std::holds_alternative<node::Add>(params) ||
        std::holds_alternative<node::BatchNorm>(params);
    if (makes_maps && shape.rank() == 4 && shape[2] * shape[3] > 1) return topology.name(output);
    for (const std::size_t input : steps[i].inputs) needed[input] = true;
  }
  raise<ArgumentError>("no layer below ", quoted(score), " has maps of more than one position");
}

struct ClassActivationMapOptions {
  /// The layer whose maps are weighted; empty: last_spatial_layer.
  std::string layer;
  /// A class an image of the trace, or one for all; empty: the class with the highest score in each image.
  std::vector<Index> classes;
};

/// The class-activation map of one image.
template <class T>
struct ClassActivationMap {
  std::string layer;  ///< the layer that it was taken at
  Index class_index = 0;
  T score = 0;             ///< the class's score before softmax
  Tensor<T, Cpu> weights;  ///< K: the mean over the positions of the score's gradient, for each map
  Tensor<T, Cpu> map;      ///< H x W of the layer: max(sum of weights * maps, 0), not normalised

  /// The map at the size of an image; see resize_plane.
  [[nodiscard]] Tensor<T, Cpu> resized(Index height, Index width) const {
    return resize_plane<T>(map, height, width);
  }
};

namespace detail {

/// The class of an image: the given one, or the one with the highest score, ties to the first.
template <class T>
Index class_of(TensorView<const T, Cpu> scores, Index image, Index classes, std::span<const Index> given) {
  if (!given.empty()) {
    const Index chosen = given.size() == 1 ? given[0] : given[static_cast<std::size_t>(image)];
    require<ArgumentError>(chosen >= 0 && chosen < classes, "class ", chosen, " of a network with ", classes,
                           " classes (0 to ", classes - 1, ")");
    return chosen;
  }
  const T* row = scores.data() + image * classes;
  return std::max_element(row, row + classes) - row;
}

/// A tensor of the trace in nchw order where the host can read it.
template <class T, Device D>
Tensor<T, Cpu> activation_on_host(const Context<D>& context, const Trace<T, D>& trace,
                                  const std::string& name) {
  auto plain = trace.activation(context, name);
  if constexpr (std::same_as<D, Cpu>)
    return plain;
  else
    return to_host(context, plain.view());
}

}  // namespace detail

/// What a forward pass must keep for class_activation_maps with these options. Throws ArgumentError for an
/// unknown layer.
template <class T, Device D>
[[nodiscard]] ForwardOptions class_activation_forward(const Network<T, D>& network,
                                                      const ClassActivationMapOptions& options = {}) {
  const Topology& topology = network.topology();
  const std::string score = score_tensor(topology);
  std::string layer = options.layer;
  if (layer.empty()) {
    std::vector<Shape> inputs;
    for (const GraphInput& input : network.graph().inputs) inputs.push_back(input.shape);
    layer = last_spatial_layer(topology, *network.shapes_for(inputs), score);
  }
  ForwardOptions forward = ForwardOptions::only({topology.name(topology.find(layer)), score});
  forward.reverse = ReverseOptions::gradient();
  return forward;
}

/// The Grad-CAM of every image of the trace: how much each position of a layer's maps speaks for a class. The
/// score's gradient with respect to the layer's activations is averaged over the positions to one weight a
/// map; the weighted sum of the maps is rectified. The trace holds the layer, the scores and what a gradient
/// reads (class_activation_forward). Throws ArgumentError for unknown layers, layers without planes, classes
/// out of range or too few, and traces that lack something. Cost: the layers above `layer` once in reverse
/// for the whole batch.
template <class T, Device D>
std::vector<ClassActivationMap<T>> class_activation_maps(const Network<T, D>& network,
                                                         const Context<D>& context, const Trace<T, D>& trace,
                                                         const ClassActivationMapOptions& options = {}) {
  const Topology& topology = network.topology();
  const std::string score = score_tensor(topology);
  std::vector<Shape> shapes;
  for (std::size_t t = 0; t < topology.tensor_count(); ++t) shapes.push_back(trace.shape(t));
  const std::string layer =
      options.layer.empty() ? last_spatial_layer(topology, shapes, score) : options.layer;
  const Index images = trace.images();
  require<ArgumentError>(options.classes.size() <= 1 || static_cast<Index>(options.classes.size()) == images,
                         "class activation maps of ", images, " images want one class or ", images, ", met ",
                         options.classes.size());
  const Shape& plane = trace.shape(layer);
  require<ArgumentError>(plane.rank() == 4, "layer ", quoted(layer), " of shape ", plane,
                         " has no planes to make a class activation map of");
  const auto scores = detail::activation_on_host(context, trace, score);
  require<ArgumentError>(images > 0 && scores.shape()[0] == images, "scores ", quoted(score), " of shape ",
                         scores.shape(), " are not one row an image");
  const Index classes = scores.count() / images;

  std::vector<ClassActivationMap<T>> results(static_cast<std::size_t>(images));
  auto signal = Tensor<T, Cpu>::filled(scores.shape(), T(0));
  for (Index n = 0; n < images; ++n) {
    auto& result = results[static_cast<std::size_t>(n)];
    result.layer = layer;
    result.class_index = detail::class_of<T>(scores.view(), n, classes, options.classes);
    result.score = scores.data()[n * classes + result.class_index];
    signal.data()[n * classes + result.class_index] = T(1);
  }
  const auto gradient =
      to_host(context, reverse<T, D>(network, context, trace, score, to_device(context, signal.view()).view(),
                                     layer, ReverseOptions::gradient())
                           .view());
  const auto maps = detail::activation_on_host(context, trace, layer);
  const Index channels = plane[1], height = plane[2], width = plane[3], positions = height * width;
  for (Index n = 0; n < images; ++n) {
    auto& result = results[static_cast<std::size_t>(n)];
    result.weights = Tensor<T, Cpu>({channels});
    result.map = Tensor<T, Cpu>({height, width});
    std::vector<double> sum(static_cast<std::size_t>(positions), 0.0);
    for (Index k = 0; k < channels; ++k) {
      const T* slope = gradient.data() + (n * channels + k) * positions;
      double weight = 0;
      for (Index i = 0; i < positions; ++i) weight += static_cast<double>(slope[i]);
      weight /= static_cast<double>(positions);
      result.weights.data()[k] = static_cast<T>(weight);
      for (Index y = 0; y < height; ++y)
        for (Index x = 0; x < width; ++x)
          sum[static_cast<std::size_t>(y * width + x)] += weight * static_cast<double>(maps(n, k, y, x));
    }
    for (Index i = 0; i < positions; ++i)
      result.map.data()[i] = static_cast<T>(std::max(sum[static_cast<std::size_t>(i)], 0.0));
  }
  return results;
}

/// The same from the images themselves: forward and reverse in one call. src N x C x H x W.
template <class T, Device D>
std::vector<ClassActivationMap<T>> class_activation_maps(const Network<T, D>& network,
                                                         const Context<D>& context,
                                                         std::type_identity_t<TensorView<const T, D>> src,
                                                         const ClassActivationMapOptions& options = {}) {
  const auto trace = network.forward(context, src, class_activation_forward(network, options));
  return class_activation_maps<T, D>(network, context, trace, options);
}

}  // namespace deconv
