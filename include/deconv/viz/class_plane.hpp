#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "deconv/viz/heat_map.hpp"
#include "deconv/viz/montage.hpp"

// A plane of classes as a picture: which class is seen at each place (Zeiler and Fergus 2013, Fig. 7 e).
namespace deconv::viz {

/// Colours of classes: those of the series of plots, then four more of the same kind of lightness; all can be
/// told apart by colour-blind people beside each other (Okabe and Ito 2008; Tol 2021, "muted").
inline constexpr std::array<Rgb, 10> class_colours{{{0, 114, 178},
                                                    {230, 159, 0},
                                                    {0, 158, 115},
                                                    {204, 121, 167},
                                                    {213, 94, 0},
                                                    {86, 180, 233},
                                                    {240, 228, 66},
                                                    {51, 34, 136},
                                                    {136, 34, 85},
                                                    {187, 187, 119}}};

struct ClassPlaneOptions {
  std::string title = {};
  /// What a class is called in the legend; absent: "CLASS K".
  std::function<std::string(Index)> name = {};
  /// Pixels of the plane as drawn; see HeatMapOptions.
  Index width = 0, height = 0;
  bool axes = false;
  std::optional<CellGrid> cells = std::nullopt;
  double alpha = 0.6;        ///< over a photograph: share of the colours
  Index legend_width = 160;  ///< pixels of the legend's names, longer ones are cut
};

namespace detail {

/// The classes of a plane, the most frequent first, ties to the lower number.
[[nodiscard]] inline std::vector<std::pair<Index, Index>> counted_classes(std::span<const Index> classes) {
  std::map<Index, Index> counts;
  for (const Index k : classes)
    if (k >= 0) ++counts[k];
  std::vector<std::pair<Index, Index>> sorted(counts.begin(), counts.end());
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  return sorted;
}

[[nodiscard]] inline io::Image class_plane(std::span<const Index> classes, Index rows, Index columns,
                                           const io::Image* photograph, const ClassPlaneOptions& options) {
  require<ShapeError>(rows > 0 && columns > 0 && columns <= io::max_image_pixels / rows &&
                          static_cast<Index>(classes.size()) == rows * columns,
                      "a plane of ", rows, "x", columns, " classes wants as many numbers, met ",
                      classes.size());
  require<ArgumentError>(options.alpha >= 0 && options.alpha <= 1, "alpha must be 0 to 1, met ",
                         options.alpha);
  check_length(options.legend_width, "a legend's width");
  const auto counted = counted_classes(classes);
  const std::size_t named = counted.size() <= class_colours.size() ? counted.size() : class_colours.size();
  // Each cell's place in the legend, as a plane that is sampled like any other.
  std::map<Index, std::size_t> entry;
  for (std::size_t i = 0; i < counted.size(); ++i) entry[counted[i].first] = std::min(i, named);
  Tensor<float, Cpu> plane({rows, columns});
  for (std::size_t i = 0; i < classes.size(); ++i)
    plane.data()[i] =
        classes[i] < 0 ? std::numeric_limits<float>::quiet_NaN() : static_cast<float>(entry[classes[i]]);
  const HeatMapLayout layout =
      heat_map_layout(rows, columns, photograph, options.cells, options.width, options.height);
  const auto fitted = sampled_plane(plane, layout.cells, layout.part, layout.height, layout.width, false);
  const auto colour = [&](std::size_t i) { return i < named ? class_colours[i] : mid_grey; };
  io::Image picture = filled(layout.width, layout.height, white);
  if (photograph != nullptr)
    paste(picture, io::resize(*photograph, layout.width, layout.height, io::ResizeFilter::triangle), 0, 0);
  const double share = photograph != nullptr ? options.alpha : 1;
  std::uint8_t* out = picture.pixels().data();
  for (const float value : fitted.span()) {
    if (!std::isnan(value)) {
      const Rgb with = colour(static_cast<std::size_t>(value));
      for (const std::uint8_t part : {with.red, with.green, with.blue}) {
        *out = static_cast<std::uint8_t>(std::lround((1 - share) * *out + share * part));
        ++out;
      }
    } else {
      out += 3;
    }
  }

  std::vector<std::string> lines;
  Index others = 0;
  const auto percent = [&](Index count) {
    const double part = 100.0 * static_cast<double>(count) / static_cast<double>(classes.size());
    return part > 0 && part < 0.5 ? std::string("under 1") : std::to_string(std::lround(part));
  };
  for (std::size_t i = 0; i < counted.size(); ++i) {
    if (i >= named) {
      others += counted[i].second;
      continue;
    }
    const Index k = counted[i].first;
    const std::string name = options.name ? options.name(k) : "class " + std::to_string(k);
    const std::string number = " " + percent(counted[i].second) + "%";
    lines.push_back(text_that_fits(name, options.legend_width - text_width(number) - 1) + number);
  }
  if (others > 0)
    lines.push_back(std::to_string(counted.size() - named) +
                    (counted.size() - named > 1 ? " others " : " other ") + percent(others) + "%");
  constexpr Index gap = 12, box = 9, line_height = 14;
  Index widest = 0;
  for (const std::string& line : lines) widest = std::max(widest, text_width(line));
  Framed framed = detail::framed(picture, options.title, frame_axes(options.axes, layout.part),
                                 lines.empty() ? 0 : gap + box + 5 + widest + frame_margin,
                                 static_cast<Index>(lines.size()) * line_height);
  const Index left = framed.place.left + framed.place.width + gap;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const Index top = framed.place.top + static_cast<Index>(i) * line_height;
    draw_box(framed.canvas, {left, top, box, box}, colour(i));
    draw_outline(framed.canvas, {left, top, box, box}, frame_ink);
    draw_text(framed.canvas, lines[i], left + box + 5, top + 1, frame_ink);
  }
  return std::move(framed.canvas);
}

}  // namespace detail

/// A plane H x W of classes (row by row; below 0: none, which stays white) in a colour each, with a legend
/// that names the ten most frequent, the most frequent first, with their share of the plane; all others are
/// grey. Throws ShapeError unless there are rows * columns classes, ArgumentError as heat_map. Cost: linear.
[[nodiscard]] inline io::Image class_plane(std::span<const Index> classes, Index rows, Index columns,
                                           const ClassPlaneOptions& options = {}) {
  return detail::class_plane(classes, rows, columns, nullptr, options);
}

/// The same laid over the photograph that it speaks of, which stays where no class and no cell is.
[[nodiscard]] inline io::Image class_plane(std::span<const Index> classes, Index rows, Index columns,
                                           const io::Image& photograph,
                                           const ClassPlaneOptions& options = {}) {
  require<ArgumentError>(!photograph.empty(), "classes cannot be laid over a picture without pixels");
  return detail::class_plane(classes, rows, columns, &photograph, options);
}

}  // namespace deconv::viz
