#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "deconv/core/shape.hpp"
#include "deconv/viz/axis.hpp"
#include "deconv/viz/colour_map.hpp"

// What a plot shows.
namespace deconv::viz {

/// A line through points in their order. A point whose x or y is not finite, or has no place on a
/// logarithmic axis, breaks the line.
struct Series {
  std::string name = {};  ///< for the legend; empty: not in it
  std::vector<double> x = {}, y = {};
  /// Half the length of each point's error bar, in units of y (a standard deviation, for example); empty:
  /// none. Where it is not above 0 and finite the point has none.
  std::vector<double> error = {};
  std::optional<Rgb> colour =
      std::nullopt;   ///< absent: the next of a palette that colour-blind people can tell apart
  bool thin = false;  ///< for noisy data behind another line
  bool dashed = false;
  bool points = false;  ///< a dot at each point
  bool line = true;     ///< else the dots alone
};

/// One bar in each group of a plot, from zero (or a logarithmic axis's low end) to a value.
struct Bars {
  std::string name = {};            ///< for the legend; empty: not in it
  std::vector<double> values = {};  ///< one a group; where it has no place on the axis there is no bar
  std::vector<double> error = {};   ///< as Series::error
  std::optional<Rgb> colour = std::nullopt;  ///< absent: the next of the palette
};

/// A vertical line through the whole plot with a word beside it.
struct PlotMark {
  double x = 0;
  std::string text = {};
};

/// One plot.
struct Plot {
  std::string title = {};
  std::string note = {};  ///< a smaller line below the title
  Axis x = {}, y = {};
  /// Names in the place of the x axis's numbers, side by side: group i has its middle at x = i and reaches
  /// half a unit to both sides. Empty: the x axis has numbers, and there are no bars.
  std::vector<std::string> groups = {};
  std::vector<Bars> bars = {};      ///< side by side in each group
  std::vector<Series> series = {};  ///< in front of the bars
  std::vector<PlotMark> marks = {};
  Index width = 720, height = 320;  ///< pixels, all in all; 160 to 16384
};

/// The palette, bars first, then series: blue, vermilion, green, orange, purple, sky, black (Okabe and Ito
/// 2008).
inline constexpr std::array<Rgb, 7> series_colours{
    {{0, 114, 178}, {213, 94, 0}, {0, 158, 115}, {230, 159, 0}, {204, 121, 167}, {86, 180, 233}, {0, 0, 0}}};

}  // namespace deconv::viz
