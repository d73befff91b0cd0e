#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "deconv/core/error.hpp"
#include "deconv/core/shape.hpp"
#include "deconv/nn/graph_builder.hpp"
#include "deconv/nn/initialise.hpp"

namespace deconv::models {

/// What every model of this folder takes.
struct Options {
  Index classes = 1000;
  Initialisation initialisation = Initialisation::paper;
  std::uint64_t seed = 1;
  /// False leaves Model::weights empty, for those who want the geometry alone or bring weights of their own.
  bool with_weights = true;
  /// Colours and side of the square input, for the models that leave a choice; the others refuse any but
  /// their own.
  std::optional<Index> channels = std::nullopt, extent = std::nullopt;
  /// The ratio of every dropout layer, 0 <= ratio < 1; a model without such layers refuses it.
  std::optional<float> dropout = std::nullopt;
};

namespace detail {

/// The input of a model that takes no other. Throws ArgumentError when another is asked for.
[[nodiscard]] inline Shape fixed_input(std::string_view name, const Options& options, Index channels,
                                       Index extent) {
  require<ArgumentError>(
      options.channels.value_or(channels) == channels && options.extent.value_or(extent) == extent, name,
      ": the input is ", channels, " x ", extent, " x ", extent, ", met ",
      options.channels.value_or(channels), " x ", options.extent.value_or(extent), " x ",
      options.extent.value_or(extent));
  return {1, channels, extent, extent};
}

/// The input asked for, else `channels` x `extent` x `extent`. Throws ArgumentError below one channel and
/// `smallest` pixels.
[[nodiscard]] inline Shape chosen_input(std::string_view name, const Options& options, Index channels,
                                        Index extent, Index smallest) {
  const Index c = options.channels.value_or(channels), side = options.extent.value_or(extent);
  require<ArgumentError>(c >= 1 && side >= smallest, name, ": wants 1 channel and ", smallest,
                         " pixels a side or more, met ", c, " and ", side);
  return {1, c, side, side};
}

/// Throws ArgumentError unless it is a ratio that dropout takes.
[[nodiscard]] inline node::Dropout dropout(std::string_view name, const Options& options) {
  const float ratio = options.dropout.value_or(0.5f);
  require<ArgumentError>(ratio >= 0.0f && ratio < 1.0f, name,
                         ": dropout wants a ratio of at least 0 and below 1, met ", ratio);
  return node::Dropout{ratio};
}

/// For models without dropout. Throws ArgumentError when a ratio is given.
inline void refuse_dropout(std::string_view name, const Options& options) {
  require<ArgumentError>(!options.dropout, name, ": has no dropout layer");
}

/// ZFNet's end: fc6 and fc7 of `width` units with relu6, drop6, relu7 and drop7, then fc8 and prob.
inline void add_zfnet_head(GraphBuilder& net, std::string_view name, Index width, const Options& options) {
  for (const char* layer : {"6", "7"}) {
    net.add(std::string("fc") + layer, node::Linear{width});
    net.add(std::string("relu") + layer, node::Relu{});
    net.add(std::string("drop") + layer, dropout(name, options));
  }
  net.add("fc8", node::Linear{options.classes});
  net.add("prob", node::Softmax{});
}

}  // namespace detail

/// The finished model. Throws ArgumentError unless there is at least one class.
[[nodiscard]] inline Model finish(std::string name, GraphBuilder&& net, const Options& options) {
  require<ArgumentError>(options.classes >= 1, name, ": wants at least 1 class, met ", options.classes);
  Model model{std::move(name), std::move(net).finish(), {}};
  if (options.with_weights) initialise(model, options.initialisation, options.seed);
  return model;
}

}  // namespace deconv::models
