#pragma once
/// Occlusion on the engine's own device.

#include "deconv/analysis/occlusion.hpp"
#include "engine.hpp"

namespace deconv::tool {

/// occlude(), or occlude_by_brute_force(), of one image, 1 x C x H x W; `picture` may be empty.
[[nodiscard]] Occlusion<float> occlusion_of(const Engine& engine, Engine::Images image,
                                            const OcclusionOptions& options, OcclusionMethod method,
                                            Engine::Images picture);
/// occlusion_cost() for images of this shape.
[[nodiscard]] OcclusionCost occlusion_cost_of(const Engine& engine, const Shape& image,
                                              const OcclusionOptions& options, OcclusionMethod method);

}  // namespace deconv::tool
