#pragma once
/// What of a second layer's projections is finer than its grid, on the engine's own device.

#include <functional>

#include "deconv/analysis/aliasing.hpp"
#include "engine.hpp"

namespace deconv::tool {

/// AliasingMeasure of all batches that `next` gives; null ends them.
[[nodiscard]] AliasingReport aliasing_of(const Engine& engine, const AliasingOptions& options,
                                         const std::function<const ImageBatch<float>*()>& next);

}  // namespace deconv::tool
