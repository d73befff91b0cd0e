#pragma once
/// How features move with the image, on the engine's own device.

#include "deconv/analysis/invariance.hpp"
#include "engine.hpp"

namespace deconv::tool {

/// invariance() of one image, 1 x C x H x W.
[[nodiscard]] Invariance invariance_of(const Engine& engine, Engine::Images image,
                                       std::span<const Sweep> sweeps, const InvarianceOptions& options);
/// invariance_bytes() for images of this shape.
[[nodiscard]] std::size_t invariance_bytes_of(const Engine& engine, const Shape& image,
                                              const InvarianceOptions& options);

}  // namespace deconv::tool
