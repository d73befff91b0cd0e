#pragma once
/// --class, or --layer, --map and --at: what an attribution or a curvature is of.

#include <optional>
#include <string>

#include "deconv/analysis/attribution_target.hpp"
#include "document.hpp"
#include "model.hpp"

namespace deconv::tool {

struct TargetOptions {
  std::optional<Index> class_index;
  std::string layer;
  std::optional<Index> map;
  std::string at;

  /// The target. Throws UsageError where the options do not go together, ArgumentError for an unknown layer
  /// when `topology` is given.
  [[nodiscard]] AttributionTarget target(const Topology* topology = nullptr) const;
};

void add_target_options(CLI::App& command, TargetOptions& options);

/// Adds "class", "name" and "score", or "layer", "map", "y", "x" and "activation".
void add_target(Document& document, const TargetOptions& options, const LoadedModel& model,
                const std::string& layer, const Unit& unit, float value);

/// "class 7 cock" or "conv5 map 3 at 4,5", for people.
[[nodiscard]] std::string target_text(const TargetOptions& options, const LoadedModel& model,
                                      const std::string& layer, const Unit& unit);

/// "Y,X" of --at. Throws UsageError.
[[nodiscard]] std::pair<Index, Index> parse_position(const std::string& text);

}  // namespace deconv::tool
