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
#include "deconv/ops/units.hpp"
#include "deconv/ops/weighted_maps.hpp"

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

inline void check_class(Index chosen, Index classes) {
  require<ArgumentError>(chosen >= 0 && chosen < classes, "class ", chosen, " of a network with ", classes,
                         " classes (0 to ", classes - 1, ")");
}

/// The class with the highest score of an image, ties to the first.
template <class T>
Index best_class(TensorView<const T, Cpu> scores, Index image, Index classes) {
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

/// Class-activation maps of all images of a trace, on the device.
template <class T, Device D>
struct DeviceClassActivationMaps {
  std::string layer;           ///< the layer that they were taken at
  std::vector<Index> classes;  ///< of each image
  Tensor<T, D> scores;         ///< N: the classes' scores before softmax
  Tensor<T, D> weights;        ///< N x K: the mean over the positions of the score's gradient
  Tensor<T, D> maps;           ///< N x H x W of the layer: max(sum of weights * maps, 0), not normalised
};

/// class_activation_maps() whose results stay on the device: nothing waits and nothing is copied to or from
/// the host, so that the work may be recorded. The classes are given: to take the highest score's the host
/// must see the scores first. The values have the same bits as class_activation_maps()'s. Throws as it does;
/// ArgumentError without classes.
template <class T, Device D>
DeviceClassActivationMaps<T, D> class_activation_maps_on_device(const Network<T, D>& network,
                                                                const Context<D>& context,
                                                                const Trace<T, D>& trace,
                                                                const ClassActivationMapOptions& options) {
  const Topology& topology = network.topology();
  const std::string score = score_tensor(topology);
  std::vector<Shape> shapes;
  for (std::size_t t = 0; t < topology.tensor_count(); ++t) shapes.push_back(trace.shape(t));
  DeviceClassActivationMaps<T, D> result;
  result.layer = options.layer.empty() ? last_spatial_layer(topology, shapes, score) : options.layer;
  const Index images = trace.images();
  require<ArgumentError>(
      options.classes.size() == 1 ||
          (!options.classes.empty() && static_cast<Index>(options.classes.size()) == images),
      "class activation maps of ", images, " images want one class or ", images, ", met ",
      options.classes.size());
  const Shape& plane = trace.shape(result.layer);
  require<ArgumentError>(plane.rank() == 4, "layer ", quoted(result.layer), " of shape ", plane,
                         " has no planes to make a class activation map of");
  const Shape& score_shape = trace.shape(score);
  require<ArgumentError>(images > 0 && score_shape[0] == images, "scores ", quoted(score), " of shape ",
                         score_shape, " are not one row an image");
  const Index classes = score_shape.count() / images;
  std::vector<Unit> chosen;
  for (Index n = 0; n < images; ++n) {
    const Index one = options.classes[options.classes.size() == 1 ? 0 : static_cast<std::size_t>(n)];
    detail::check_class(one, classes);
    result.classes.push_back(one);
    chosen.push_back({n, one, 0, 0});
  }
  // Scores of any rank as one row an image.
  auto scores = trace.activation(context, score);
  const Shape rows{images, classes};
  result.scores = context.template make<T>({images});
  read_units<T, D>(context, TensorView<const T, D>(scores.data(), rows), chosen, result.scores.view());
  auto signal = context.template make<T>(score_shape);
  place_units<T>(context, chosen, std::vector<T>(chosen.size(), static_cast<T>(1.0f)),
                 TensorView<T, D>(signal.data(), rows));
  const auto gradient =
      reverse<T, D>(network, context, trace, score, signal.view(), result.layer, ReverseOptions::gradient());
  const auto maps = trace.activation(context, result.layer);
  result.weights = context.template make<T>({images, plane[1]});
  result.maps = context.template make<T>({images, plane[2], plane[3]});
  gradient_weighted_maps<T>(context, maps, gradient, result.weights.view(), result.maps.view());
  return result;
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
  ClassActivationMapOptions given = options;
  if (given.classes.empty()) {
    const auto scores = detail::activation_on_host(context, trace, score_tensor(network.topology()));
    const Index images = trace.images(), classes = images == 0 ? 0 : scores.count() / images;
    for (Index n = 0; n < images; ++n)
      given.classes.push_back(detail::best_class<T>(scores.view(), n, classes));
  }
  const auto there = class_activation_maps_on_device<T, D>(network, context, trace, given);
  const auto scores = to_host(context, there.scores.view()), weights = to_host(context, there.weights.view()),
             maps = to_host(context, there.maps.view());
  std::vector<ClassActivationMap<T>> results(there.classes.size());
  for (std::size_t n = 0; n < results.size(); ++n) {
    const auto row = static_cast<Index>(n);
    auto& result = results[n];
    result.layer = there.layer;
    result.class_index = there.classes[n];
    result.score = scores.data()[row];
    result.weights = Tensor<T, Cpu>({weights[1]});
    std::copy_n(weights.data() + row * weights[1], weights[1], result.weights.data());
    result.map = Tensor<T, Cpu>({maps[1], maps[2]});
    std::copy_n(maps.data() + row * result.map.count(), result.map.count(), result.map.data());
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
