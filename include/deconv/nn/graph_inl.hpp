#pragma once

// Kinds, order and names of graph.hpp, which includes this file at its end.

#include <algorithm>
#include <cstddef>
#include <functional>
#include <limits>
#include <queue>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "deconv/core/quoted.hpp"
#include "deconv/nn/graph.hpp"

namespace deconv {

namespace detail {

template <class... Handlers>
struct Overloaded : Handlers... {
  using Handlers::operator()...;
};
template <class... Handlers>
Overloaded(Handlers...) -> Overloaded<Handlers...>;

/// Above this no extent of a tensor goes, and no parameter of a node: window arithmetic then stays inside
/// Index.
inline constexpr Index extent_limit = Index{1} << 30;

/// How messages name a node: conv2d "conv1".
[[nodiscard]] inline std::string label_of(const Node& node) {
  return message(kind_of(node.params), ' ', quoted(node.name));
}

/// a * b for a, b >= 0, or the largest Index where that would wrap.
[[nodiscard]] constexpr Index saturating_product(Index a, Index b) noexcept {
  constexpr Index most = std::numeric_limits<Index>::max();
  return a != 0 && b > most / a ? most : a * b;
}
[[nodiscard]] constexpr Index saturating_sum(Index a, Index b) noexcept {
  constexpr Index most = std::numeric_limits<Index>::max();
  return b > most - a ? most : a + b;
}

struct Arity {
  std::size_t least_inputs = 1, most_inputs = 1, most_outputs = 1;
};

[[nodiscard]] inline Arity arity_of(const node::Params& params) {
  constexpr std::size_t any = std::numeric_limits<std::size_t>::max();
  return std::visit(Overloaded{[](const node::MaxPool2d&) {
                                 return Arity{1, 1, 2};
                               },
                               [](const node::MaxUnpool2d&) {
                                 return Arity{2, 2, 1};
                               },
                               [](const node::Concat&) {
                                 return Arity{1, any, 1};
                               },
                               [](const node::Add&) {
                                 return Arity{2, any, 1};
                               },
                               [](const node::Custom&) {
                                 return Arity{1, any, 1};
                               },
                               [](const auto&) { return Arity{}; }},
                    params);
}

inline void check_arity(const Node& node) {
  const Arity arity = arity_of(node.params);
  const std::size_t inputs = node.inputs.size(), outputs = node.outputs.size();
  if (inputs < arity.least_inputs || inputs > arity.most_inputs) {
    const char* at_least = arity.least_inputs == arity.most_inputs ? "" : "at least ";
    raise<FormatError>(label_of(node), ": wants ", at_least, arity.least_inputs, " input(s), met ", inputs);
  }
  if (outputs < 1 || outputs > arity.most_outputs) {
    const char* up_to = arity.most_outputs == 1 ? "1" : "1 or 2";
    raise<FormatError>(label_of(node), ": wants ", up_to, " output(s), met ", outputs);
  }
}

/// A node on a cycle, when the nodes with `waiting` inputs left are those that no order can serve: each of
/// them has a producer that waits too, so walking back as many steps as there are nodes must end on a cycle.
[[nodiscard]] inline std::size_t node_on_cycle(
    const Graph& graph, const std::vector<std::size_t>& waiting,
    const std::unordered_map<std::string_view, std::size_t>& producer) {
  std::size_t at = 0;
  while (waiting[at] == 0) ++at;
  for (std::size_t step = 0; step < graph.nodes.size(); ++step) {
    for (const std::string& input : graph.nodes[at].inputs) {
      const auto found = producer.find(input);
      if (found != producer.end() && waiting[found->second] > 0) {
        at = found->second;
        break;
      }
    }
  }
  return at;
}

}  // namespace detail

inline std::string_view kind_of(const node::Params& params) {
  // In the order of node::Params.
  static constexpr std::string_view kinds[] = {"conv2d",
                                               "conv2d_transpose",
                                               "max_pool2d",
                                               "max_unpool2d",
                                               "average_pool2d",
                                               "global_average_pool",
                                               "global_max_pool",
                                               "relu",
                                               "lrn",
                                               "linear",
                                               "softmax",
                                               "log_softmax",
                                               "dropout",
                                               "concat",
                                               "add",
                                               "batch_norm",
                                               "flatten",
                                               "reshape",
                                               "pad2d",
                                               "identity",
                                               "custom"};
  static_assert(std::size(kinds) == std::variant_size_v<node::Params>);
  return kinds[params.index()];
}

inline void sort_and_check(Graph& graph) {
  require<FormatError>(!graph.inputs.empty(), "graph: has no input");
  require<FormatError>(!graph.outputs.empty(), "graph: has no output");
  constexpr std::size_t is_input = std::numeric_limits<std::size_t>::max();

  std::unordered_map<std::string_view, std::size_t> producer;
  for (const GraphInput& input : graph.inputs) {
    require<FormatError>(!input.name.empty(), "graph: an input has no name");
    require<FormatError>(producer.emplace(input.name, is_input).second, "graph: two inputs are named ",
                         quoted(input.name));
    require<FormatError>(input.shape.rank() > 0, "graph: input ", quoted(input.name),
                         " wants a batch extent, met rank 0");
  }
  std::unordered_set<std::string_view> names;
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node& node = graph.nodes[i];
    require<FormatError>(!node.name.empty(), "graph: node ", i, ", a ", kind_of(node.params),
                         ", has no name");
    require<FormatError>(names.insert(node.name).second, "graph: two nodes are named ", quoted(node.name));
    detail::check_arity(node);
    for (const std::string& output : node.outputs) {
      require<FormatError>(!output.empty(), detail::label_of(node), ": an output has no name");
      const auto [met, fresh] = producer.emplace(output, i);
      if (fresh) continue;
      if (met->second == is_input)
        raise<FormatError>(detail::label_of(node), ": output ", quoted(output),
                           " is already an input of the graph");
      raise<FormatError>(detail::label_of(node), ": output ", quoted(output), " is already an output of ",
                         detail::label_of(graph.nodes[met->second]));
    }
  }

