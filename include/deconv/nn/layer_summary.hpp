#pragma once

#include <optional>
#include <string>
#include <vector>

#include "deconv/nn/receptive_field.hpp"

namespace deconv {

/// What one layer of a graph is, as people list networks.
struct LayerSummary {
  std::string name, output;  ///< the layer's own name, and its (first) output's
  std::string kind;          ///< "Conv2d", "MaxPool2d", ...
  Shape shape;               ///< of the output, for one image
  Index parameters = 0;      ///< numbers learned or fixed in training
  Index multiply_adds = 0;   ///< an image
  /// What one of its units sees of the graph's first input; absent where it does not depend on it.
  std::optional<Footprint> field;
};

/// Every layer of a sorted graph in order, for one image of the graph's own size. Throws ShapeError when
/// layers do not fit together. Cost: quadratic in the number of layers.
[[nodiscard]] inline std::vector<LayerSummary> layer_summaries(const Graph& graph) {
  const auto shapes = infer_shapes(graph, 1);
  std::vector<LayerSummary> all;
  for (const Node& node : graph.nodes) {
    LayerSummary one{node.name,
                     node.outputs.front(),
                     std::string(kind_of(node.params)),
                     shapes.at(node.outputs.front()),
                     0,
                     multiply_adds(node, shapes),
                     {}};
    for (const auto& [name, shape] : weight_shapes(node, detail::input_shapes(node, shapes)))
      one.parameters += shape.count();
    const auto fields = footprints(graph, shapes, one.output, NormalisationRule::gradient);
    if (const auto seen = fields.find(graph.inputs.front().name); seen != fields.end())
      one.field = seen->second;
    all.push_back(std::move(one));
  }
  return all;
}

/// A receptive field for people: "size / jump / first row or column that the first unit sees", in pixels:
/// "27 / 8 / 0"; "whole input"; "-" for none. Axes that differ are "27x13".
[[nodiscard]] inline std::string field_text(const std::optional<Footprint>& field) {
  if (!field) return "-";
  if (field->whole) return "whole input";
  const auto pair = [](Index y, Index x) { return y == x ? message(y) : message(y, "x", x); };
  const auto jump = [](const AxisInterval& axis) {
    return axis.divisor == 1 ? message(axis.jump) : message(axis.jump, "/", axis.divisor);
  };
  const std::string y = jump(field->y), x = jump(field->x);
  return message(pair(field->y.size(), field->x.size()), " / ", y == x ? y : y + "x" + x, " / ",
                 pair(field->y.first(0), field->x.first(0)));
}

}  // namespace deconv
