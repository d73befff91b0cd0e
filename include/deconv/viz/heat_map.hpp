#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "deconv/viz/framed.hpp"
#include "deconv/viz/overlay.hpp"
#include "deconv/viz/stretch.hpp"

// A plane of numbers as a picture that says which colour is which number.
namespace deconv::viz {

struct HeatMapOptions {
  std::string title = {};  ///< above the map
  std::string label = {};  ///< beside the colour bar: what the numbers are
  std::string unit = {};   ///< after the label, in brackets
  ColourMap colours = ColourMap::sequential;
  /// The numbers at the two ends of the colour bar, what lies outside is drawn as the ends are; absent: the
  /// smallest and the largest (for `diverging` colours as far on both sides of zero).
  std::optional<ValueRange> range = std::nullopt;
  /// Pixels of the map as drawn; 0: those of the photograph below it, or without one whole multiples of the
  /// cells that make the longer side about 256. One given alone keeps the proportions.
  Index width = 0, height = 0;
  bool smooth = false;  ///< between the cells' centres the values change evenly; else each cell is one colour
  bool bar = true;      ///< the colour bar
  bool frame = true;    ///< else the map alone, of the photograph's place and size: no title, bar or axes
  bool axes = false;    ///< ticks with pixels of the photograph, or without a CellGrid and one, with cells
  /// Where the cells lie in the photograph; absent: they share it evenly.
  std::optional<CellGrid> cells = std::nullopt;
  double alpha = 0.6;  ///< over a photograph: share of the map's colour
  bool fade = false;   ///< over a photograph: the share grows with the value, see OverlayOptions
};

namespace detail {

/// The part of a picture, in its own pixels, that is drawn.
struct DrawnPart {
  double left, top, width, height;
};

/// A plane's values at the pixels of a picture of width x height that shows `part`: the cell that covers the
/// pixel, or between the four nearest centres; NaN where no cell is.
[[nodiscard]] inline Tensor<float, Cpu> sampled_plane(TensorView<const float, Cpu> plane,
                                                      const CellGrid& cells, const DrawnPart& part,
                                                      Index height, Index width, bool smooth) {
  struct Place {
    Index low, high;  ///< low < 0: no cell
    float share;
  };
  const auto places = [&](Index count, double first, double step, double begin, double length, Index pixels) {
    std::vector<Place> all;
    for (Index i = 0; i < pixels; ++i) {
      const double at = begin + (static_cast<double>(i) + 0.5) * length / static_cast<double>(pixels);
      const double cell = (at - first) / step;
      const auto nearest = static_cast<double>(std::floor(cell + 0.5));
      if (nearest < 0 || nearest >= static_cast<double>(count)) {
        all.push_back({-1, -1, 0});
        continue;
      }
      const double inside = std::clamp(cell, 0.0, static_cast<double>(count - 1));
      const auto low = static_cast<Index>(smooth ? inside : nearest);
      const float share = smooth ? static_cast<float>(inside - static_cast<double>(low)) : 0;
      all.push_back({low, share > 0 ? low + 1 : low, share});
    }
    return all;
  };
  const auto rows = places(plane[0], cells.first_y, cells.step_y, part.top, part.height, height);
  const auto columns = places(plane[1], cells.first_x, cells.step_x, part.left, part.width, width);
  Tensor<float, Cpu> result({height, width});
  float* out = result.data();
  for (const Place& y : rows)
    for (const Place& x : columns) {
      if (y.low < 0 || x.low < 0) {
        *out++ = std::numeric_limits<float>::quiet_NaN();
        continue;
      }
      const float *upper = plane.data() + y.low * plane[1], *lower = plane.data() + y.high * plane[1];
      const auto between = [](float from, float to, float share) {
        return share > 0 ? from + share * (to - from) : from;
      };
      *out++ = between(between(upper[x.low], upper[x.high], x.share),
                       between(lower[x.low], lower[x.high], x.share), y.share);
    }
  return result;
}

/// How a plane is laid on its picture, and how large that is drawn.
struct HeatMapLayout {
  CellGrid cells;
  DrawnPart part;
  Index width, height;
};

[[nodiscard]] inline HeatMapLayout heat_map_layout(Index rows, Index columns, const io::Image* photograph,
                                                   const std::optional<CellGrid>& given, Index width,
                                                   Index height) {
  require<ArgumentError>(width >= 0 && width <= 16384 && height >= 0 && height <= 16384,
                         "a heat map is drawn 1 to 16384 pixels wide and high (0: as it comes), met ", width,
                         "x", height);
  HeatMapLayout layout{};
  if (given) {
    require<ArgumentError>(
        given->step_x > 0 && given->step_y > 0 && std::isfinite(given->step_x) &&
            std::isfinite(given->step_y) && std::isfinite(given->first_x) && std::isfinite(given->first_y),
        "the cells of a heat map want steps above 0, met ", given->step_x, " and ", given->step_y);
    layout.cells = *given;
  }
  if (photograph != nullptr) {
    layout.part = {0, 0, static_cast<double>(photograph->width()), static_cast<double>(photograph->height())};
    if (!given) {
      const double x = layout.part.width / static_cast<double>(columns),
                   y = layout.part.height / static_cast<double>(rows);
      layout.cells = {x / 2, y / 2, x, y};
    }
  } else {
    const CellGrid& c = layout.cells;
    layout.part = {c.first_x - c.step_x / 2, c.first_y - c.step_y / 2,
                   c.step_x * static_cast<double>(columns), c.step_y * static_cast<double>(rows)};
  }
  if (width == 0 && height == 0) {
    const Index times = std::max<Index>(1, 256 / std::max(rows, columns));
    width = photograph != nullptr ? photograph->width() : columns * times;
    height = photograph != nullptr ? photograph->height() : rows * times;
  }
  const double shape = layout.part.width / layout.part.height;
  const auto other = [](double pixels) {
    return std::clamp<Index>(static_cast<Index>(std::lround(std::min(pixels, 16384.0))), 1, 16384);
  };
  layout.width = width > 0 ? width : other(static_cast<double>(height) * shape);
  layout.height = height > 0 ? height : other(static_cast<double>(width) / shape);
  return layout;
}

[[nodiscard]] inline std::optional<FrameAxes> frame_axes(bool wanted, const DrawnPart& part) {
  if (!wanted) return std::nullopt;
  return FrameAxes{part.left, part.left + part.width, part.top, part.top + part.height};
}

/// The colour bar with its ticks and label, `left` from the canvas's left edge and as high as the picture.
class ColourBar {
 public:
  ColourBar(const HeatMapOptions& options, const ValueRange& range, Index height)
      : colours_(options.colours), range_(range), height_(std::max(height, least_height)) {
    label_ = options.unit.empty() ? options.label : options.label + " (" + options.unit + ")";
    label_ = text_that_fits(label_, height_);
    // In an empty range every value has the middle's colour.
    if (range.high > range.low)
      axis_.emplace(Axis{.label = "of a colour bar", .low = range.low, .high = range.high}, range.low,
                    range.high, static_cast<int>(std::clamp<Index>(height_ / 40, 2, 10)));
    for (const Tick& tick : ticks()) widest_ = std::max(widest_, text_width(tick.text));
  }

