#pragma once

#include <algorithm>
#include <cmath>
#include <span>
#include <string>

#include "deconv/io/image.hpp"
#include "deconv/viz/canvas.hpp"
#include "deconv/viz/text.hpp"

namespace deconv::viz {

struct MontageOptions {
  Index columns = 0;                      ///< 0: as many as make the whole nearly square
  Index cell_width = 0, cell_height = 0;  ///< 0: the widest and the highest picture
  Index gap = 2;                          ///< pixels between the cells and around them
  Rgb background = white;
  Rgb text = black;
};

namespace detail {

/// Rows and columns of a grid of cells, near to a square as a whole.
struct Grid {
  Index columns, rows;
};

[[nodiscard]] inline Grid grid_for(Index count, Index columns, Index cell_width, Index cell_height) {
  if (columns <= 0)
    columns = static_cast<Index>(std::lround(std::sqrt(
        static_cast<double>(count) * static_cast<double>(cell_height) / static_cast<double>(cell_width))));
  columns = std::clamp<Index>(columns, 1, count);
  return {columns, (count + columns - 1) / columns};
}

/// Throws ArgumentError unless 0 <= value <= 4096.
inline void check_length(Index value, const char* what) {
  require<ArgumentError>(value >= 0 && value <= 4096, what, " must be 0 to 4096 pixels, met ", value);
}

/// Room for a caption below a cell.
inline constexpr Index caption_height = glyph_height + 3;

/// A caption centred under a cell, cut to its width.
inline void draw_caption(io::Image& canvas, const std::string& caption, Index left, Index top, Index width,
                         Rgb colour) {
  const std::string line = text_that_fits(caption, width);
  draw_text(canvas, line, left + (width - text_width(line)) / 2, top + 2, colour);
}

}  // namespace detail

/// Pictures side by side in a grid of equal cells, row by row. Each is scaled to fit its cell, keeping its
/// proportions, and centred. With `captions` (one a picture) each cell has a line of text below. Grey
/// pictures and transparent ones are laid on RGB. Throws ArgumentError when there is no picture, one is
/// empty, captions are of another number or lengths are out of range, ShapeError when the whole would be too
/// large.
[[nodiscard]] inline io::Image montage(std::span<const io::Image> pictures,
                                       const MontageOptions& options = {},
                                       std::span<const std::string> captions = {}) {
  require<ArgumentError>(!pictures.empty(), "a montage wants at least one picture");
  require<ArgumentError>(captions.empty() || captions.size() == pictures.size(), "a montage of ",
                         pictures.size(), " pictures wants as many captions, met ", captions.size());
  detail::check_length(options.gap, "a montage's gap");
  detail::check_length(options.cell_width, "a montage's cell width");
  detail::check_length(options.cell_height, "a montage's cell height");
  Index width = options.cell_width, height = options.cell_height;
  for (std::size_t i = 0; i < pictures.size(); ++i) {
    require<ArgumentError>(!pictures[i].empty(), "picture ", i, " of a montage is empty");
    if (options.cell_width == 0) width = std::max(width, pictures[i].width());
    if (options.cell_height == 0) height = std::max(height, pictures[i].height());
  }
  const Index step_x = width + options.gap;
  const Index step_y = height + options.gap + (captions.empty() ? 0 : detail::caption_height);
  const auto grid = detail::grid_for(static_cast<Index>(pictures.size()), options.columns, step_x, step_y);
  io::Image canvas =
      filled(grid.columns * step_x + options.gap, grid.rows * step_y + options.gap, options.background);
  for (std::size_t i = 0; i < pictures.size(); ++i) {
    const Index left = options.gap + static_cast<Index>(i) % grid.columns * step_x;
    const Index top = options.gap + static_cast<Index>(i) / grid.columns * step_y;
    paste_into_cell(canvas, pictures[i], {left, top, width, height});
    if (!captions.empty()) detail::draw_caption(canvas, captions[i], left, top + height, width, options.text);
  }
  return canvas;
}

}  // namespace deconv::viz
