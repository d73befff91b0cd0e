#pragma once

#include <vector>

#include "deconv/core/tensor.hpp"
#include "deconv/viz/features.hpp"
#include "deconv/viz/stretch.hpp"

namespace deconv::viz {

struct ActivationPictureOptions {
  ColourMap colours = ColourMap::grey;
  StretchScope scope = StretchScope::each;
  double percentile = 100;
};

/// Every map of one image's activation as a picture. `activation` is N x C x H x W in either layout, or N x F
/// for layers without planes, which give one picture of F values in rows, nearly square; so do planes of one
/// position. Maps are drawn from their smallest value to their largest, each by itself or all alike. Throws
/// ShapeError, ArgumentError.
[[nodiscard]] inline std::vector<io::Image> activation_pictures(
    TensorView<const float, Cpu> activation, Index image, const ActivationPictureOptions& options = {}) {
  require<ShapeError>((activation.rank() == 4 || activation.rank() == 2) && activation.count() > 0,
                      "pictures are made of activations N x C x H x W or N x F, met ", activation.shape());
  require<ArgumentError>(image >= 0 && image < activation[0], "image ", image, " of ", activation[0]);
  if (activation.rank() == 2 || activation[2] * activation[3] == 1) {
    const Index features = activation[1];
    auto columns = static_cast<Index>(std::ceil(std::sqrt(static_cast<double>(features))));
    const Index rows = (features + columns - 1) / columns;
    const float* row = activation.data() + image * features;
    const ValueRange range = full_range({row, static_cast<std::size_t>(features)}, options.percentile);
    auto plane = Tensor<float, Cpu>::filled({rows, columns}, range.low);
    std::copy_n(row, features, plane.data());
    std::vector<io::Image> one;
    one.push_back(coloured(plane, range, options.colours));
    return one;
  }
  const Index channels = activation[1], height = activation[2], width = activation[3], each = height * width;
  Tensor<float, Cpu> planes({channels, height, width});
  for (Index c = 0; c < channels; ++c)
    for (Index y = 0; y < height; ++y)
      for (Index x = 0; x < width; ++x) planes.data()[c * each + y * width + x] = activation(image, c, y, x);
  const bool alike = options.scope == StretchScope::common;
  const ValueRange common = alike ? full_range(planes.span(), options.percentile) : ValueRange{};
  std::vector<io::Image> pictures;
  for (Index c = 0; c < channels; ++c) {
    const TensorView<const float, Cpu> plane(planes.data() + c * each, {height, width});
    pictures.push_back(
        coloured(plane, alike ? common : full_range(plane.span(), options.percentile), options.colours));
  }
  return pictures;
}

}  // namespace deconv::viz
