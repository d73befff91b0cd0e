#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "deconv/core/tensor_view.hpp"
#include "deconv/io/image.hpp"
#include "deconv/io/preprocess.hpp"
#include "deconv/viz/colour_map.hpp"

// How floating-point planes become pictures.
namespace deconv::viz {

/// The values that are drawn darkest and brightest; what lies outside is clipped.
struct ValueRange {
  float low = 0, high = 1;

  /// Where a value lies between low (0) and high (1), not clipped. In an empty range every value is in the
  /// middle; NaN is nowhere.
  [[nodiscard]] double place(float value) const noexcept {
    const double width = static_cast<double>(high) - static_cast<double>(low);
    if (std::isnan(value)) return std::nan("");
    return width > 0 ? (static_cast<double>(value) - static_cast<double>(low)) / width : 0.5;
  }
  friend bool operator==(const ValueRange&, const ValueRange&) = default;
};

namespace detail {

inline void check_percentile(double percentile) {
  require<ArgumentError>(percentile > 0 && percentile <= 100,
                         "percentile must be above 0 and at most 100, met ", percentile);
}

/// The smallest of `values` that at least `percentile` percent of them do not exceed. Reorders them.
[[nodiscard]] inline float percentile_of(std::vector<float>& values, double percentile) {
  const double rank = std::ceil(percentile / 100.0 * static_cast<double>(values.size()));
  const auto index = std::clamp<std::size_t>(static_cast<std::size_t>(rank), 1, values.size()) - 1;
  const auto at = values.begin() + static_cast<std::ptrdiff_t>(index);
  std::nth_element(values.begin(), at, values.end());
  return *at;
}

}  // namespace detail

/// The range of signed values: as far above zero as below, so that zero is drawn in the middle. It reaches to
/// the largest magnitude, or with `percentile` below 100 to the magnitude that so many percent of the
/// non-zero values do not exceed (zeros do not count: a projection is zero outside its receptive field).
/// Values that are not finite do not count. Without values the range is empty. Throws ArgumentError unless 0
/// < percentile <= 100. Cost: linear.
[[nodiscard]] inline ValueRange symmetric_range(std::span<const float> values, double percentile = 100) {
  detail::check_percentile(percentile);
  float reach = 0;
  if (percentile == 100) {
    for (const float value : values)
      if (std::isfinite(value)) reach = std::max(reach, std::abs(value));
  } else {
    std::vector<float> magnitudes;
    for (const float value : values)
      if (std::isfinite(value) && value != 0) magnitudes.push_back(std::abs(value));
    if (!magnitudes.empty()) reach = detail::percentile_of(magnitudes, percentile);
  }
  return {-reach, reach};
}

/// The range from the smallest to the largest value; with `percentile` below 100, half of what it leaves out
/// is clipped at each end. Values that are not finite do not count. Without values the range is empty.
/// Throws ArgumentError unless 0 < percentile <= 100. Cost: linear.
[[nodiscard]] inline ValueRange full_range(std::span<const float> values, double percentile = 100) {
  detail::check_percentile(percentile);
  std::vector<float> finite;
  for (const float value : values)
    if (std::isfinite(value)) finite.push_back(value);
  if (finite.empty()) return {0, 0};
  const double tail = (100 - percentile) / 2;
  const float high = detail::percentile_of(finite, 100 - tail);
  for (float& value : finite) value = -value;
  return {-detail::percentile_of(finite, 100 - tail), high};
}

/// Planes C x H x W (C is 1 or 3) as a picture of that many channels. `order` says which channel is red, for
/// networks that take blue first; of no account for one channel. NaN is drawn in the middle. Throws
/// ShapeError.
[[nodiscard]] inline io::Image stretched(TensorView<const float, Cpu> planes, const ValueRange& range,
                                         io::ChannelOrder order = io::ChannelOrder::rgb) {
  require<ShapeError>(planes.rank() == 3 && (planes[0] == 1 || planes[0] == 3) && planes.row_major(),
                      "a picture is made of planes 1 or 3 x height x width, met ", planes.shape());
  const Index channels = planes[0], height = planes[1], width = planes[2];
  io::Image image(width, height, channels);
  for (Index c = 0; c < channels; ++c) {
    const Index from = channels == 3 && order == io::ChannelOrder::bgr ? 2 - c : c;
    const float* plane = planes.data() + from * height * width;
    std::uint8_t* out = image.pixels().data() + c;
    for (Index i = 0; i < height * width; ++i) {
      const double place = range.place(plane[i]);
      const double clipped = std::isnan(place) ? 0.5 : std::clamp(place, 0.0, 1.0);
      out[i * channels] = static_cast<std::uint8_t>(clipped * 255.0 + 0.5);
    }
  }
  return image;
}

/// A signed picture (a projection, a gradient, a filter) with zero in mid-grey, its contrast stretched by
/// itself.
[[nodiscard]] inline io::Image stretched_about_zero(TensorView<const float, Cpu> planes,
                                                    io::ChannelOrder order = io::ChannelOrder::rgb,
                                                    double percentile = 100) {
  return stretched(planes, symmetric_range(planes.span(), percentile), order);
}

/// A plane H x W in the colours of a map. Throws ShapeError.
[[nodiscard]] inline io::Image coloured(TensorView<const float, Cpu> plane, const ValueRange& range,
                                        ColourMap map = ColourMap::sequential) {
  require<ShapeError>(plane.rank() == 2, "a coloured picture is made of a plane height x width, met ",
                      plane.shape());
  io::Image image(plane[1], plane[0]);
  std::uint8_t* out = image.pixels().data();
  for (const float value : plane.span()) {
    const Rgb colour = colour_of(map, range.place(value));
    *out++ = colour.red, *out++ = colour.green, *out++ = colour.blue;
  }
  return image;
}

}  // namespace deconv::viz
