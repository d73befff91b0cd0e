#pragma once
/// How alike features change when the same part of several images is masked, on the engine's own device.

#include "deconv/analysis/correspondence.hpp"
#include "engine.hpp"

namespace deconv::tool {

/// correspondence() of N images, N x C x H x W.
[[nodiscard]] Correspondence correspondence_of(const Engine& engine, Engine::Images images,
                                               std::span<const MaskedPart> parts,
                                               const CorrespondenceOptions& options);
/// correspondence_bytes() for images of this shape.
[[nodiscard]] std::size_t correspondence_bytes_of(const Engine& engine, const Shape& images,
                                                  const CorrespondenceOptions& options);

}  // namespace deconv::tool
