#pragma once

#include <algorithm>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "deconv/analysis/evolution.hpp"
#include "deconv/viz/features.hpp"

// The figure of Zeiler and Fergus 2013, Fig. 4: feature maps through training.
namespace deconv::viz {

struct EvolutionMontageOptions {
  Index tile = 0;          ///< side of a picture; 0: the largest picture's, at least 48 and at most 128
  Index gap = 2;           ///< pixels between pictures
  double percentile = 99;  ///< see symmetric_range; each picture's contrast is stretched by itself
  Rgb background = white;
  Rgb text = black;
};

/// A row of pictures a map, a column a state of the network, the map's number to the left and the states'
/// labels above. `order` is the network's order of channels. Throws ArgumentError when there is no row or no
/// column, or lengths are out of range; ShapeError when the whole would be too large for a picture.
[[nodiscard]] inline io::Image evolution_montage(std::span<const EvolutionRow<float>> rows,
                                                 std::span<const std::string> labels,
                                                 io::ChannelOrder order = io::ChannelOrder::rgb,
                                                 const EvolutionMontageOptions& options = {}) {
  detail::check_length(options.tile, "an evolution montage's tile");
  detail::check_length(options.gap, "an evolution montage's gap");
  require<ArgumentError>(!rows.empty() && !labels.empty(),
                         "an evolution montage wants at least one map and one state");
  Index side = 0, heads = 0;
  for (const EvolutionRow<float>& row : rows) {
    require<ArgumentError>(row.cells.size() == labels.size(), "map ", row.map, " of layer ",
                           quoted(row.layer), ": as many cells as labels wanted, met ", row.cells.size(),
                           " and ", labels.size());
    for (const auto& cell : row.cells)
      side = std::max({side, cell.projection.pixels[1], cell.projection.pixels[2]});
    heads = std::max(heads, text_width(message(row.map)));
  }
  side = options.tile > 0 ? options.tile : std::clamp<Index>(side, 48, 128);

  const Index step = side + options.gap, left = options.gap + heads + 4, top = glyph_height + 6;
  const auto columns = static_cast<Index>(labels.size()), lines = static_cast<Index>(rows.size());
  io::Image canvas = filled(left + columns * step, top + lines * step, options.background);
  for (Index c = 0; c < columns; ++c) {
    const std::string label = text_that_fits(labels[static_cast<std::size_t>(c)], side);
    draw_text(canvas, label, left + c * step + (side - text_width(label)) / 2, 3, options.text);
  }
  for (Index r = 0; r < lines; ++r) {
    const EvolutionRow<float>& row = rows[static_cast<std::size_t>(r)];
    const Index y = top + r * step;
    const std::string head = message(row.map);
    draw_text(canvas, head, left - 4 - text_width(head), y + (side - glyph_height) / 2, options.text);
    for (Index c = 0; c < columns; ++c) {
      const auto& projection = row.cells[static_cast<std::size_t>(c)].projection;
      const auto picture =
          projection_pictures(std::span(&projection, 1), order, StretchScope::each, options.percentile);
      paste_into_cell(canvas, picture.front(), {left + c * step, y, side, side});
    }
  }
  return canvas;
}

/// The same of an evolution whose maps are all of one layer.
[[nodiscard]] inline io::Image evolution_montage(const Evolution<float>& evolution,
                                                 io::ChannelOrder order = io::ChannelOrder::rgb,
                                                 const EvolutionMontageOptions& options = {}) {
  return evolution_montage(evolution.rows(), evolution.labels(), order, options);
}

}  // namespace deconv::viz
