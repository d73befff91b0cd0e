#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>
#include <vector>

#include "deconv/analysis/filters.hpp"
#include "deconv/analysis/projection.hpp"
#include "deconv/nn/network.hpp"
#include "deconv/nn/receptive_field.hpp"

// How much of what a second layer's units show in the image is finer than the grid on which they see it.
// Source: Zeiler and Fergus 2013, section 4.1 and Fig. 6 (d), where AlexNet's stride of 4 leaves such
// patterns; the paper judges by eye, the number is ours.
namespace deconv {

struct AliasingOptions {
  std::string layer;  ///< whose units are projected; empty: second_convolution, rectified
  /// Frequencies above this count, in cycles a pixel; 0: the limit of the layer's own input grid, half a
  /// cycle a step of it.
  double limit = 0;
  Index maps = 0;  ///< the strongest unit of each of so many maps an image, those with the largest; 0: of all
  double low_below = 1.0 / 6, high_from = 1.0 / 3;  ///< bands of frequency as in FilterOptions
  ProjectionOptions projection;
};

/// What was met in all projections, those without energy left out. Shares are means over projections.
struct AliasingReport {
  std::string layer;
  Index jump = 0;    ///< input pixels from one row that the layer reads to the next, pools included
  double limit = 0;  ///< cycles a pixel
  Index projections = 0;
  /// Share of a projection's energy at frequencies that lie above the limit along either axis: a grid of
  /// every `jump`th pixel takes them for lower ones.
  double above = std::numeric_limits<double>::quiet_NaN();
  double low = 0, middle = 0, high = 0;  ///< shares of the bands, by the radius of the frequency
};

/// The convolution that comes behind the first one: the first whose way down to first_convolution has
/// rectifiers, pools, normalisations and pass-throughs alone. Throws ArgumentError when there is none.
[[nodiscard]] inline std::string second_convolution(const Topology& topology) {
  const std::string first = first_convolution(topology);
  const auto& steps = topology.steps();
  const auto& nodes = topology.graph().nodes;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    if (!std::holds_alternative<node::Conv2d>(nodes[i].params)) continue;
    std::size_t tensor = steps[i].inputs[0];
    for (;;) {
      const std::size_t before = topology.producer(tensor);
      if (before == Topology::no_producer) break;
      if (nodes[before].name == first) return nodes[i].name;
      if (std::holds_alternative<node::Conv2d>(nodes[before].params) || steps[before].inputs.size() != 1)
        break;
      tensor = steps[before].inputs[0];
    }
  }
  raise<ArgumentError>("the network has no convolution behind ", quoted(first));
}

/// The shares of one projection's energy: C x H x W pixels.
struct EnergyShares {
  double low = 0, middle = 0, high = 0, above = 0;
  bool any = false;  ///< there was energy at all
};
template <class T>
[[nodiscard]] EnergyShares energy_shares(TensorView<const T, Cpu> pixels, double limit,
                                         const AliasingOptions& options = {}) {
  require<ShapeError>(pixels.rank() == 3 && pixels.row_major(), "pixels are C x H x W, met ", pixels.shape());
  const Index height = pixels[1], width = pixels[2];
  const detail::PlaneSpectrum spectrum(std::max<Index>({32, height, width}));
  EnergyShares shares;
  for (Index c = 0; c < pixels[0]; ++c)
    spectrum.energies(pixels.data() + c * height * width, height, width,
                      [&](double fy, double fx, double energy) {
                        const double radius = std::hypot(fy, fx);
                        (radius < options.low_below   ? shares.low
                         : radius < options.high_from ? shares.middle
                                                      : shares.high) += energy;
                        // What lies on the limit itself can still be told from its mirror.
                        if (std::max(fy, fx) > limit + 1e-9) shares.above += energy;
                      });
  const double total = shares.low + shares.middle + shares.high;
  shares.any = total > 0 && std::isfinite(total);
  if (!shares.any) return {};
  shares.low /= total, shares.middle /= total, shares.high /= total, shares.above /= total;
  return shares;
}

