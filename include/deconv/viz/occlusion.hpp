#pragma once

#include <algorithm>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "deconv/analysis/occlusion_result.hpp"
#include "deconv/nn/receptive_field.hpp"
#include "deconv/viz/class_plane.hpp"
#include "deconv/viz/heat_map.hpp"
#include "deconv/viz/montage.hpp"

// The pictures of Zeiler and Fergus 2013, Fig. 7.
namespace deconv::viz {

struct OcclusionFigureOptions {
  std::size_t map = 0;       ///< which of the analysis' maps is drawn
  std::size_t of_class = 0;  ///< which of its classes
  /// What a class is called; absent: its number.
  std::function<std::string(Index)> name = {};
  /// Pixels of the photograph as drawn; 0: as it is.
  Index width = 0;
};

/// Where an analysis' places lie in the picture that the network saw: each at the middle of its patch.
[[nodiscard]] inline CellGrid occlusion_cells(const PatchGrid& grid) {
  return {static_cast<double>(grid.left) + static_cast<double>(grid.width) / 2,
          static_cast<double>(grid.top) + static_cast<double>(grid.height) / 2,
          static_cast<double>(grid.step_x), static_cast<double>(grid.step_y)};
}

/// One plane of an Occlusion's results, rows x columns. Throws ArgumentError.
[[nodiscard]] inline Tensor<float, Cpu> occlusion_plane(const Tensor<float, Cpu>& planes, std::size_t which) {
  require<ArgumentError>(static_cast<Index>(which) < planes[0], "plane ", which, " of ", planes[0]);
  const Index count = planes[1] * planes[2];
  return Tensor<float, Cpu>::from(
      {planes[1], planes[2]},
      planes.span().subspan(which * static_cast<std::size_t>(count), static_cast<std::size_t>(count)));
}

/// The number of the place where a plane is least; ties to the first.
[[nodiscard]] inline Index least_place(const Tensor<float, Cpu>& planes, std::size_t which) {
  const float* begin = planes.data() + static_cast<Index>(which) * planes[1] * planes[2];
  return std::min_element(begin, begin + planes[1] * planes[2]) - begin;
}

/// The photograph with a grey patch at one place, outlined (Fig. 7 a).
[[nodiscard]] inline io::Image covered_picture(const io::Image& seen, const PatchGrid& grid, Index place) {
  io::Image canvas = filled(seen.width(), seen.height(), white);
  paste(canvas, seen, 0, 0);
  const io::Box box{grid.left + place % grid.columns * grid.step_x,
                    grid.top + place / grid.columns * grid.step_y, grid.width, grid.height};
  detail::draw_box(canvas, box, mid_grey);
  detail::draw_outline(canvas, box, white);
  return canvas;
}

/// The parts of the figure, each a picture with a title.
struct OcclusionPictures {
  io::Image covered;      ///< a: the photograph, covered where the class's probability is least
  io::Image activation;   ///< b: total activation of the map over the places, laid over the photograph
  io::Image probability;  ///< d: the class's probability
  io::Image classes;      ///< e: the most probable class at each place
};

/// Draws an analysis of the picture that the network saw. Throws ArgumentError, ShapeError. Cost: linear in
/// the picture's pixels.
[[nodiscard]] inline OcclusionPictures occlusion_pictures(const io::Image& seen,
                                                          const Occlusion<float>& occlusion,
                                                          const OcclusionFigureOptions& options = {}) {
  const auto activation = occlusion_plane(occlusion.activation, options.map),
             probability = occlusion_plane(occlusion.probability, options.of_class);
  const Index k = occlusion.classes[options.of_class];
  HeatMapOptions heat;
  heat.cells = occlusion_cells(occlusion.grid);
  heat.width = options.width;
  heat.alpha = 0.7;
  OcclusionPictures result;
  const io::Image covered =
      covered_picture(seen, occlusion.grid, least_place(occlusion.probability, options.of_class));
  const Index width = options.width > 0 ? options.width : seen.width();
  const Index height = std::max<Index>(1, width * seen.height() / seen.width());
  result.covered = detail::framed(io::resize(covered, width, height, io::ResizeFilter::triangle),
                                  "(a) covered at the minimum of (d)", std::nullopt, 0, 0)
                       .canvas;
  heat.title = message("(b) ", occlusion.layer, " map ", occlusion.maps[options.map]);
  heat.label = "total activation";
  result.activation = heat_map(activation, seen, heat);
  heat.title = "(d) " + (options.name ? options.name(k) : message("class ", k));
  heat.label = "probability";
  result.probability = heat_map(probability, seen, heat);
  ClassPlaneOptions classes;
  classes.title = "(e) most probable class";
  classes.name = options.name;
  classes.cells = heat.cells;
  classes.width = options.width;
  result.classes =
      class_plane(occlusion.top_class.span(), occlusion.grid.rows, occlusion.grid.columns, seen, classes);
  return result;
}

/// The parts side by side, with the map's projection (Fig. 7 c) after (b) where one is given, and a picture
/// of its projections from other images after that.
[[nodiscard]] inline io::Image occlusion_figure(const OcclusionPictures& pictures,
                                                const io::Image& projection = {},
                                                const io::Image& elsewhere = {}) {
  std::vector<io::Image> parts{pictures.covered, pictures.activation};
  if (!projection.empty())
    parts.push_back(detail::framed(projection, "(c) the map's projection", std::nullopt, 0, 0).canvas);
  if (!elsewhere.empty()) {
    const Index height = pictures.probability.height();
    parts.push_back(detail::framed(scaled_to_fit(elsewhere, 4 * height, std::max<Index>(1, height - 32)),
                                   "(c) the map's projections from other images", std::nullopt, 0, 0)
                        .canvas);
  }
  parts.push_back(pictures.probability);
  parts.push_back(pictures.classes);
  Index width = 0, height = 0;
  for (const io::Image& part : parts) {
    width += part.width();
    height = std::max(height, part.height());
  }
  io::Image canvas = filled(width, height, white);
  Index left = 0;
  for (const io::Image& part : parts) {
    paste(canvas, part, left, 0);
    left += part.width();
  }
  return canvas;
}

}  // namespace deconv::viz
