#pragma once

#include <algorithm>
#include <cmath>
#include <complex>
#include <cstddef>
#include <numbers>
#include <string>
#include <variant>
#include <vector>

#include "deconv/core/parallel.hpp"
#include "deconv/core/tensor.hpp"
#include "deconv/nn/topology.hpp"

// What a convolution's filters look like in numbers: how strong they are, which are dead or dominate, and
// which frequencies they see. Zeiler and Fergus 2013, section 4.1 and Fig. 6, judge a first layer by these.
namespace deconv {

/// The name of the convolution that reads the images: the first one whose input leads to the graph's first
/// input through padding, batch normalisation and pass-throughs alone. Its filters are "<name>.weight".
/// Throws ArgumentError when there is none.
[[nodiscard]] inline std::string first_convolution(const Topology& topology) {
  const auto& steps = topology.steps();
  const auto& nodes = topology.graph().nodes;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    if (!std::holds_alternative<node::Conv2d>(nodes[i].params)) continue;
    std::size_t tensor = steps[i].inputs[0];
    while (topology.producer(tensor) != Topology::no_producer) {
      const std::size_t before = topology.producer(tensor);
      const node::Params& params = nodes[before].params;
      if (!std::holds_alternative<node::Pad2d>(params) && !std::holds_alternative<node::BatchNorm>(params) &&
          !std::holds_alternative<node::Dropout>(params) && !std::holds_alternative<node::Identity>(params))
        break;
      tensor = steps[before].inputs[0];
    }
    if (tensor == topology.input(0)) return nodes[i].name;
  }
  raise<ArgumentError>("the network has no convolution that reads its input");
}

struct FilterOptions {
  /// A filter is dead when its RMS is below this share of the layer's median RMS.
  double dead_below = 0.1;
  /// A filter dominates when its RMS is above this multiple of the layer's median RMS.
  double dominating_above = 3.0;
  /// Where the bands of spatial frequency meet, in cycles a pixel. The highest along an axis is 0.5, along
  /// the diagonal 0.707.
  double low_below = 1.0 / 6, high_from = 1.0 / 3;
};

/// One filter in numbers.
struct FilterStatistics {
  double rms = 0;  ///< root of the mean square of all its weights (what the paper limits to 0.1)
  bool dead = false, dominating = false;  ///< FilterOptions' criteria
  /// Shares of the filter's energy in the three bands of frequency, all channels together; they sum to 1,
  /// or are 0 for a filter without energy.
  double low = 0, middle = 0, high = 0;
};

struct FilterReport {
  std::vector<FilterStatistics> filters;
  double median_rms = 0;
  /// The numbers of dead and dominating filters.
  std::vector<Index> dead, dominating;
};

namespace detail {

/// Root of the mean square, scaled so that no square overflows.
inline double root_mean_square(const float* values, Index count) {
  double sum = 0;
  for (Index i = 0; i < count; ++i) sum += static_cast<double>(values[i]) * static_cast<double>(values[i]);
  return std::sqrt(sum / static_cast<double>(count));
}

/// The discrete Fourier transform of planes on a grid of `size` x `size` frequencies (a plane stands in
/// zeros), columns after rows. The grid is fine enough that a 3 x 3 filter is not judged by three frequencies
/// alone.
struct PlaneSpectrum {
  explicit PlaneSpectrum(Index grid) : size(grid) {
    for (Index i = 0; i < size; ++i)
      turn.push_back(
          std::polar(1.0, -2 * std::numbers::pi * static_cast<double>(i) / static_cast<double>(size)));
  }
  /// Calls `each(fy, fx, energy)` for every frequency, fy and fx in cycles a pixel from 0 to 0.5.
  template <class T, class Each>
  void energies(const T* plane, Index height, Index width, const Each& each) const {
    std::vector<std::complex<double>> rows(static_cast<std::size_t>(height * size));
    for (Index y = 0; y < height; ++y)
      for (Index f = 0; f < size; ++f)
        for (Index x = 0; x < width; ++x)
          rows[static_cast<std::size_t>(y * size + f)] +=
              static_cast<double>(plane[y * width + x]) * turn[static_cast<std::size_t>(f * x % size)];
    const auto frequency = [&](Index f) {
      return static_cast<double>(std::min(f, size - f)) / static_cast<double>(size);
    };
    for (Index fx = 0; fx < size; ++fx)
      for (Index fy = 0; fy < size; ++fy) {
        std::complex<double> sum = 0;
        for (Index y = 0; y < height; ++y)
          sum +=
              rows[static_cast<std::size_t>(y * size + fx)] * turn[static_cast<std::size_t>(fy * y % size)];
        each(frequency(fy), frequency(fx), std::norm(sum));
      }
  }
  Index size;
  std::vector<std::complex<double>> turn;
};

}  // namespace detail

