#pragma once
/// From a network's scores to ranked classes.

#include <utility>
#include <vector>

#include "deconv/io/dataset.hpp"
#include "model.hpp"

namespace deconv::tool {

/// Probabilities N x classes: softmax of the network's scores.
[[nodiscard]] Tensor<float, Cpu> probabilities(const LoadedModel& model, TensorView<const float, Cpu> images);

/// The `count` most probable classes of one row, the first of equals first; NaN counts as nothing.
[[nodiscard]] std::vector<std::pair<Index, float>> top_classes(std::span<const float> row, Index count);

/// How many classes a row puts before `label`; as many as there are classes when its probability is NaN.
[[nodiscard]] Index rank_of(std::span<const float> row, Index label);

/// Ten inputs of one picture, 10 x C x H x W: the four corners and the middle of the resized picture, then
/// their mirror images. Throws ShapeError when the preprocessing has no crop or the picture is too small.
/// Source: Krizhevsky et al. 2012, section 4.1.
void ten_crops(const io::Preprocess& preprocess, const io::Image& picture, TensorView<float, Cpu> dst);

}  // namespace deconv::tool
