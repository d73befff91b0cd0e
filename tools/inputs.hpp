#pragma once
/// What goes into the network: the pictures of --image, or the array of --input.

#include <string>
#include <vector>

#include "deconv/io/image.hpp"
#include "model.hpp"

namespace deconv::tool {

struct Inputs {
  Tensor<float, Cpu> batch;        ///< N x C x H x W
  std::vector<std::string> names;  ///< one an image: the picture's path, or the array's and its row
  std::vector<io::Image> seen;     ///< what the network sees of each, as a picture

  [[nodiscard]] Index size() const { return batch[0]; }
};

/// Throws UsageError when neither --image nor --input was given. Errors name the picture.
[[nodiscard]] Inputs load_inputs(const CommonOptions& options, const LoadedModel& model);

}  // namespace deconv::tool
