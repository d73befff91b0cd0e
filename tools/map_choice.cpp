#include "map_choice.hpp"

#include <algorithm>
#include <numeric>

#include "arrays.hpp"
#include "deconv/core/random.hpp"
#include "deconv/nn/initialise.hpp"

namespace deconv::tool {

namespace {

/// `count` of the maps, drawn without repetition by the seed and the layer's name, in ascending order.
std::vector<Index> random_maps(std::uint64_t seed, const std::string& layer, Index maps, Index count) {
  const Random random(seed, deconv::detail::name_hash(layer));
  std::vector<Index> all(static_cast<std::size_t>(maps));
  std::iota(all.begin(), all.end(), Index{0});
  const auto kept = static_cast<std::size_t>(std::min(maps, count));
  for (std::size_t i = 0; i < kept; ++i) std::swap(all[i], all[i + random.below(i, all.size() - i)]);
  all.resize(kept);
  std::sort(all.begin(), all.end());
  return all;
}

}  // namespace

void add_map_options(CLI::App& command, MapOptions& options) {
  command.add_option("--layer", options.layers, "layers, parted by commas, or all")
      ->delimiter(',')
      ->required()
      ->type_name("a,b");
  command.add_option("--maps", options.maps, "numbers of maps, parted by commas")->type_name("0,5,7");
  command
      .add_option("--random", options.random, "instead of --maps: so many maps drawn by --seed (default 16)")
      ->check(at_least(1))
      ->type_name("N");
}

void check_maps(const MapOptions& options) {
  require<UsageError>(options.maps.empty() || !options.random, "--maps or --random wanted, met both");
}

std::vector<MapSelection> selections_of(const MapOptions& options, std::uint64_t seed,
                                        const Topology& topology) {
  const auto shapes = infer_shapes(topology.graph(), 1);
  std::vector<MapSelection> selections;
  for (const std::string& layer : layers_of(options.layers, topology)) {
    const Shape& shape = shapes.at(topology.name(topology.find(layer)));
    require<ArgumentError>(shape.rank() == 4 || shape.rank() == 2, "layer ", quoted(layer), " of shape ",
                           shape, " has no feature maps");
    selections.push_back({layer, options.maps.empty()
                                     ? random_maps(seed, layer, shape[1], options.random.value_or(16))
                                     : parse_indices("--maps", options.maps)});
  }
  return selections;
}

}  // namespace deconv::tool
