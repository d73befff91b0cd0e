#pragma once

#include <algorithm>
#include <optional>
#include <vector>

#include "deconv/nn/network.hpp"
#include "deconv/nn/reverse_regions.hpp"

namespace deconv::detail {

/// A max-pooling, perhaps a rectifier below it, and the layer under both: what a signal may go down at once.
struct PoolingChain {
  std::size_t layer;  ///< the node under both
  Window2d window;    ///< the pooling's
  std::optional<float> negative_slope;
};

/// The chain below a node, if it is a max-pooling, the rule of the rectifier looks at signals alone, and what
/// lies between `passes_by` (a tensor whose signal comes from one reader, goes to its maker and is not asked
/// for). The layer reads one tensor, whose signal is wanted, and is told by its window where regions are
/// windows of planes.
template <class T, Device D, class PassesBy>
std::optional<PoolingChain> pooling_chain(const Network<T, D>& network, const ReverseOptions& options,
                                          const std::vector<ReverseRegion>& regions, std::size_t node,
                                          const PassesBy& passes_by) {
  const Topology& topology = network.topology();
  const auto& nodes = topology.graph().nodes;
  const auto* pooling = std::get_if<node::MaxPool2d>(&nodes[node].params);
  const std::size_t values = topology.steps()[node].inputs[0];
  if (pooling == nullptr || !passes_by(values)) return {};
  const Window2d& window = pooling->params.window;
  const Padding& pad = window.padding;
  // In a window of a plane, what is put back beyond the plane would have to be cleared.
  const bool inside = window.dilation_y == 1 && window.dilation_x == 1 &&
                      std::max(pad.top, pad.bottom) < window.kernel_y &&
                      std::max(pad.left, pad.right) < window.kernel_x;
  const ReverseRegion& plane = regions[values];
  if (!plane.whole && !inside) return {};

  PoolingChain chain{topology.producer(values), window, {}};
  if (const auto* relu = std::get_if<node::Relu>(&nodes[chain.layer].params)) {
    const std::size_t tensor = topology.steps()[chain.layer].inputs[0];
    if (options.rectifier != RectifierRule::deconvnet || !passes_by(tensor) ||
        !regions[tensor].same_as(plane))
      return {};
    chain.negative_slope = relu->negative_slope;
    chain.layer = topology.producer(tensor);
  }
  const auto& step = topology.steps()[chain.layer];
  const LayerTraits traits = network.layer(chain.layer).traits();
  if (step.inputs.size() != 1 || step.outputs.size() != 1 || traits.reach != Reach::window ||
      !traits.accepts_nhwc || !regions[step.inputs[0]].wanted ||
      (!plane.whole && regions[step.inputs[0]].whole))
    return {};
  return chain;
}

}  // namespace deconv::detail
