#pragma once

#include <optional>
#include <string>
#include <vector>

#include "deconv/io/preprocess.hpp"
#include "deconv/nn/graph.hpp"

namespace deconv::io {

/// What a trained network's file may say: the network, how a picture becomes its input, and what its classes
/// are called. Files of other projects mostly lack the last two.
struct ModelFile {
  Model model;
  std::optional<Preprocess> preprocess;
  std::vector<std::string> class_names;  ///< class k is class_names[k]; empty where unknown
};

}  // namespace deconv::io
