#pragma once
/// --layer, --maps and --random: the feature maps that a command looks at.

#include <optional>
#include <string>
#include <vector>

#include "deconv/analysis/top_activations.hpp"
#include "deconv/nn/topology.hpp"
#include "options.hpp"

namespace deconv::tool {

struct MapOptions {
  std::vector<std::string> layers;
  std::string maps;
  std::optional<Index> random;  ///< maps drawn by --seed; 16 where --maps says nothing either
};
void add_map_options(CLI::App& command, MapOptions& options);

/// Throws UsageError when both --maps and --random were given.
void check_maps(const MapOptions& options);

/// The maps of each layer: those of --maps, or drawn by the seed and the layer's name. Throws ArgumentError
/// for unknown layers (naming the nearest) and those without feature maps.
[[nodiscard]] std::vector<MapSelection> selections_of(const MapOptions& options, std::uint64_t seed,
                                                      const Topology& topology);

}  // namespace deconv::tool
