#pragma once
/// Activations and other arrays on their way to --output.

#include <string>
#include <utility>
#include <vector>

#include "deconv/core/tensor.hpp"
#include "deconv/nn/topology.hpp"
#include "output.hpp"

namespace deconv::tool {

using NamedArrays = std::vector<std::pair<std::string, Tensor<float, Cpu>>>;

/// Writes one array as .npy, or all as .safetensors under their names. Throws UsageError when a .npy would
/// have to hold several.
void write_arrays(OutputKind kind, const std::string& path, const NamedArrays& arrays);

/// The tensors that --layers names, without repetition: "all", a list, or the graph's last output where
/// nothing is given. Throws ArgumentError that lists the nearest names.
[[nodiscard]] std::vector<std::string> layers_of(const std::vector<std::string>& given,
                                                 const Topology& topology);

}  // namespace deconv::tool
