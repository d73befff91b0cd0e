#pragma once

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>

#include "deconv/viz/axis.hpp"
#include "deconv/viz/canvas.hpp"
#include "deconv/viz/text.hpp"

// A picture in a frame, with room for what explains it.
namespace deconv::viz {

/// Where the cells of a plane lie in the pixels of the picture that they speak of: the cell in row r and
/// column c has its centre at (first_x + c * step_x, first_y + r * step_y), where the centre of the upper
/// left pixel is (0.5, 0.5), and covers a step each way. Patches of 32 pixels moved by 16 from the corner on
/// have first 16 and step 16.
struct CellGrid {
  double first_x = 0.5, first_y = 0.5;
  double step_x = 1, step_y = 1;
  friend bool operator==(const CellGrid&, const CellGrid&) = default;
};

namespace detail {

inline constexpr Index frame_margin = 8, frame_tick = 4;
inline constexpr Rgb frame_ink{51, 51, 51};

/// A filled rectangle; what falls beside the canvas is left out.
inline void draw_box(io::Image& canvas, const io::Box& box, Rgb colour) {
  for (Index y = std::max<Index>(0, box.top); y < std::min(canvas.height(), box.top + box.height); ++y)
    for (Index x = std::max<Index>(0, box.left); x < std::min(canvas.width(), box.left + box.width); ++x)
      put_pixel(canvas, x, y, colour);
}

/// The line of one pixel around a rectangle.
inline void draw_outline(io::Image& canvas, const io::Box& box, Rgb colour) {
  const Index right = box.left + box.width, lower = box.top + box.height;
  draw_box(canvas, {box.left - 1, box.top - 1, box.width + 2, 1}, colour);
  draw_box(canvas, {box.left - 1, lower, box.width + 2, 1}, colour);
  draw_box(canvas, {box.left - 1, box.top, 1, box.height}, colour);
  draw_box(canvas, {right, box.top, 1, box.height}, colour);
}

/// What of a drawn plane's sides the ticks count: columns from x.low to x.high, rows from y.low to y.high.
struct FrameAxes {
  double left = 0, right = 1, top = 0, bottom = 1;
};

/// Ticks at whole numbers from `low` to `high`.
[[nodiscard]] inline PlacedAxis frame_axis(double low, double high, Index pixels) {
  return PlacedAxis({.label = "of a picture", .whole = true, .low = low, .high = high}, low, high,
                    static_cast<int>(std::clamp<Index>(pixels / 50, 2, 10)));
}

/// A canvas with a picture on it: a title above, ticks at the left and below, and `right` pixels kept free at
/// its right side.
struct Framed {
  io::Image canvas;
  io::Box place;  ///< of the picture on the canvas
};

[[nodiscard]] inline Framed framed(const io::Image& picture, const std::string& title,
                                   const std::optional<FrameAxes>& axes, Index right, Index least_height) {
  Index left = frame_margin, below = frame_margin;
  const Index above = frame_margin + (title.empty() ? 0 : glyph_height + 6);
  std::optional<PlacedAxis> columns, rows;
  if (axes) {
    columns = frame_axis(axes->left, axes->right, picture.width());
    rows = frame_axis(axes->top, axes->bottom, picture.height());
    Index widest = 0;
    for (const Tick& tick : rows->ticks()) widest = std::max(widest, text_width(tick.text));
    left += widest + frame_tick + 3;
    below += glyph_height + frame_tick + 3;
  }
  Framed result;
  result.place = {left, above, picture.width(), picture.height()};
  const Index width =
      std::max(left + picture.width() + std::max(right, frame_margin), 2 * frame_margin + text_width(title));
  result.canvas = filled(width, above + std::max(picture.height(), least_height) + below, white);
  io::Image& canvas = result.canvas;
  paste(canvas, picture, left, above);
  draw_outline(canvas, result.place, frame_ink);
  draw_text(canvas, title, left, frame_margin);
  if (!axes) return result;
  const Index lower = above + picture.height();
  const auto at = [](double place, Index pixels) {
    return std::clamp<Index>(static_cast<Index>(std::floor(place * static_cast<double>(pixels))), 0,
                             pixels - 1);
  };
  Index free = -1;  // numbers that would touch the one before are left out
  for (const Tick& tick : columns->ticks()) {
    const Index x = left + at(columns->place(tick.value), picture.width());
    draw_box(canvas, {x, lower + 1, 1, frame_tick}, frame_ink);
    const Index begin =
        std::clamp<Index>(x - text_width(tick.text) / 2, 0, canvas.width() - text_width(tick.text));
    if (begin <= free) continue;
    draw_text(canvas, tick.text, begin, lower + frame_tick + 3, frame_ink);
    free = begin + text_width(tick.text) + 4;
  }
  for (const Tick& tick : rows->ticks()) {
    const Index y = above + at(rows->place(tick.value), picture.height());
    draw_box(canvas, {left - 1 - frame_tick, y, frame_tick, 1}, frame_ink);
    draw_text(canvas, tick.text, left - frame_tick - 3 - text_width(tick.text), y - glyph_height / 2,
              frame_ink);
  }
  return result;
}

}  // namespace detail

}  // namespace deconv::viz