/// Strength and frequency content of the filters K x C x R x S of a convolution. Throws ShapeError unless the
/// weights have rank 4 and an element, ArgumentError for options out of order or filters of more than 1024
/// rows or columns. Cost: about 1024 * (R + R * S / 32) complex multiply-adds a filter and channel.
[[nodiscard]] inline FilterReport analyse_filters(const Context<Cpu>& context,
                                                  TensorView<const float, Cpu> weights,
                                                  const FilterOptions& options = {}) {
  require<ShapeError>(weights.rank() == 4 && weights.count() > 0 && weights.row_major(),
                      "filters are K x C x R x S, met ", weights.shape());
  require<ArgumentError>(options.dead_below >= 0 && options.dominating_above >= options.dead_below &&
                             options.low_below >= 0 && options.high_from >= options.low_below,
                         "filter criteria out of order: dead below ", options.dead_below,
                         ", dominating above ", options.dominating_above, ", low below ", options.low_below,
                         ", high from ", options.high_from);
  const Index channels = weights[1], height = weights[2], width = weights[3];
  constexpr Index largest = 1024;
  require<ArgumentError>(height <= largest && width <= largest, "filters of at most ", largest, "x", largest,
                         " are analysed, met ", weights.shape());
  FilterReport report;
  report.filters.resize(static_cast<std::size_t>(weights[0]));
  const Index each = channels * height * width;
  parallel_for(context, weights[0], [&](Index k) {
    FilterStatistics& filter = report.filters[static_cast<std::size_t>(k)];
    filter.rms = detail::root_mean_square(weights.data() + k * each, each);
    const detail::PlaneSpectrum spectrum(std::max<Index>({32, height, width}));
    for (Index c = 0; c < channels; ++c)
      spectrum.energies(weights.data() + k * each + c * height * width, height, width,
                        [&](double fy, double fx, double energy) {
                          const double radius = std::hypot(fy, fx);
                          (radius < options.low_below   ? filter.low
                           : radius < options.high_from ? filter.middle
                                                        : filter.high) += energy;
                        });
    const double total = filter.low + filter.middle + filter.high;
    if (!(total > 0)) return;
    filter.low /= total, filter.middle /= total, filter.high /= total;
  });
  std::vector<double> sorted;
  for (const FilterStatistics& filter : report.filters) sorted.push_back(filter.rms);
  std::sort(sorted.begin(), sorted.end());
  report.median_rms = (sorted[(sorted.size() - 1) / 2] + sorted[sorted.size() / 2]) / 2;
  for (std::size_t k = 0; k < report.filters.size(); ++k) {
    FilterStatistics& filter = report.filters[k];
    filter.dead = filter.rms == 0 || filter.rms < options.dead_below * report.median_rms;
    filter.dominating = filter.rms > options.dominating_above * report.median_rms;
    if (filter.dead) report.dead.push_back(static_cast<Index>(k));
    if (filter.dominating) report.dominating.push_back(static_cast<Index>(k));
  }
  return report;
}

}  // namespace deconv
