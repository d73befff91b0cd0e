#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>

#include "deconv/io/image.hpp"
#include "deconv/io/preprocess.hpp"

// A network's input back as a picture.
namespace deconv::viz {

/// What a picture that is black, and one that is white all over become as inputs C x height x width: the ends
/// between which the inputs of all pictures lie. Throws ShapeError.
[[nodiscard]] inline std::pair<Tensor<float, Cpu>, Tensor<float, Cpu>> input_range(
    const io::Preprocess& preprocess, Index height, Index width) {
  std::pair<Tensor<float, Cpu>, Tensor<float, Cpu>> ends{
      Tensor<float, Cpu>({preprocess.channels(), height, width}),
      Tensor<float, Cpu>({preprocess.channels(), height, width})};
  preprocess.normalise(io::Image(width, height, 3, 0), ends.first.view());
  preprocess.normalise(io::Image(width, height, 3, 255), ends.second.view());
  return ends;
}

/// The picture whose preprocessing gives the input C x H x W (C is 1 or 3): mean and deviation undone, red
/// first. What no picture can become is clipped. Throws ShapeError when the channels are not the
/// preprocessing's.
[[nodiscard]] inline io::Image input_picture(TensorView<const float, Cpu> input,
                                             const io::Preprocess& preprocess) {
  require<ShapeError>(input.rank() == 3 && input[0] == preprocess.channels() && input.row_major(),
                      "an input of ", preprocess.channels(), " x height x width wanted, met ", input.shape());
  const Index plane = input[1] * input[2];
  const auto [dark, bright] = input_range(preprocess, input[1], input[2]);
  io::Image picture(input[2], input[1]);
  for (Index c = 0; c < 3; ++c) {
    // A preprocessing says which channel of a picture each of its own is; here the other way round.
    const Index from = input[0] == 1 ? 0 : io::detail::channel_of(preprocess.order, c);
    for (Index i = 0; i < plane; ++i) {
      const Index at = from * plane + i;
      const double low = static_cast<double>(dark.data()[at]), high = static_cast<double>(bright.data()[at]);
      const double place = (static_cast<double>(input.data()[at]) - low) / (high - low);
      const double level = std::isfinite(place) ? std::clamp(place, 0.0, 1.0) : 0.5;
      picture.pixels()[static_cast<std::size_t>(3 * i + c)] =
          static_cast<std::uint8_t>(std::lround(255 * level));
    }
  }
  return picture;
}

}  // namespace deconv::viz
