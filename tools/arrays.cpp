#include "arrays.hpp"

#include <algorithm>

#include "deconv/io/npy.hpp"
#include "deconv/io/safetensors_writer.hpp"

namespace deconv::tool {

void write_arrays(OutputKind kind, const std::string& path, const NamedArrays& arrays) {
  if (kind == OutputKind::npy) {
    require<UsageError>(arrays.size() == 1, "--output ", path, ": a .npy file holds one array, met ",
                        arrays.size(), "; a .safetensors file or a folder wanted");
    io::write_npy(path, arrays.front().second);
    return;
  }
  io::SafetensorsWriter writer;
  for (const auto& [name, array] : arrays) writer.add<float>(name, array);
  writer.write(path);
}

std::vector<std::string> layers_of(const std::vector<std::string>& given, const Topology& topology) {
  const Graph& graph = topology.graph();
  if (given.empty()) return {graph.outputs.back()};
  std::vector<std::string> layers;
  if (given.size() == 1 && given.front() == "all") {
    // A pooling's indices are no activations.
    for (const Node& node : graph.nodes) layers.push_back(node.outputs.front());
    return layers;
  }
  for (const std::string& name : given) {
    static_cast<void>(topology.find(name));
    if (std::find(layers.begin(), layers.end(), name) == layers.end()) layers.push_back(name);
  }
  return layers;
}

}  // namespace deconv::tool
