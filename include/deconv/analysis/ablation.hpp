#pragma once

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <map>
#include <numeric>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "deconv/core/quoted.hpp"
#include "deconv/nn/graph.hpp"

// What a network's parts are good for: the same network with layers taken out or made wider. Graphs alone
// stand here; ablation_run.hpp trains them. Source: Zeiler and Fergus 2013, section 4.3 and Table 3.
namespace deconv {

/// A change of a network whose layers are named by numbers: conv1, conv2, ..., fc6, fc7.
struct Ablation {
  /// How people and folders call it: "none", or changes parted by '+', see parse_ablation.
  std::string key = "none";
  std::set<Index> removed;         ///< numbers of layers that are taken out
  std::map<Index, double> widths;  ///< times as many maps (or units) of the layers of these numbers
};

/// Errors in percent that the paper prints for one network: of the training images, and of the validation
/// images by the first and by five guesses.
struct PaperAblationErrors {
  double train_top1 = 0, val_top1 = 0, val_top5 = 0;
};

/// One line of the paper's Table 3.
struct PaperAblation {
  Ablation ablation;
  std::string title;                                  ///< the change in words
  std::optional<PaperAblationErrors> alexnet, zfnet;  ///< absent where the table has no entry
};

namespace detail {

/// Numbers parted by commas, each above 0.
inline std::vector<Index> ablation_layers(std::string_view text, std::string_view all) {
  std::vector<Index> layers;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t stop = std::min(text.find(',', at), text.size());
    Index layer = 0;
    const auto [end, error] = std::from_chars(text.data() + at, text.data() + stop, layer);
    require<ArgumentError>(error == std::errc{} && end == text.data() + stop && layer >= 1 && layer <= 1000,
                           "ablation ", quoted(all), ": numbers of layers parted by commas wanted, met ",
                           quoted(text));
    layers.push_back(layer);
    at = stop + 1;
  }
  return layers;
}

}  // namespace detail

/// Reads a change: "none", "remove:3,4", "scale:6,7:0.5" (times as many maps or units), or several of these
/// parted by '+': "scale:3:1.5+remove:7". Throws ArgumentError that says what was wanted and met.
[[nodiscard]] inline Ablation parse_ablation(std::string_view text) {
  Ablation made;
  made.key = std::string(text);
  if (text == "none") return made;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t stop = std::min(text.find('+', at), text.size());
    const std::string_view part = text.substr(at, stop - at);
    at = stop + 1;
    const auto first = part.find(':'), second = part.find(':', first == part.npos ? first : first + 1);
    const std::string_view verb = part.substr(0, first);
    const bool removes = verb == "remove" && first != part.npos && second == part.npos;
    const bool scales = verb == "scale" && second != part.npos;
    require<ArgumentError>(removes || scales, "ablation ", quoted(text),
                           ": none, remove:LAYERS or scale:LAYERS:FACTOR wanted, met ", quoted(part));
    const std::string_view list =
        part.substr(first + 1, removes ? std::string_view::npos : second - first - 1);
    double factor = 0;
    if (scales) {
      const std::string_view number = part.substr(second + 1);
      const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), factor);
      require<ArgumentError>(
          error == std::errc{} && end == number.data() + number.size() && factor >= 1e-3 && factor <= 1e3,
          "ablation ", quoted(text), ": a factor from 0.001 to 1000 wanted, met ", quoted(number));
    }
    for (const Index layer : detail::ablation_layers(list, text)) {
      require<ArgumentError>(!made.removed.contains(layer) && !made.widths.contains(layer), "ablation ",
                             quoted(text), ": layer ", layer, " stands there twice");
      if (removes)
        made.removed.insert(layer);
      else
        made.widths.emplace(layer, factor);
    }
  }
  return made;
}

/// The paper's Table 3. Widths are factors: 384, 384 and 256 maps became 512, 1024 and 512; 4096 units 2048
/// or 8192.
[[nodiscard]] inline const std::vector<PaperAblation>& table3() {
  const auto make = [] {
    const auto line = [](const char* key, const char* title, std::optional<PaperAblationErrors> alexnet,
                         std::optional<PaperAblationErrors> zfnet) {
      return PaperAblation{parse_ablation(key), title, alexnet, zfnet};
    };
    using Errors = PaperAblationErrors;
    std::vector<PaperAblation> lines;
    lines.push_back(line("none", "as it is", Errors{35.1, 40.5, 18.1}, Errors{33.1, 38.4, 16.5}));
    lines.push_back(line("remove:3,4", "without 3, 4", Errors{41.8, 45.4, 22.1}, {}));
    lines.push_back(line("remove:7", "without 7", Errors{27.4, 40.0, 18.4}, {}));
    lines.push_back(line("remove:6,7", "without 6, 7", Errors{27.4, 44.8, 22.4}, {}));
    lines.push_back(line("remove:3,4,6,7", "without 3, 4, 6, 7", Errors{71.1, 71.3, 50.1}, {}));
    lines.push_back(
        line("scale:6,7:0.5", "6, 7 half as wide", Errors{40.3, 41.7, 18.8}, Errors{38.2, 40.2, 17.6}));
    lines.push_back(
        line("scale:6,7:2", "6, 7 twice as wide", Errors{26.8, 40.0, 18.1}, Errors{22.0, 38.8, 17.0}));
    lines.push_back(
        line("scale:3:1.3333+scale:4:2.6667+scale:5:2", "3, 4, 5 wider", {}, Errors{18.8, 37.5, 16.0}));
    lines.push_back(line("scale:3:1.3333+scale:4:2.6667+scale:5:2+scale:6,7:2", "3, 4, 5, 6, 7 wider", {},
                         Errors{10.0, 38.3, 16.9}));
    return lines;
  };
  static const std::vector<PaperAblation> lines = make();
  return lines;
}

