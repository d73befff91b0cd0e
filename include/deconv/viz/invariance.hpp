#pragma once

#include <cmath>
#include <span>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "deconv/analysis/invariance.hpp"
#include "deconv/viz/plot.hpp"

// The figure of Zeiler and Fergus 2013, Fig. 5: how far features move when the image is changed.
namespace deconv::viz {

struct InvariancePlotOptions {
  Index width = 400, height = 230;  ///< pixels of one plot
  bool relative = true;             ///< distances over the norm of the unchanged image's features
};

/// The axis of a sweep's amounts.
[[nodiscard]] inline Axis axis_of(SweepKind kind) {
  switch (kind) {
    case SweepKind::down:
      return {.label = "vertical translation, down", .unit = "pixels"};
    case SweepKind::right:
      return {.label = "horizontal translation, right", .unit = "pixels"};
    case SweepKind::scale:
      return {.label = "scale", .unit = "times"};
    default:
      return {.label = "rotation, anticlockwise", .unit = "degrees"};
  }
}

/// The curves of several images, of one network and equal sweeps, as an SVG document: a column a sweep, a row
/// a layer with the distance, the last row with the class's probability. `names`: one an image, for the
/// legend. Throws ArgumentError when there is no image or no sweep, or images differ in layers or sweeps.
[[nodiscard]] inline std::string invariance_plots(std::span<const Invariance> images,
                                                  std::span<const std::string> names,
                                                  const InvariancePlotOptions& options = {}) {
  require<ArgumentError>(!images.empty() && names.size() == images.size(), "plots of ", images.size(),
                         " images want at least one and a name for each, met ", names.size(), " names");
  const Invariance& first = images.front();
  require<ArgumentError>(!first.curves.empty(), "plots want at least one sweep");
  for (const Invariance& image : images) {
    bool alike = image.layers == first.layers && image.curves.size() == first.curves.size();
    for (std::size_t s = 0; alike && s < first.curves.size(); ++s)
      alike = image.curves[s].sweep.kind == first.curves[s].sweep.kind;
    require<ArgumentError>(alike, "plots want images with the same layers and sweeps");
  }
  std::ostringstream out;
  const Index rows = static_cast<Index>(first.layers.size()) + 1;
  // The first row has room for the legend, which stands nowhere else.
  const Index legend = 18 * ((static_cast<Index>(images.size()) + 2) / 3);
  const Index width = options.width * static_cast<Index>(first.curves.size());
  const Index height = options.height * rows + legend;
  out << "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"" << width << "\" height=\"" << height
      << "\" viewBox=\"0 0 " << width << ' ' << height << "\">\n";
  for (std::size_t s = 0; s < first.curves.size(); ++s) {
    std::vector<Plot> plots;
    for (std::size_t row = 0; row <= first.layers.size(); ++row) {
      const bool probability = row == first.layers.size();
      Plot plot;
      plot.width = options.width;
      plot.height = options.height + (row == 0 ? legend : 0);
      plot.title = probability ? "probability of the class" : first.layers[row];
      plot.x = axis_of(first.curves[s].sweep.kind);
      plot.y.label = probability ? "probability" : options.relative ? "relative distance" : "distance";
      plot.y.low = 0;
      if (probability) plot.y.high = 1;
      for (std::size_t i = 0; i < images.size(); ++i) {
        const InvarianceCurve& curve = images[i].curves[s];
        const auto& y = probability        ? curve.probability
                        : options.relative ? curve.layers[row].relative
                                           : curve.layers[row].distance;
        plot.series.push_back(
            {.name = row == 0 ? names[i] : std::string(), .x = curve.sweep.amounts, .y = y});
      }
      plots.push_back(std::move(plot));
    }
    out << "<g transform=\"translate(" << static_cast<Index>(s) * options.width << " 0)\">\n"
        << to_svg(plots) << "</g>\n";
  }
  out << "</svg>\n";
  return std::move(out).str();
}

}  // namespace deconv::viz