  // Kahn's algorithm; among the nodes that are ready the first of the file goes first, so a sorted file stays
  // as it is.
  std::vector<std::size_t> waiting(graph.nodes.size(), 0);
  std::vector<std::vector<std::size_t>> consumers(graph.nodes.size());
  std::priority_queue<std::size_t, std::vector<std::size_t>, std::greater<>> ready;
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    for (const std::string& input : graph.nodes[i].inputs) {
      const auto found = producer.find(input);
      require<FormatError>(found != producer.end(), detail::label_of(graph.nodes[i]), ": unknown input ",
                           quoted(input));
      if (found->second == is_input) continue;
      consumers[found->second].push_back(i);
      ++waiting[i];
    }
    if (waiting[i] == 0) ready.push(i);
  }
  std::vector<std::size_t> order;
  order.reserve(graph.nodes.size());
  while (!ready.empty()) {
    const std::size_t i = ready.top();
    ready.pop();
    order.push_back(i);
    for (const std::size_t consumer : consumers[i])
      if (--waiting[consumer] == 0) ready.push(consumer);
  }
  if (order.size() != graph.nodes.size())
    raise<FormatError>("graph: a cycle leads through ",
                       detail::label_of(graph.nodes[detail::node_on_cycle(graph, waiting, producer)]));
  for (const std::string& output : graph.outputs)
    require<FormatError>(producer.contains(output), "graph: no node makes the output ", quoted(output));
  for (const auto& [alias, target] : graph.aliases)
    require<FormatError>(producer.contains(target), "graph: alias ", quoted(alias),
                         " stands for unknown tensor ", quoted(target));

  if (std::ranges::is_sorted(order)) return;
  std::vector<Node> sorted;
  sorted.reserve(order.size());
  for (const std::size_t i : order) sorted.push_back(std::move(graph.nodes[i]));
  graph.nodes = std::move(sorted);
}

}  // namespace deconv

#include "deconv/nn/graph_shapes.hpp"
