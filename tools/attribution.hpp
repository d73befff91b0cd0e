#pragma once
/// Attributions and curvature on the device of --device; images and results are host tensors.

#include "deconv/analysis/curvature.hpp"
#include "deconv/analysis/deletion_insertion.hpp"
#include "engine.hpp"

namespace deconv::tool {

[[nodiscard]] std::vector<Attribution<float>> attributions_of(const Engine& engine, Engine::Images images,
                                                              AttributionMethod method,
                                                              const AttributionOptions& options);

/// Bytes that gradients of `rows` such images hold at once, at most.
[[nodiscard]] std::size_t gradient_bytes_of(const Engine& engine, const Shape& images, Index rows);

/// The deletion or insertion curve of one image.
[[nodiscard]] PerturbationCurve perturbation_curve_of(const Engine& engine, Engine::Images image,
                                                      Index class_index, Engine::Images attribution,
                                                      const PerturbationOptions& options, bool insertion);

[[nodiscard]] Curvature<float> curvature_of(const Engine& engine, Engine::Images image,
                                            const CurvatureOptions& options);
/// Bytes that curvature_of holds, at most.
[[nodiscard]] std::size_t curvature_bytes_of(const Engine& engine, const Shape& image,
                                             const CurvatureOptions& options);

}  // namespace deconv::tool
