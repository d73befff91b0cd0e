#pragma once

#include <algorithm>
#include <cmath>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "deconv/analysis/stages.hpp"
#include "deconv/viz/canvas.hpp"
#include "deconv/viz/montage.hpp"
#include "deconv/viz/stretch.hpp"
#include "deconv/viz/text.hpp"

// The figure of Zeiler and Fergus 2013, Fig. 1: a unit's way up and its projection's way down.
namespace deconv::viz {

struct StagesPictureOptions {
  Index tile = 80;                                 ///< side of a picture, pixels
  io::ChannelOrder order = io::ChannelOrder::rgb;  ///< of the network's input
  double percentile = 99.5;                        ///< of the projection's contrast, see symmetric_range
  Rgb mark{230, 60, 30};                           ///< of switches
  /// stages_picture() shows what lies about the unit's receptive field, not whole planes in which the signal
  /// is a dot.
  bool around_unit = true;
  /// stages_picture() leaves out stages at which no signal arrived in the kept maps.
  bool leave_out_silent = true;
};

/// A plane in colours: from zero (dark) up where nothing is below zero, else blue below zero, white at zero,
/// red above. A plane of zeros is drawn as zero.
[[nodiscard]] inline io::Image plane_picture(TensorView<const float, Cpu> plane) {
  ValueRange range = full_range(plane.span());
  if (range.low < 0) return coloured(plane, symmetric_range(plane.span()), ColourMap::diverging);
  range.low = 0;
  if (!(range.high > 0)) range.high = 1;
  return coloured(plane, range);
}

/// One kept map of a stage on the way up, or of the signal on the way down. Of the image (1 or 3 channels)
/// all channels together: what the network sees, or the projection with zero in mid-grey.
[[nodiscard]] inline io::Image stage_picture(const Stage<float>& stage, bool down, std::size_t map,
                                             const StagesPictureOptions& options = {}) {
  const Tensor<float, Cpu>& values = down ? stage.down : stage.up;
  if (stage.up_kind == StageKind::image && (values[0] == 1 || values[0] == 3))
    return down ? stretched_about_zero(values, options.order, options.percentile)
                : stretched(values, full_range(values.span()), options.order);
  const Index plane = values[1] * values[2];
  return plane_picture({values.data() + static_cast<Index>(map) * plane, {values[1], values[2]}});
}

/// Pictures that a stage has: one a kept map, or one for an image of 1 or 3 channels.
[[nodiscard]] inline std::size_t stage_pictures(const Stage<float>& stage) {
  const bool image = stage.up_kind == StageKind::image && (stage.up[0] == 1 || stage.up[0] == 3);
  return image ? 1 : stage.maps.size();
}

/// A window of `extent` x `extent` pixels of what a pooling pooled, about the place with the largest signal
/// (or value, where no signal came), each pixel `zoom` pixels large; the pixels that a switch points to are
/// framed. Throws ArgumentError when the stage is no max pooling.
[[nodiscard]] inline io::Image switches_picture(const Stages<float>& all, std::size_t number, std::size_t map,
                                                Index extent = 16, Index zoom = 5,
                                                const StagesPictureOptions& options = {}) {
  const Stage<float>& pooled = all.stages.at(number);
  require<ArgumentError>(pooled.pooled_from.has_value() && map < pooled.maps.size(), "stage ",
                         quoted(pooled.tensor), " has no switches to draw");
  const Stage<float>& below = all.stages[*pooled.pooled_from];
  const Index height = below.up[1], width = below.up[2], plane = height * width;
  const auto same = std::find(below.maps.begin(), below.maps.end(), pooled.maps[map]);
  require<ArgumentError>(same != below.maps.end(), "stage ", quoted(below.tensor), " lacks map ",
                         pooled.maps[map]);
  const Index offset = (same - below.maps.begin()) * plane;
  const auto strongest = [&](const Tensor<float, Cpu>& values) {
    const float* begin = values.data() + offset;
    return std::max_element(begin, begin + plane) - begin;
  };
  Index middle = strongest(below.down);
  if (!(below.down.data()[offset + middle] > 0)) middle = strongest(below.up);
  const Index rows = std::min(extent, height), columns = std::min(extent, width);
  const Index top = std::clamp<Index>(middle / width - rows / 2, 0, height - rows);
  const Index left = std::clamp<Index>(middle % width - columns / 2, 0, width - columns);
  Tensor<float, Cpu> window({rows, columns});
  for (Index y = 0; y < rows; ++y)
    std::copy_n(below.up.data() + offset + (top + y) * width + left, columns, window.data() + y * columns);
  io::Image picture =
      io::resize(plane_picture(window), columns * zoom, rows * zoom, io::ResizeFilter::nearest);
  const auto size = static_cast<std::size_t>(pooled.up[1] * pooled.up[2]);
  for (std::size_t i = map * size; i < (map + 1) * size; ++i) {
    const Index y = pooled.switches[i] / width - top, x = pooled.switches[i] % width - left;
    if (pooled.switches[i] < 0 || y < 0 || x < 0 || y >= rows || x >= columns) continue;
    for (Index v = 0; v < zoom; ++v)
      for (Index u = 0; u < zoom; ++u) {
        if (v != 0 && u != 0 && v != zoom - 1 && u != zoom - 1) continue;
        std::uint8_t* pixel = picture.row(y * zoom + v) + (x * zoom + u) * 3;
        pixel[0] = options.mark.red, pixel[1] = options.mark.green, pixel[2] = options.mark.blue;
      }
  }
  return picture;
}

namespace detail {

/// Shares of a plane's height and width, 0 to 1.
struct PlanePart {
  double top = 0, left = 0, bottom = 1, right = 1;
};

/// The receptive field with half of its size around it, at least a sixth of the image.
[[nodiscard]] inline PlanePart part_about(const PlaneBox& box, Index height, Index width) {
  const auto range = [](Index begin, Index end, Index extent) {
    const double all = static_cast<double>(extent), middle = static_cast<double>(begin + end) / 2;
    const double half = std::min(std::max(static_cast<double>(end - begin), all / 6) * 0.75, all / 2);
    const double low = std::clamp(middle - half, 0.0, all - 2 * half);
    return std::pair(low / all, (low + 2 * half) / all);
  };
  const PlaneBox inside = box.clipped(height, width);
  const auto [top, bottom] = range(inside.top, inside.bottom, height);
  const auto [left, right] = range(inside.left, inside.right, width);
  return {top, left, bottom, right};
}

/// The same part of a stage's picture, whose pixels are its plane's.
[[nodiscard]] inline io::Image part_of(const io::Image& picture, const PlanePart& part) {
  const auto range = [](double low, double high, Index extent) {
    const auto begin = static_cast<Index>(std::floor(low * static_cast<double>(extent) + 1e-9));
    const auto end = static_cast<Index>(std::ceil(high * static_cast<double>(extent) - 1e-9));
    return std::pair(std::min(begin, extent - 1), std::clamp<Index>(end, begin + 1, extent));
  };
  const auto [top, bottom] = range(part.top, part.bottom, picture.height());
  const auto [left, right] = range(part.left, part.right, picture.width());
  return io::crop(picture, {left, top, right - left, bottom - top});
}

/// Enlarged pixel by pixel, as far as it fits: what a map holds is then seen as it is.
[[nodiscard]] inline io::Image enlarged(const io::Image& picture, Index side) {
  const Index zoom = side / std::max(picture.width(), picture.height());
  return zoom < 2 ? picture
                  : io::resize(picture, picture.width() * zoom, picture.height() * zoom,
                               io::ResizeFilter::nearest);
}

[[nodiscard]] inline bool silent(const Stage<float>& stage) {
  return std::all_of(stage.down.begin(), stage.down.end(), [](float value) { return value == 0; });
}

}  // namespace detail

/// The whole figure: a row a stage, the unit's layer on top and the image at the bottom; on the left what
/// came down, on the right what went up, maps by their numbers; beside a pooling a window of what it pooled
/// with its switches. All show the same part of their planes, see StagesPictureOptions. Throws ArgumentError
/// when there is no stage or the tile is not 16 to 1024 pixels.
[[nodiscard]] inline io::Image stages_picture(const Stages<float>& all,
                                              const StagesPictureOptions& options = {}) {
  require<ArgumentError>(!all.stages.empty(), "a picture of stages wants at least one");
  require<ArgumentError>(options.tile >= 16 && options.tile <= 1024, "a tile of 16 to 1024 pixels, met ",
                         options.tile);
  std::vector<std::size_t> shown;  // from the unit's layer down
  for (std::size_t i = all.stages.size(); i-- > 0;)
    if (!options.leave_out_silent || i == 0 || !detail::silent(all.stages[i])) shown.push_back(i);
  const Stage<float>& image = all.stages.front();
  detail::PlanePart part;
  if (options.around_unit) part = detail::part_about(all.projection.box, image.up[1], image.up[2]);
  std::size_t across = 1;
  std::size_t longest = 14;
  for (const std::size_t i : shown) {
    const auto& stage = all.stages[i];
    across = std::max(across, stage_pictures(stage));
    longest = std::max(longest, stage.tensor.size());
  }
  constexpr Index gap = 4, edge = 8, heading = 16;
  const Index tile = options.tile, step = tile + gap;
  const Index block = static_cast<Index>(across) * step;
  const Index label = std::min<Index>(static_cast<Index>(longest), 26) * glyph_advance + 16;
  const Index row = tile + detail::caption_height + gap;
  const Index middle = edge + block, right = middle + label, detail_left = right + block + gap;
  io::Image canvas =
      filled(detail_left + tile + edge, edge + heading + row * static_cast<Index>(shown.size()), white);
  draw_text(canvas, "down: the projection", edge, edge);
  draw_text(canvas, "up: the image's values", right, edge);
  draw_text(canvas, "switches", detail_left, edge);
  for (std::size_t i = 0; i < shown.size(); ++i) {
    const std::size_t number = shown[i];
    const Stage<float>& stage = all.stages[number];
    const Index top = edge + heading + static_cast<Index>(i) * row;
    const std::size_t pictures = stage_pictures(stage);
    for (std::size_t k = 0; k < pictures; ++k) {
      // The way down is drawn towards the middle.
      const Index place = static_cast<Index>(k) * step;
      const Index left = edge + block - static_cast<Index>(pictures) * step + place;
      for (const auto& [down, at] : {std::pair{true, left}, std::pair{false, right + place}}) {
        const io::Image cut = detail::part_of(stage_picture(stage, down, k, options), part);
        paste_into_cell(canvas, detail::enlarged(cut, tile), {at, top, tile, tile});
        if (pictures > 1 || stage.up_kind != StageKind::image)
          detail::draw_caption(canvas, message("map ", stage.maps[k]), at, top + tile, tile, {90, 90, 90});
      }
    }
    const auto line = [&](std::string_view words, Index below, Rgb colour) {
      const std::string fitting = text_that_fits(words, label - 12);
      draw_text(canvas, fitting, middle + (label - text_width(fitting)) / 2, top + below, colour);
    };
    line(stage.tensor, tile / 2 - 20, black);
    line(message(stage.map_count, " x ", stage.up[1], " x ", stage.up[2]), tile / 2 - 9, {90, 90, 90});
    line(message("down: ", name_down(stage.down_kind), stage.added ? ", added" : ""), tile / 2 + 4,
         {90, 90, 90});
    line(message("up: ", name_up(stage.up_kind)), tile / 2 + 15, {90, 90, 90});
    if (stage.pooled_from)
      paste_into_cell(canvas, switches_picture(all, number, 0, 16, std::max<Index>(3, tile / 16), options),
                      {detail_left, top, tile, tile});
  }
  return canvas;
}

}  // namespace deconv::viz
