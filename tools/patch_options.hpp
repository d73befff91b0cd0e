#pragma once
/// --size, --stride and --fill: the patch that covers parts of a picture.

#include <string>

#include "deconv/analysis/occlusion_result.hpp"
#include "model.hpp"
#include "options.hpp"

namespace deconv::tool {

struct PatchOptions {
  std::string size = "32", stride = "16", fill = "zero";
};
void add_patch_options(CLI::App& command, PatchOptions& options);

/// Writes the patch's extents and strides into `how`. `is_array`: inputs are arrays, whose values a number of
/// --fill is in. Throws UsageError.
void apply_patch(const PatchOptions& options, bool is_array, OcclusionOptions& how);
/// Throws UsageError when the patch does not fit images of this shape.
void check_patch(const PatchOptions& options, const Shape& images, const OcclusionOptions& how);

/// What stands in the patch on one image 1 x C x H x W: values written into `how`, or the picture that is
/// returned. Throws UsageError when nothing says what a picture's level is to the network.
[[nodiscard]] Tensor<float, Cpu> choose_fill(const PatchOptions& options, bool is_array,
                                             const LoadedModel& model, TensorView<const float, Cpu> image,
                                             OcclusionOptions& how);

}  // namespace deconv::tool
