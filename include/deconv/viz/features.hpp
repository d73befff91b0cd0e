#pragma once

#include <algorithm>
#include <span>
#include <string>
#include <vector>

#include "deconv/analysis/projection.hpp"
#include "deconv/io/image.hpp"
#include "deconv/viz/canvas.hpp"
#include "deconv/viz/montage.hpp"
#include "deconv/viz/stretch.hpp"

// The figure of Zeiler and Fergus 2013, Fig. 2: what excites a feature map most.
namespace deconv::viz {

/// One strong activation of a map: its projection and the image patch that it saw.
struct FeatureTile {
  io::Image projection;
  io::Image patch;
};

/// One feature map, its tiles from the strongest on.
struct FeatureBlock {
  std::string caption;
  std::vector<FeatureTile> tiles;
};

struct FeatureMontageOptions {
  Index tile = 0;          ///< side of a picture; 0: the largest picture's, at least 48 and at most 128
  Index tiles_across = 3;  ///< tiles in a row of a block
  Index columns = 0;       ///< blocks in a row; 0: as many as make the whole nearly square
  Index gap = 1;           ///< pixels between tiles
  Index block_gap = 10;    ///< pixels between blocks and around them
  bool captions = true;    ///< write each block's caption above it
  Rgb background = white;
  Rgb text = black;
};

/// The part of the picture that a network saw which lies under `box` (pixels of the network's input; see
/// Projection::box). What of it lies in the padding is drawn in `outside`, as a projection draws its zero.
/// Throws ShapeError when the box is empty or too large for a picture.
[[nodiscard]] inline io::Image patch_under(const io::Image& seen, const PlaneBox& box,
                                           Rgb outside = mid_grey) {
  io::Image patch = filled(box.width(), box.height(), outside);
  paste(patch, seen, -box.left, -box.top);
  return patch;
}

/// Whether the pictures of one map are stretched each by itself or all alike, so that weak and strong ones
/// can be compared.
enum class StretchScope : std::uint8_t { each, common };

/// Projections of one map as pictures with zero in mid-grey; `order` is the network's order of channels. Of
/// projections with other than 1 or 3 channels the mean over the channels is drawn. A few values are much
/// larger than the others, hence the percentile; see symmetric_range.
[[nodiscard]] inline std::vector<io::Image> projection_pictures(
    std::span<const Projection<float>> projections, io::ChannelOrder order = io::ChannelOrder::rgb,
    StretchScope scope = StretchScope::each, double percentile = 99.5) {
  ValueRange common;
  if (scope == StretchScope::common) {
    std::vector<float> values;
    for (const auto& projection : projections)
      values.insert(values.end(), projection.pixels.begin(), projection.pixels.end());
    common = symmetric_range(values, percentile);
  }
  std::vector<io::Image> pictures;
  for (const auto& projection : projections) {
    const auto& pixels = projection.pixels;
    const ValueRange range =
        scope == StretchScope::common ? common : symmetric_range(pixels.span(), percentile);
    if (pixels[0] == 1 || pixels[0] == 3) {
      pictures.push_back(stretched(pixels, range, order));
      continue;
    }
    const Index plane = pixels[1] * pixels[2];
    auto mean = Tensor<float, Cpu>::filled({1, pixels[1], pixels[2]}, 0.0f);
    for (Index c = 0; c < pixels[0]; ++c)
      for (Index i = 0; i < plane; ++i)
        mean.data()[i] += pixels.data()[c * plane + i] / static_cast<float>(pixels[0]);
    pictures.push_back(stretched(mean, range));
  }
  return pictures;
}

/// The montage of Fig. 2: for each map a block of projections and to its right the block of their image
/// patches in the same order; the pairs of blocks stand in a grid. All tiles have one size: small ones are
/// enlarged. Throws ArgumentError when there is no block or no tile, or lengths are out of range; ShapeError
/// when the whole would be too large for a picture.
[[nodiscard]] inline io::Image feature_montage(std::span<const FeatureBlock> blocks,
                                               const FeatureMontageOptions& options = {}) {
  detail::check_length(options.tile, "a feature montage's tile");
  detail::check_length(options.gap, "a feature montage's gap");
  detail::check_length(options.block_gap, "a feature montage's block gap");
  require<ArgumentError>(options.tiles_across >= 1 && options.tiles_across <= 64,
                         "a block is 1 to 64 tiles wide, met ", options.tiles_across);
  Index side = 0, most = 0;
  for (const FeatureBlock& block : blocks) {
    most = std::max(most, static_cast<Index>(block.tiles.size()));
    for (const FeatureTile& tile : block.tiles)
      for (const io::Image* picture : {&tile.projection, &tile.patch}) {
        require<ArgumentError>(!picture->empty(), "a tile of ", quoted(block.caption), " lacks a picture");
        side = std::max({side, picture->width(), picture->height()});
      }
  }
  require<ArgumentError>(most > 0, "a feature montage wants at least one tile");
  side = options.tile > 0 ? options.tile : std::clamp<Index>(side, 48, 128);

  const Index across = std::min(options.tiles_across, most), down = (most + across - 1) / across;
  const Index half_width = across * (side + options.gap) - options.gap;
  const Index middle = options.gap * 2 + 2;
  const Index caption = options.captions ? detail::caption_height : 0;
  const Index step_x = 2 * half_width + middle + options.block_gap;
  const Index step_y = caption + down * (side + options.gap) - options.gap + options.block_gap;
  const auto grid = detail::grid_for(static_cast<Index>(blocks.size()), options.columns, step_x, step_y);
  io::Image canvas = filled(grid.columns * step_x + options.block_gap, grid.rows * step_y + options.block_gap,
                            options.background);
  for (std::size_t b = 0; b < blocks.size(); ++b) {
    const Index left = options.block_gap + static_cast<Index>(b) % grid.columns * step_x;
    const Index top = options.block_gap + static_cast<Index>(b) / grid.columns * step_y;
    if (options.captions)
      draw_text(canvas, text_that_fits(blocks[b].caption, 2 * half_width + middle), left, top, options.text);
    for (std::size_t i = 0; i < blocks[b].tiles.size(); ++i) {
      const Index x = left + static_cast<Index>(i) % across * (side + options.gap);
      const Index y = top + caption + static_cast<Index>(i) / across * (side + options.gap);
      paste_into_cell(canvas, blocks[b].tiles[i].projection, {x, y, side, side});
      paste_into_cell(canvas, blocks[b].tiles[i].patch, {x + half_width + middle, y, side, side});
    }
  }
  return canvas;
}

}  // namespace deconv::viz