  [[nodiscard]] Index height() const noexcept { return height_; }
  [[nodiscard]] Index width() const noexcept {
    return gap + bar + 1 + frame_tick + 3 + widest_ + (label_.empty() ? 0 : 5 + glyph_height) + frame_margin;
  }
  void draw(io::Image& canvas, Index left, Index top) const {
    const io::Box box{left + gap, top, bar, height_};
    for (Index y = 0; y < height_; ++y) {
      const double place = 1 - (static_cast<double>(y) + 0.5) / static_cast<double>(height_);
      draw_box(canvas, {box.left, top + y, bar, 1}, colour_of(colours_, axis_ ? place : 0.5));
    }
    draw_outline(canvas, box, frame_ink);
    const Index right = box.left + bar + 1;
    for (const Tick& tick : ticks()) {
      const double place = axis_ ? axis_->place(tick.value) : 0.5;
      const Index y = top + std::clamp<Index>(static_cast<Index>((1 - place) * static_cast<double>(height_)),
                                              0, height_ - 1);
      draw_box(canvas, {right, y, frame_tick, 1}, frame_ink);
      draw_text(canvas, tick.text, right + frame_tick + 3, y - glyph_height / 2, frame_ink);
    }
    if (!label_.empty())
      draw_text_upwards(canvas, label_, right + frame_tick + 3 + widest_ + 5,
                        top + (height_ + text_width(label_)) / 2, frame_ink);
  }

