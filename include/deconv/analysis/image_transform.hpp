#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <string_view>
#include <utility>
#include <vector>

#include "deconv/core/quoted.hpp"
#include "deconv/core/tensor.hpp"

// Translation, scaling and rotation of an image by resampling.
namespace deconv {

/// A change of an image about its centre, which for H x W pixels lies between pixels where an extent is even:
/// first scaled, then rotated, then moved. The default changes nothing.
struct ImageTransform {
  double down = 0, right = 0;  ///< pixels, need not be whole
  double scale = 1;            ///< above 0; above 1 enlarges
  double degrees = 0;          ///< anticlockwise as one looks at the image
  friend bool operator==(const ImageTransform&, const ImageTransform&) = default;
};

/// How a pixel is made that comes from between pixels. `bilinear`: from the four nearest by their distances;
/// when the image shrinks, from all under a triangle as much wider as the image gets smaller, along the
/// source's axes, so that fine detail does not alias. `nearest`: the pixel whose centre is nearest.
enum class Resampling : std::uint8_t { bilinear, nearest };

/// What lies beyond an image. `constant`: a value for each channel. `replicate`: the nearest pixel of its
/// edge. `reflect`: the image mirrored at its edge pixels, which are not repeated.
enum class BorderRule : std::uint8_t { constant, replicate, reflect };

[[nodiscard]] inline std::string_view name_of(Resampling filter) noexcept {
  return filter == Resampling::bilinear ? "bilinear" : "nearest";
}
[[nodiscard]] inline std::string_view name_of(BorderRule border) noexcept {
  return border == BorderRule::constant    ? "constant"
         : border == BorderRule::replicate ? "replicate"
                                           : "reflect";
}

struct ResampleOptions {
  Resampling filter = Resampling::bilinear;
  BorderRule border = BorderRule::constant;
  std::vector<double> fill{0.0};  ///< for `constant`: one for all channels, or one a channel
};

namespace detail {

/// Cosine and sine of an angle, exact at multiples of 90 degrees.
[[nodiscard]] inline std::pair<double, double> cosine_and_sine(double degrees) {
  double angle = std::fmod(degrees, 360.0);
  if (angle < 0) angle += 360.0;
  // From the nearest quarter turn: 45 degrees are then the largest argument.
  const int quarters = static_cast<int>(std::lround(angle / 90.0));
  const double rest = (angle - 90.0 * quarters) * std::numbers::pi / 180.0;
  const double c = std::cos(rest), s = std::sin(rest);
  switch (quarters % 4) {
    case 0:
      return {c, s};
    case 1:
      return {-s, c};
    case 2:
      return {-c, -s};
    default:
      return {s, -c};
  }
}

/// Where a place outside of [0, extent) takes its value from; -1: from nowhere.
[[nodiscard]] constexpr Index inside_border(Index place, Index extent, BorderRule border) noexcept {
  if (place >= 0 && place < extent) return place;
  if (border == BorderRule::constant) return -1;
  if (border == BorderRule::replicate) return place < 0 ? 0 : extent - 1;
  if (extent == 1) return 0;
  const Index period = 2 * (extent - 1);
  const Index folded = (place % period + period) % period;
  return folded < extent ? folded : period - folded;
}

/// The pixels of one axis that a resampled pixel is made of, -1 for what lies beyond, and their weights.
struct AxisTaps {
  std::vector<Index> places;
  std::vector<double> weights;