namespace detail {

/// The node of layer `number`: the convolution "convN" or the linear layer "fcN".
inline std::size_t ablated_node(const Graph& graph, Index number, const std::string& key) {
  const std::string digits = std::to_string(number);
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node& node = graph.nodes[i];
    if ((node.name == "conv" + digits && std::holds_alternative<node::Conv2d>(node.params)) ||
        (node.name == "fc" + digits && std::holds_alternative<node::Linear>(node.params)))
      return i;
  }
  std::string known;
  for (const Node& node : graph.nodes)
    if (std::holds_alternative<node::Conv2d>(node.params) ||
        std::holds_alternative<node::Linear>(node.params))
      known += (known.empty() ? "" : ", ") + quoted(node.name);
  raise<ArgumentError>("ablation ", quoted(key), ": a convolution ", quoted("conv" + digits),
                       " or a linear layer ", quoted("fc" + digits), " wanted, the network has ", known);
}

/// Takes a node out: what read its output reads its input. Throws ArgumentError for a node that ends the
/// graph.
inline void take_out(Graph& graph, std::size_t node, const std::string& key) {
  const Node gone = graph.nodes[node];
  require<ArgumentError>(
      gone.inputs.size() == 1 && gone.outputs.size() == 1 &&
          std::find(graph.outputs.begin(), graph.outputs.end(), gone.outputs[0]) == graph.outputs.end(),
      "ablation ", quoted(key), ": layer ", quoted(gone.name),
      " cannot be taken out: one inside the network wanted");
  graph.nodes.erase(graph.nodes.begin() + static_cast<std::ptrdiff_t>(node));
  for (Node& other : graph.nodes)
    for (std::string& input : other.inputs)
      if (input == gone.outputs[0]) input = gone.inputs[0];
  std::erase_if(graph.aliases, [&](const auto& alias) { return alias.second == gone.outputs[0]; });
}

/// The nodes that read a tensor.
inline std::vector<std::size_t> readers_of(const Graph& graph, const std::string& tensor) {
  std::vector<std::size_t> readers;
  for (std::size_t i = 0; i < graph.nodes.size(); ++i)
    if (std::find(graph.nodes[i].inputs.begin(), graph.nodes[i].inputs.end(), tensor) !=
        graph.nodes[i].inputs.end())
      readers.push_back(i);
  return readers;
}

/// Whether a node makes the classes' scores: nothing with weights of its own comes behind it.
inline bool makes_scores(const Graph& graph, const Node& node) {
  for (std::string tensor = node.outputs[0];;) {
    const auto readers = readers_of(graph, tensor);
    if (readers.empty()) return true;
    const Node& next = graph.nodes[readers[0]];
    if (readers.size() > 1 || std::holds_alternative<node::Conv2d>(next.params) ||
        std::holds_alternative<node::Linear>(next.params))
      return false;
    tensor = next.outputs[0];
  }
}

/// As ablated_node, for a layer that is not the one that makes the scores.
inline std::size_t inner_node(const Graph& graph, Index number, const std::string& key) {
  const std::size_t node = ablated_node(graph, number, key);
  require<ArgumentError>(!makes_scores(graph, graph.nodes[node]), "ablation ", quoted(key), ": layer ",
                         quoted(graph.nodes[node].name), " makes the scores, whose number is the data's");
  return node;
}

}  // namespace detail

/// The graph with an ablation's change, sorted and checked. A layer that is removed goes with the rectifier,
/// dropout and batch normalisation behind it; pools and contrast normalisation stay, so that the planes above
/// keep their size. Widths are rounded to a whole number of maps, and to one that all groups of the graph's
/// convolutions share alike. Throws ArgumentError, naming the layers that there are, where one is not there,
/// would have no maps left, or makes the scores.
[[nodiscard]] inline Graph ablated(Graph graph, const Ablation& ablation) {
  sort_and_check(graph);
  Index groups = 1;
  for (const Node& node : graph.nodes)
    if (const auto* conv = std::get_if<node::Conv2d>(&node.params))
      groups = std::lcm(groups, conv->params.groups);
  for (const auto& [number, factor] : ablation.widths) {
    Node& node = graph.nodes[detail::inner_node(graph, number, ablation.key)];
    auto* conv = std::get_if<node::Conv2d>(&node.params);
    Index& width = conv != nullptr ? conv->out_channels : std::get<node::Linear>(node.params).out_features;
    const Index step = conv != nullptr ? groups : 1;
    const auto scaled =
        static_cast<Index>(std::llround(static_cast<double>(width) * factor / static_cast<double>(step))) *
        step;
    require<ArgumentError>(scaled >= 1, "ablation ", quoted(ablation.key), ": layer ", quoted(node.name),
                           " of ", width, " maps has none left at ", factor, " times as many");
    width = scaled;
  }
  for (const Index number : ablation.removed) {
    const std::size_t node = detail::inner_node(graph, number, ablation.key);
    for (;;) {
      const auto readers = detail::readers_of(graph, graph.nodes[node].outputs[0]);
      if (readers.size() != 1) break;
      const node::Params& next = graph.nodes[readers[0]].params;
      if (!std::holds_alternative<node::Relu>(next) && !std::holds_alternative<node::Dropout>(next) &&
          !std::holds_alternative<node::BatchNorm>(next))
        break;
      detail::take_out(graph, readers[0], ablation.key);
    }
    detail::take_out(graph, node, ablation.key);
  }
  sort_and_check(graph);
  return graph;
}

}  // namespace deconv
