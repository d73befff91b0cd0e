#include "target_options.hpp"

namespace deconv::tool {

std::pair<Index, Index> parse_position(const std::string& text) {
  const std::vector<Index> values = parse_indices("--at", text);
  require<UsageError>(values.size() == 2, "--at: Y,X wanted, met ", text);
  return {values[0], values[1]};
}

AttributionTarget TargetOptions::target(const Topology* topology) const {
  require<UsageError>(!class_index || layer.empty(), "--class or --layer and --map wanted, met both");
  require<UsageError>(layer.empty() == !map, layer.empty() ? "--map wants --layer" : "--layer wants --map");
  require<UsageError>(at.empty() || map, "--at wants --layer and --map");
  if (topology != nullptr && !layer.empty()) static_cast<void>(topology->find(layer));
  AttributionTarget target;
  target.layer = layer;
  if (class_index) target.maps = {*class_index};
  if (map) target.maps = {*map};
  if (!at.empty()) target.at = parse_position(at);
  return target;
}

void add_target_options(CLI::App& command, TargetOptions& options) {
  command.add_option("--class", options.class_index, "a class's number (default: the top one)")
      ->check(at_least(0))
      ->type_name("K");
  command.add_option("--layer", options.layer, "instead of a class: a unit of this layer")->type_name("NAME");
  command.add_option("--map", options.map, "the unit's feature map")->check(at_least(0))->type_name("K");
  command.add_option("--at", options.at, "the unit's position in its map (default: its strongest)")
      ->type_name("Y,X");
}

void add_target(Document& document, const TargetOptions& options, const LoadedModel& model,
                const std::string& layer, const Unit& unit, float value) {
  if (options.layer.empty()) {
    document["class"] = unit.map;
    document["name"] = model.class_name(unit.map);
    document["score"] = number(value);
    return;
  }
  document["layer"] = layer;
  document["map"] = unit.map;
  document["y"] = unit.y;
  document["x"] = unit.x;
  document["activation"] = number(value);
}

std::string target_text(const TargetOptions& options, const LoadedModel& model, const std::string& layer,
                        const Unit& unit) {
  return options.layer.empty() ? message("class ", unit.map, " ", model.class_name(unit.map))
                               : message(layer, " map ", unit.map, " at ", unit.y, ",", unit.x);
}

}  // namespace deconv::tool
