#pragma once
/// Inputs made by gradient ascent, on the engine's own device.

#include "deconv/analysis/maximisation_options.hpp"
#include "engine.hpp"

namespace deconv::tool {

/// maximise_activations(); `start` C x H x W.
[[nodiscard]] std::vector<MaximisedInput<float>> maximised(const Engine& engine, const std::string& layer,
                                                           std::span<const Index> maps,
                                                           const MaximisationOptions& options,
                                                           TensorView<const float, Cpu> start,
                                                           const MaximisationWatcher<float>& watch);
/// maximisation_bytes() of so many units.
[[nodiscard]] std::size_t maximised_bytes(const Engine& engine, const std::string& layer, Index units,
                                          const MaximisationOptions& options, const Shape& start);

}  // namespace deconv::tool
