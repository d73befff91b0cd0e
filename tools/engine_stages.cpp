#include "engine_on.hpp"
#include "stages.hpp"

namespace deconv::tool {

Stages<float> stages_of(const Engine& engine, Engine::Images image, const std::string& layer, Index map,
                        const std::optional<std::pair<Index, Index>>& at, const StagesOptions& options) {
  return on_device(engine, [&]<Device D>(const Network<float, D>& network, const Context<D>& context) {
    const auto src = to_device(context, image);
    Unit unit{0, map, 0, 0};
    if (at) {
      unit.y = at->first, unit.x = at->second;
    } else {
      ForwardOptions how = ForwardOptions::only({layer});
      how.up_to = layer;
      const auto trace = network.forward(context, src.view(), how);
      unit = strongest_units<float, D>(context, trace, layer, 0, std::span(&map, 1)).front();
    }
    return projection_stages<float, D>(network, context, src.view(), layer, unit, options);
  });
}

}  // namespace deconv::tool