  void choose(double centre, double radius, Index extent, const ResampleOptions& options) {
    places.clear(), weights.clear();
    if (options.filter == Resampling::nearest) {
      places.push_back(inside_border(static_cast<Index>(std::floor(centre + 0.5)), extent, options.border));
      weights.push_back(1.0);
      return;
    }
    double sum = 0;
    for (auto k = static_cast<Index>(std::ceil(centre - radius)); static_cast<double>(k) < centre + radius;
         ++k) {
      const double weight = 1.0 - std::abs(static_cast<double>(k) - centre) / radius;
      if (!(weight > 0)) continue;
      places.push_back(inside_border(k, extent, options.border));
      weights.push_back(weight);
      sum += weight;
    }
    for (double& weight : weights) weight /= sum;
  }
};

}  // namespace detail

/// Throws ArgumentError unless a transform's numbers are finite, none moves by more than 2^24 pixels, and the
/// scale lies between 1/64 and 64.
inline void check_transform(const ImageTransform& transform) {
  constexpr double farthest = 1 << 24;
  require<ArgumentError>(std::abs(transform.down) <= farthest && std::abs(transform.right) <= farthest &&
                             std::abs(transform.degrees) <= farthest,
                         "a transform moves by at most 2^24 pixels or degrees, met ", transform.down,
                         " down, ", transform.right, " right, ", transform.degrees, " degrees");
  require<ArgumentError>(transform.scale >= 1.0 / 64 && transform.scale <= 64,
                         "a transform's scale lies between 1/64 and 64, met ", transform.scale);
}

/// Throws ArgumentError unless there is one fill value, or one for each of `channels`.
inline void check_resampling(const ResampleOptions& options, Index channels) {
  require<ArgumentError>(options.fill.size() == 1 || static_cast<Index>(options.fill.size()) == channels,
                         "a border's fill wants one value, or one for each of ", channels, " channels, met ",
                         options.fill.size());
}

/// The image src, C x H x W, changed by `transform`, into dst of the same shape: each pixel of dst is looked
/// up where it came from, by the filter, and beyond the edges by the border's rule. Moves by whole pixels,
/// turns by multiples of 90 degrees of square images and the identity copy values unchanged. Throws
/// ShapeError, ArgumentError. Cost: about 4 C multiply-adds a pixel; for a scale s below 1, 4 / s^2 as many.
template <class T>
void transform_planes(std::type_identity_t<TensorView<const T, Cpu>> src, const ImageTransform& transform,
                      const ResampleOptions& options, TensorView<T, Cpu> dst) {
  require<ShapeError>(src.rank() == 3 && src.count() > 0 && dst.shape() == src.shape(),
                      "a transform wants an image C x H x W and room for it, met ", src.shape(), " and ",
                      dst.shape());
  check_transform(transform);
  check_resampling(options, src[0]);
  const Index channels = src[0], height = src[1], width = src[2], plane = height * width;
  const double middle_y = static_cast<double>(height - 1) / 2, middle_x = static_cast<double>(width - 1) / 2;
  const auto [cosine, sine] = detail::cosine_and_sine(transform.degrees);
  const double radius = std::max(1.0, 1.0 / transform.scale);
  detail::AxisTaps rows, columns;
  std::vector<double> sums(static_cast<std::size_t>(channels));
  for (Index y = 0; y < height; ++y)
    for (Index x = 0; x < width; ++x) {
      const double dy = static_cast<double>(y) - middle_y - transform.down;
      const double dx = static_cast<double>(x) - middle_x - transform.right;
      rows.choose((dx * sine + dy * cosine) / transform.scale + middle_y, radius, height, options);
      columns.choose((dx * cosine - dy * sine) / transform.scale + middle_x, radius, width, options);
      std::fill(sums.begin(), sums.end(), 0.0);
      for (std::size_t i = 0; i < rows.places.size(); ++i)
        for (std::size_t j = 0; j < columns.places.size(); ++j) {
          const double weight = rows.weights[i] * columns.weights[j];
          const bool beyond = rows.places[i] < 0 || columns.places[j] < 0;
          const T* value = src.data() + rows.places[i] * width + columns.places[j];
          for (std::size_t c = 0; c < sums.size(); ++c)
            sums[c] += weight * (beyond ? options.fill[options.fill.size() == 1 ? 0 : c]
                                        : static_cast<double>(value[static_cast<Index>(c) * plane]));
        }
      for (Index c = 0; c < channels; ++c)
        dst.data()[c * plane + y * width + x] = static_cast<T>(sums[static_cast<std::size_t>(c)]);
    }
}

}  // namespace deconv
