#pragma once
/// Every stage of a unit's way up and down, on the engine's own device.

#include "deconv/analysis/stages.hpp"
#include "engine.hpp"

namespace deconv::tool {

/// projection_stages() of one image, 1 x C x H x W, of a map's unit: the one at (y, x), or the map's
/// strongest.
[[nodiscard]] Stages<float> stages_of(const Engine& engine, Engine::Images image, const std::string& layer,
                                      Index map, const std::optional<std::pair<Index, Index>>& at,
                                      const StagesOptions& options);

}  // namespace deconv::tool