/// Takes batches of images and measures the projections of one layer.
///
///   AliasingMeasure<float, Cpu> measure(network);
///   while (...) measure.add(context, images);
///   measure.report().above
///
/// It refers to the network, which must outlive it.
template <class T, Device D>
class AliasingMeasure {
 public:
  /// Throws ArgumentError for an unknown layer, or one that is no plane or does not move over the input.
  explicit AliasingMeasure(const Network<T, D>& network, AliasingOptions options = {})
      : network_(network), options_(std::move(options)) {
    const Topology& topology = network.topology();
    const std::string conv = options_.layer.empty() ? second_convolution(topology) : options_.layer;
    const std::size_t tensor = topology.find_rectified(conv);
    report_.layer = topology.name(tensor);
    // Down to the layer that computes: what it reads is the grid.
    std::size_t below = topology.find(conv);
    for (std::size_t node = topology.producer(below); node != Topology::no_producer;
         node = topology.producer(below)) {
      below = topology.steps()[node].inputs[0];
      if (std::holds_alternative<node::Conv2d>(topology.graph().nodes[node].params)) break;
    }
    const Footprint seen =
        receptive_field(topology.graph(), topology.name(below), topology.graph().inputs[0].name);
    const Footprint own = receptive_field(topology.graph(), report_.layer, topology.graph().inputs[0].name);
    require<ArgumentError>(!own.whole && !seen.whole && seen.y.divisor == 1, "layer ", quoted(report_.layer),
                           ": one that moves over the image wanted");
    report_.jump = std::max(seen.y.jump, seen.x.jump);
    report_.limit = options_.limit > 0 ? options_.limit : 0.5 / static_cast<double>(report_.jump);
  }

  /// Projects the strongest units of each image, N x C x H x W. Throws ShapeError. Cost: a forward pass to
  /// the layer, a projection and a Fourier transform a unit. Memory: the batch's activations.
  void add(const Context<D>& context, TensorView<const T, Cpu> images) {
    ForwardOptions forward = ForwardOptions::only({report_.layer});
    forward.reverse = options_.projection.reverse;
    forward.up_to = report_.layer;
    const auto trace = [&] {
      if constexpr (std::same_as<D, Cpu>)
        return network_.forward(context, images, forward);
      else
        return network_.forward(context, to_device(context, images), forward);
    }();
    const Index maps = trace.shape(report_.layer)[1];
    std::vector<Index> all(static_cast<std::size_t>(maps));
    std::iota(all.begin(), all.end(), Index{0});
    for (Index n = 0; n < images[0]; ++n) {
      const auto units = strongest_units<T, D>(context, trace, report_.layer, n, all);
      auto projections = project<T, D>(network_, context, trace, report_.layer, units, options_.projection);
      std::stable_sort(projections.begin(), projections.end(),
                       [](const auto& a, const auto& b) { return a.activation > b.activation; });
      if (options_.maps > 0 && static_cast<Index>(projections.size()) > options_.maps)
        projections.resize(static_cast<std::size_t>(options_.maps));
      for (const auto& projection : projections) {
        const EnergyShares shares = energy_shares<T>(projection.pixels.view(), report_.limit, options_);
        if (!shares.any) continue;
        ++report_.projections;
        low_ += shares.low, middle_ += shares.middle, high_ += shares.high, above_ += shares.above;
      }
    }
  }

  [[nodiscard]] AliasingReport report() const {
    AliasingReport result = report_;
    if (result.projections == 0) return result;
    const auto count = static_cast<double>(result.projections);
    result.low = low_ / count, result.middle = middle_ / count, result.high = high_ / count;
    result.above = above_ / count;
    return result;
  }

 private:
  const Network<T, D>& network_;
  AliasingOptions options_;
  AliasingReport report_;
  double low_ = 0, middle_ = 0, high_ = 0, above_ = 0;
};

}  // namespace deconv
