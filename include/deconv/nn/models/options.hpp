#pragma once

#include <cstdint>
#include <string>
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
};

/// The finished model. Throws ArgumentError unless there is at least one class.
[[nodiscard]] inline Model finish(std::string name, GraphBuilder&& net, const Options& options) {
  require<ArgumentError>(options.classes >= 1, name, ": wants at least 1 class, met ", options.classes);
  Model model{std::move(name), std::move(net).finish(), {}};
  if (options.with_weights) initialise(model, options.initialisation, options.seed);
  return model;
}

}  // namespace deconv::models
