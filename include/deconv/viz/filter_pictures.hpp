#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "deconv/io/image.hpp"
#include "deconv/viz/features.hpp"
#include "deconv/viz/montage.hpp"
#include "deconv/viz/stretch.hpp"

namespace deconv::viz {

/// The filters K x C x R x S of a convolution as pictures with zero in mid-grey (Zeiler and Fergus 2013, Fig.
/// 6 and the first layer of Fig. 2). Filters of 3 channels are in colour, `order` being the network's order
/// of channels; with 1 channel they are grey; with others each picture holds the channels side by side as
/// grey slices. `scope` common shows their strengths, each their forms. Throws ShapeError unless the weights
/// have rank 4 and an element.
[[nodiscard]] inline std::vector<io::Image> filter_pictures(TensorView<const float, Cpu> weights,
                                                            io::ChannelOrder order = io::ChannelOrder::rgb,
                                                            StretchScope scope = StretchScope::each) {
  require<ShapeError>(weights.rank() == 4 && weights.count() > 0 && weights.row_major(),
                      "filters are K x C x R x S, met ", weights.shape());
  const Index channels = weights[1], height = weights[2], width = weights[3];
  const Index each = channels * height * width;
  const ValueRange common = symmetric_range(weights.span());
  std::vector<io::Image> pictures;
  for (Index k = 0; k < weights[0]; ++k) {
    const float* first = weights.data() + k * each;
    const ValueRange range =
        scope == StretchScope::common ? common : symmetric_range({first, static_cast<std::size_t>(each)});
    if (channels == 1 || channels == 3) {
      pictures.push_back(stretched({first, {channels, height, width}}, range, order));
      continue;
    }
    std::vector<io::Image> slices;
    for (Index c = 0; c < channels; ++c)
      slices.push_back(stretched({first + c * height * width, {1, height, width}}, range));
    MontageOptions grid;
    grid.gap = 0;
    pictures.push_back(montage(slices, grid));
  }
  return pictures;
}

/// All filters of a convolution on one sheet, each under its number, enlarged to 48 pixels at least. Throws
/// as filter_pictures().
[[nodiscard]] inline io::Image filter_sheet(TensorView<const float, Cpu> weights,
                                            io::ChannelOrder order = io::ChannelOrder::rgb,
                                            StretchScope scope = StretchScope::each) {
  const std::vector<io::Image> pictures = filter_pictures(weights, order, scope);
  std::vector<std::string> captions;
  for (std::size_t k = 0; k < pictures.size(); ++k) captions.push_back(std::to_string(k));
  MontageOptions how;
  how.cell_width = how.cell_height = std::max<Index>(48, std::max(pictures[0].width(), pictures[0].height()));
  how.gap = 4;
  return montage(pictures, how, captions);
}

}  // namespace deconv::viz
