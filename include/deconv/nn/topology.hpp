#pragma once

#include <algorithm>
#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "deconv/core/quoted.hpp"
#include "deconv/nn/graph.hpp"

namespace deconv {

/// A sorted graph with its tensors numbered and every name that users know them by.
class Topology {
 public:
  struct Step {
    std::vector<std::size_t> inputs, outputs;
  };
  static constexpr std::size_t no_producer = static_cast<std::size_t>(-1);

  /// Throws what sort_and_check throws.
  explicit Topology(Graph graph) : graph_(std::move(graph)) {
    sort_and_check(graph_);
    for (const GraphInput& input : graph_.inputs) add(input.name, no_producer);
    for (std::size_t i = 0; i < graph_.nodes.size(); ++i) {
      const Node& node = graph_.nodes[i];
      Step step;
      for (const std::string& input : node.inputs) {
        step.inputs.push_back(numbers_.at(input));
        consumers_[step.inputs.back()].push_back(i);
      }
      for (const std::string& output : node.outputs) step.outputs.push_back(add(output, i));
      steps_.push_back(std::move(step));
    }
  }

  [[nodiscard]] const Graph& graph() const noexcept { return graph_; }
  [[nodiscard]] std::size_t tensor_count() const noexcept { return names_.size(); }
  [[nodiscard]] const std::string& name(std::size_t tensor) const { return names_[tensor]; }
  [[nodiscard]] const std::vector<Step>& steps() const noexcept { return steps_; }
  /// The nodes that read a tensor, in order.
  [[nodiscard]] const std::vector<std::size_t>& consumers(std::size_t tensor) const {
    return consumers_[tensor];
  }
  /// The node that makes a tensor, or no_producer for the graph's inputs.
  [[nodiscard]] std::size_t producer(std::size_t tensor) const { return producers_[tensor]; }
  [[nodiscard]] std::size_t input(std::size_t index) const { return numbers_.at(graph_.inputs[index].name); }

  /// The tensor of that name; the name of a tensor goes before an alias, an alias before the name of a node
  /// (which stands for the node's first output). Throws ArgumentError that lists the nearest names.
  [[nodiscard]] std::size_t find(const std::string& name) const {
    if (const auto found = numbers_.find(name); found != numbers_.end()) return found->second;
    if (const auto alias = graph_.aliases.find(name); alias != graph_.aliases.end())
      return numbers_.at(alias->second);
    for (std::size_t i = 0; i < graph_.nodes.size(); ++i)
      if (graph_.nodes[i].name == name) return steps_[i].outputs[0];
    raise<ArgumentError>("unknown layer ", quoted(name), "; the nearest are ", nearest(name));
  }

  /// The tensor in which a named layer's units are best looked at: the rectified tensor where the layer is
  /// followed by a rectifier alone (conv1 gives relu1), else the tensor itself. Throws as find().
  [[nodiscard]] std::size_t find_rectified(const std::string& name) const {
    const std::size_t tensor = find(name);
    if (consumers_[tensor].size() != 1) return tensor;
    const std::size_t next = consumers_[tensor][0];
    return std::holds_alternative<node::Relu>(graph_.nodes[next].params) ? steps_[next].outputs[0] : tensor;
  }

 private:
  std::size_t add(const std::string& name, std::size_t producer) {
    const std::size_t number = names_.size();
    numbers_.emplace(name, number);
    names_.push_back(name);
    producers_.push_back(producer);
    consumers_.emplace_back();
    return number;
  }

  /// The names at the least edit distance, at most five.
  [[nodiscard]] std::string nearest(std::string_view name) const {
    std::vector<std::string_view> candidates(names_.begin(), names_.end());
    for (const Node& node : graph_.nodes) candidates.push_back(node.name);
    for (const auto& [alias, target] : graph_.aliases) candidates.push_back(alias);
    std::sort(candidates.begin(), candidates.end());
    candidates.erase(std::unique(candidates.begin(), candidates.end()), candidates.end());
    std::vector<std::pair<std::size_t, std::string_view>> ranked;
    for (const std::string_view candidate : candidates)
      ranked.emplace_back(distance(name.substr(0, 64), candidate.substr(0, 64)), candidate);
    std::stable_sort(ranked.begin(), ranked.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    std::string text;
    for (std::size_t i = 0; i < std::min<std::size_t>(5, ranked.size()); ++i)
      text += (i ? ", " : "") + quoted(ranked[i].second);
    return text;
  }

  static std::size_t distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
    for (std::size_t i = 1; i <= a.size(); ++i) {
      std::size_t diagonal = row[0];
      row[0] = i;
      for (std::size_t j = 1; j <= b.size(); ++j) {
        const std::size_t replaced = diagonal + (a[i - 1] != b[j - 1]);
        diagonal = row[j];
        row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
      }
    }
    return row[b.size()];
  }

  Graph graph_;
  std::vector<std::string> names_;
  std::unordered_map<std::string, std::size_t> numbers_;
  std::vector<Step> steps_;
  std::vector<std::vector<std::size_t>> consumers_;
  std::vector<std::size_t> producers_;
};

}  // namespace deconv
