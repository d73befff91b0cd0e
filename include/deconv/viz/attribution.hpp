#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "deconv/analysis/attribution.hpp"
#include "deconv/analysis/deletion_insertion.hpp"
#include "deconv/viz/plot_data.hpp"
#include "deconv/viz/stretch.hpp"

// Attributions as pictures, and the curves that judge them as plots.
namespace deconv::viz {

/// The channels of an attribution C x H x W as one plane H x W: their sum, or that of their absolute values.
[[nodiscard]] inline Tensor<float, Cpu> attribution_plane(TensorView<const float, Cpu> values,
                                                          PixelRanking ranking) {
  require<ShapeError>(values.rank() == 3, "an attribution C x H x W wanted, met ", values.shape());
  auto plane = Tensor<float, Cpu>::filled({values[1], values[2]}, 0.0f);
  for (Index i = 0; i < values.count(); ++i) {
    const float value = values.data()[i];
    plane.data()[i % plane.count()] += ranking == PixelRanking::sum ? value : std::abs(value);
  }
  return plane;
}

/// An attribution C x H x W as it is usually shown. Saliency and SmoothGrad: magnitudes over the channels,
/// dark to bright. Gradient x input and integrated gradients: sums over the channels, red for the class and
/// blue against it, zero white. Guided backpropagation, the deconvnet and guided Grad-CAM: in the picture's
/// own colours with zero in mid-grey (magnitudes where the input has other than 1 or 3 channels). Values
/// beyond the percentile of all magnitudes have the last colour. Throws ShapeError.
[[nodiscard]] inline io::Image attribution_picture(TensorView<const float, Cpu> values,
                                                   AttributionMethod method,
                                                   io::ChannelOrder order = io::ChannelOrder::rgb,
                                                   double percentile = 99) {
  if (pixel_ranking_of(method) == PixelRanking::sum) {
    const auto plane = attribution_plane(values, PixelRanking::sum);
    return coloured(plane, symmetric_range(plane.span(), percentile), ColourMap::diverging);
  }
  const bool magnitudes = method == AttributionMethod::saliency || method == AttributionMethod::smoothgrad;
  if (!magnitudes && (values[0] == 1 || values[0] == 3))
    return stretched_about_zero(values, order, percentile);
  const auto plane = attribution_plane(values, PixelRanking::magnitude);
  const float most = symmetric_range(plane.span(), percentile).high;
  return coloured(plane, {0, most > 0 ? most : 1});
}

/// What one method's curves are called and are; several images' curves of equal steps are averaged.
struct NamedCurves {
  std::string name;
  std::vector<PerturbationCurve> deletion, insertion;
};

/// Two plots, deletion above insertion, with a line a method and its area in the legend. `note` stands below
/// the titles. Throws ArgumentError when curves of one method have different numbers of points.
[[nodiscard]] inline std::vector<Plot> perturbation_plots(std::span<const NamedCurves> methods,
                                                          const std::string& note = {}) {
  std::vector<Plot> plots(2);
  for (const bool insertion : {false, true}) {
    Plot& plot = plots[insertion ? 1 : 0];
    plot.title = insertion ? "Insertion: the area should be large" : "Deletion: the area should be small";
    plot.note = note;
    plot.x = {.label = insertion ? "pixels put in" : "pixels taken away", .unit = "%", .low = 0, .high = 100};
    plot.y = {.label = "probability", .low = 0};
    plot.height = 360;
    for (const NamedCurves& method : methods) {
      const auto& curves = insertion ? method.insertion : method.deletion;
      require<ArgumentError>(!curves.empty(), "a method without curves: ", method.name);
      Series series;
      double area = 0;
      const auto count = static_cast<double>(curves.size());
      series.y.assign(curves.front().shares.size(), 0);
      for (const double share : curves.front().shares) series.x.push_back(100 * share);
      for (const PerturbationCurve& curve : curves) {
        require<ArgumentError>(curve.probabilities.size() == series.y.size(), "curves of ", method.name,
                               " have ", series.y.size(), " and ", curve.probabilities.size(), " points");
        for (std::size_t i = 0; i < series.y.size(); ++i) series.y[i] += curve.probabilities[i] / count;
        area += curve.area / count;
      }
      const auto thousandths = static_cast<Index>(std::lround(area * 1000));
      std::string digits = std::to_string(thousandths % 1000);
      digits.insert(0, 3 - digits.size(), '0');
      series.name = method.name + " " + std::to_string(thousandths / 1000) + "." + digits;
      series.dashed = method.name == "random";
      if (series.dashed) series.colour = Rgb{128, 128, 128};
      plot.series.push_back(std::move(series));
    }
  }
  return plots;
}

}  // namespace deconv::viz
