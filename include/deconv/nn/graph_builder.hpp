#pragma once

#include <string>
#include <utility>
#include <vector>

#include "deconv/nn/graph.hpp"

namespace deconv {

/// Writes a graph down node by node. Every node has one output, named like the node; without explicit inputs
/// a node reads the output of the node before it.
class GraphBuilder {
 public:
  /// A graph with one input. `shape` has the nominal batch size first.
  GraphBuilder(const std::string& input, const Shape& shape) : last_(input) {
    graph_.inputs.push_back({input, shape});
  }

  /// Adds a node behind the last one, or behind `inputs`, and returns its name, which is also its output's.
  std::string add(const std::string& name, node::Params params, std::vector<std::string> inputs = {}) {
    if (inputs.empty()) inputs.push_back(last_);
    graph_.nodes.push_back({name, std::move(params), std::move(inputs), {name}});
    return last_ = name;
  }
  /// The tensor that the next node reads by default.
  [[nodiscard]] const std::string& last() const noexcept { return last_; }

  /// The checked graph; its output is the last node's. Throws FormatError as sort_and_check.
  [[nodiscard]] Graph finish() && {
    graph_.outputs = {last_};
    sort_and_check(graph_);
    return std::move(graph_);
  }

 private:
  Graph graph_;
  std::string last_;
};

}  // namespace deconv
