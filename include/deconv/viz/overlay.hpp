#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "deconv/analysis/resize_plane.hpp"
#include "deconv/viz/canvas.hpp"
#include "deconv/viz/stretch.hpp"

namespace deconv::viz {

struct OverlayOptions {
  double alpha = 0.5;  ///< share of the heat map's colour where it is strongest
  ColourMap colours = ColourMap::sequential;
  /// Let the heat map's share grow with its value, so that where it is lowest the picture shows unchanged.
  bool fade = false;
};

namespace detail {

inline void check_overlay(const io::Image& picture, const OverlayOptions& options) {
  require<ArgumentError>(options.alpha >= 0 && options.alpha <= 1, "alpha must be 0 to 1, met ",
                         options.alpha);
  require<ArgumentError>(!picture.empty(), "a heat map cannot be laid over a picture without pixels");
}

/// A plane of the picture's size mixed into it.
[[nodiscard]] inline io::Image mixed(const io::Image& picture, TensorView<const float, Cpu> fitted,
                                     const ValueRange& range, const OverlayOptions& options) {
  io::Image result = filled(picture.width(), picture.height(), white);
  paste(result, picture, 0, 0);
  std::uint8_t* out = result.pixels().data();
  for (const float value : fitted.span()) {
    const double place = range.place(value);
    if (!std::isnan(place)) {
      const Rgb colour = colour_of(options.colours, place);
      const double share = options.alpha * (options.fade ? std::clamp(place, 0.0, 1.0) : 1.0);
      const auto mix = [&](std::uint8_t& channel, std::uint8_t with) {
        channel = static_cast<std::uint8_t>(std::lround((1 - share) * channel + share * with));
      };
      mix(out[0], colour.red), mix(out[1], colour.green), mix(out[2], colour.blue);
    }
    out += 3;
  }
  return result;
}

}  // namespace detail

/// A heat map H x W (any size, any units) laid over a picture: resized to it, coloured from `range.low` to
/// `range.high`, and mixed in. Grey pictures are taken as RGB. Where the map is NaN the picture stays. Throws
/// ArgumentError unless 0 <= alpha <= 1; ShapeError.
[[nodiscard]] inline io::Image overlay(const io::Image& picture, TensorView<const float, Cpu> heat,
                                       const ValueRange& range, const OverlayOptions& options = {}) {
  detail::check_overlay(picture, options);
  return detail::mixed(picture, resize_plane<float>(heat, picture.height(), picture.width()), range, options);
}

/// The same with the colours spread from zero to the map's largest value, as suits class-activation maps; a
/// map without a value above zero is drawn in the lowest colour.
[[nodiscard]] inline io::Image overlay(const io::Image& picture, TensorView<const float, Cpu> heat,
                                       const OverlayOptions& options = {}) {
  const float most = full_range(heat.span()).high;
  return overlay(picture, heat, ValueRange{0, most > 0 ? most : 1}, options);
}

}  // namespace deconv::viz
