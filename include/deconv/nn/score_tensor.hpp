#pragma once

#include <cstddef>
#include <string>
#include <variant>

#include "deconv/core/quoted.hpp"
#include "deconv/nn/topology.hpp"

namespace deconv {

/// The tensor that holds a network's scores, one a class and image, before softmax: what its (first) output
/// is made from when softmax, log-softmax, dropout and mere changes of shape at the end are looked through.
/// Throws ArgumentError when the graph ends in nothing else.
[[nodiscard]] inline std::string score_tensor(const Topology& topology) {
  std::size_t tensor = topology.find(topology.graph().outputs.front());
  for (;;) {
    const std::size_t producer = topology.producer(tensor);
    require<ArgumentError>(producer != Topology::no_producer, "the network computes no scores: its output ",
                           quoted(topology.graph().outputs.front()), " is its input under another shape");
    const node::Params& params = topology.graph().nodes[producer].params;
    const bool looked_through =
        std::holds_alternative<node::Softmax>(params) || std::holds_alternative<node::LogSoftmax>(params) ||
        std::holds_alternative<node::Dropout>(params) || std::holds_alternative<node::Flatten>(params) ||
        std::holds_alternative<node::Reshape>(params) || std::holds_alternative<node::Identity>(params);
    if (!looked_through) return topology.name(tensor);
    tensor = topology.steps()[producer].inputs[0];
  }
}

}  // namespace deconv