 private:
  static constexpr Index gap = 12, bar = 14, least_height = 48;
  [[nodiscard]] std::vector<Tick> ticks() const {
    if (axis_) return axis_->ticks();
    const double value = range_.low;
    return {{value, value == 0 ? "0" : tick_text(value, std::abs(value) / 100)}};
  }

  ColourMap colours_;
  ValueRange range_;
  Index height_, widest_ = 0;
  std::string label_;
  std::optional<PlacedAxis> axis_;
};

[[nodiscard]] inline io::Image heat_map(TensorView<const float, Cpu> plane, const io::Image* photograph,
                                        const HeatMapOptions& options) {
  require<ShapeError>(plane.rank() == 2 && plane.count() > 0 && plane.row_major(),
                      "a heat map is made of a plane height x width, met ", plane.shape());
  const ValueRange range = options.range                             ? *options.range
                           : options.colours == ColourMap::diverging ? symmetric_range(plane.span())
                                                                     : full_range(plane.span());
  require<ArgumentError>(std::isfinite(range.low) && std::isfinite(range.high) && range.low <= range.high,
                         "a heat map's range wants two ascending numbers, met ", range.low, " and ",
                         range.high);
  const HeatMapLayout layout =
      heat_map_layout(plane[0], plane[1], photograph, options.cells, options.width, options.height);
  const auto fitted =
      sampled_plane(plane, layout.cells, layout.part, layout.height, layout.width, options.smooth);
  io::Image picture;
  if (photograph != nullptr) {
    const OverlayOptions how{options.alpha, options.colours, options.fade};
    check_overlay(*photograph, how);
    const bool same = photograph->width() == layout.width && photograph->height() == layout.height;
    picture = mixed(
        same ? *photograph : io::resize(*photograph, layout.width, layout.height, io::ResizeFilter::triangle),
        fitted, range, how);
  } else {
    picture = coloured(fitted, range, options.colours);
  }
  if (!options.frame) return picture;
  const ColourBar bar(options, range, layout.height);
  Framed framed = detail::framed(picture, options.title, frame_axes(options.axes, layout.part),
                                 options.bar ? bar.width() : 0, options.bar ? bar.height() : 0);
  if (options.bar) bar.draw(framed.canvas, framed.place.left + framed.place.width, framed.place.top);
  return std::move(framed.canvas);
}

}  // namespace detail

/// A plane H x W of numbers in colours, with a bar that says which colour is which number, and a title and
/// axes where asked for. NaN is mid-grey. Captions are in capitals (see text.hpp). Throws ShapeError for no
/// plane, ArgumentError for a range that is not ascending and finite, sizes above 16384 and steps of cells
/// that are not above 0. Cost: linear in the picture's pixels.
[[nodiscard]] inline io::Image heat_map(TensorView<const float, Cpu> plane,
                                        const HeatMapOptions& options = {}) {
  return detail::heat_map(plane, nullptr, options);
}

/// The same laid over the photograph that it speaks of, which stays where the plane is NaN and where no cell
/// is. Also throws ArgumentError for an empty photograph, or unless 0 <= alpha <= 1. The bar shows the map's
/// colours unmixed.
[[nodiscard]] inline io::Image heat_map(TensorView<const float, Cpu> plane, const io::Image& photograph,
                                        const HeatMapOptions& options = {}) {
  require<ArgumentError>(!photograph.empty(), "a heat map cannot be laid over a picture without pixels");
  return detail::heat_map(plane, &photograph, options);
}

}  // namespace deconv::viz
