#pragma once

#include <algorithm>
#include <cstdint>

#include "deconv/io/image.hpp"
#include "deconv/io/resize.hpp"
#include "deconv/viz/colour_map.hpp"

// Putting pictures on pictures.
namespace deconv::viz {

/// A picture of one colour. Throws ShapeError as io::Image.
[[nodiscard]] inline io::Image filled(Index width, Index height, Rgb colour) {
  io::Image image(width, height);
  std::uint8_t* out = image.pixels().data();
  for (Index i = 0; i < width * height; ++i) *out++ = colour.red, *out++ = colour.green, *out++ = colour.blue;
  return image;
}

/// Copies a picture onto an RGB canvas with its upper left corner at (left, top), which may lie outside; what
/// falls beside the canvas is left out. Grey is repeated, alpha is laid over what is there. Throws ShapeError
/// when the canvas has not three channels.
inline void paste(io::Image& canvas, const io::Image& picture, Index left, Index top) {
  require<ShapeError>(canvas.channels() == 3, "a canvas has three channels, met ", canvas.channels());
  const Index channels = picture.channels();
  const bool coloured = channels >= 3, transparent = channels == 2 || channels == 4;
  for (Index y = std::max<Index>(0, -top); y < picture.height() && top + y < canvas.height(); ++y)
    for (Index x = std::max<Index>(0, -left); x < picture.width() && left + x < canvas.width(); ++x) {
      const std::uint8_t* from = picture.row(y) + x * channels;
      std::uint8_t* to = canvas.row(top + y) + (left + x) * 3;
      const unsigned alpha = transparent ? from[channels - 1] : 255u;
      for (Index c = 0; c < 3; ++c) {
        const unsigned mixed = from[coloured ? c : 0] * alpha + to[c] * (255u - alpha);
        to[c] = static_cast<std::uint8_t>((mixed + 127u) / 255u);
      }
    }
}

/// Pictures whose longer side is at most this are enlarged pixel by pixel, so that a first-layer filter's
/// weights can be told apart; larger ones are interpolated.
inline constexpr Index tiny_side = 16;

/// The picture at the largest size of its own proportions that fits width x height. Throws ShapeError.
[[nodiscard]] inline io::Image scaled_to_fit(const io::Image& image, Index width, Index height) {
  require<ShapeError>(!image.empty() && width > 0 && height > 0, "a picture of ", image.width(), "x",
                      image.height(), " cannot be fitted into ", width, "x", height);
  const bool wide = image.width() * height >= image.height() * width;
  const Index w = wide ? width : std::max<Index>(1, image.width() * height / image.height());
  const Index h = wide ? std::max<Index>(1, image.height() * width / image.width()) : height;
  if (w == image.width() && h == image.height()) return image;
  const bool tiny = std::max(image.width(), image.height()) <= tiny_side;
  return io::resize(image, w, h, tiny ? io::ResizeFilter::nearest : io::ResizeFilter::triangle);
}

/// Draws a picture, scaled to fit, in the middle of a cell of the canvas.
inline void paste_into_cell(io::Image& canvas, const io::Image& picture, const io::Box& cell) {
  const io::Image fitted = scaled_to_fit(picture, cell.width, cell.height);
  paste(canvas, fitted, cell.left + (cell.width - fitted.width()) / 2,
        cell.top + (cell.height - fitted.height()) / 2);
}

}  // namespace deconv::viz
