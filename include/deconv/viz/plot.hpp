#pragma once

#include <algorithm>
#include <span>
#include <string>
#include <vector>

#include "deconv/viz/plot_writer.hpp"

// Line and bar plots as SVG.
namespace deconv::viz {

/// The plots one below the other as an SVG document, or as an element for an HTML page. Throws ArgumentError
/// when there is none, sizes are out of range, numbers of a series, of bars and of groups do not match, or an
/// axis asks for ends that it cannot have. A plot without data has axes alone. Size: a few kilobytes and at
/// most four points a pixel column and series.
[[nodiscard]] inline std::string to_svg(std::span<const Plot> plots) {
  require<ArgumentError>(!plots.empty(), "at least one plot wanted");
  double width = 0, height = 0;
  for (const Plot& plot : plots) {
    require<ArgumentError>(
        plot.width >= 160 && plot.width <= 16384 && plot.height >= 160 && plot.height <= 16384, "plot ",
        plot.title, ": 160 to 16384 pixels a side wanted, met ", plot.width, " x ", plot.height);
    width = std::max(width, static_cast<double>(plot.width));
    height += static_cast<double>(plot.height);
  }
  const std::string w = svg_number(width), h = svg_number(height);
  std::string out = "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"" + w + "\" height=\"" + h +
                    "\" viewBox=\"0 0 " + w + " " + h +
                    "\" font-family=\"Helvetica, Arial, 'DejaVu Sans', sans-serif\" font-size=\"" +
                    svg_number(detail::plot_font) + "\" fill=\"#222222\">\n";
  out += "<rect width=\"" + w + "\" height=\"" + h + "\" fill=\"#ffffff\"/>\n";
  std::vector<detail::PlotWriter> writers;
  double top = 0, left = 0;
  for (const Plot& plot : plots) {
    writers.emplace_back(plot, top, out);
    left = std::max(left, writers.back().left());
    top += static_cast<double>(plot.height);
  }
  for (detail::PlotWriter& writer : writers) writer.write(left);
  return out + "</svg>\n";
}

/// The same of one plot.
[[nodiscard]] inline std::string to_svg(const Plot& plot) { return to_svg(std::span<const Plot>(&plot, 1)); }

}  // namespace deconv::viz
