#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "deconv/analysis/batch_passes.hpp"
#include "deconv/analysis/projection.hpp"
#include "deconv/analysis/top_activations.hpp"
#include "deconv/core/transfer.hpp"
#include "deconv/nn/reverse_state.hpp"

namespace deconv {

/// One feature map with the units that excite it most, each projected to the input.
template <class T>
struct Feature {
  std::string layer;
  Index map = 0;
  std::vector<Hit<T>> hits;                ///< strongest first
  std::vector<Projection<T>> projections;  ///< in the hits' order
};

struct FeatureOptions {
  std::size_t top = 9;
  ProjectionOptions projection;
  /// Memory for what projections need of the images that hold hits (for the deconvnet one byte a pooled
  /// output). Images beyond it go through the network a second time.
  std::size_t state_bytes = std::size_t{160} << 20;
  /// Memory for projections on their way to `emit`.
  std::size_t result_bytes = std::size_t{32} << 20;
  /// Told after each batch and each group of projections: units of work done and in all (0: not known), and
  /// the phase's name.
  std::function<void(std::string_view phase, std::int64_t done, std::int64_t total)> progress;
  /// Told when an image is no longer, or not yet, in any hit: its picture need not be kept. An image of
  /// which it is told true is one of the last two batches that the stream gave.
  std::function<void(std::int64_t number, bool in_use)> image_use;
};

namespace detail {

/// features() in progress.
template <class T, Device D>
class FeatureRun {
 public:
  FeatureRun(const Network<T, D>& network, const Context<D>& context, std::vector<MapSelection> selections,
             const ImageStream<T>& stream, const std::function<void(Feature<T>)>& emit,
             const FeatureOptions& options)
      : network_(network),
        context_(context),
        stream_(stream),
        emit_(emit),
        options_(options),
        top_(network, std::move(selections), options.top),
        forward_(top_.forward_options(options.projection.reverse)) {}

  void run() {
    take_in_all();
    std::int64_t total = 0, projected = 0;
    for (std::size_t s = 0; s < top_.selections().size(); ++s)
      for (std::size_t k = 0; k < top_.selections()[s].maps.size(); ++k)
        total += static_cast<std::int64_t>(top_.hits(s, k).size());
    for (std::size_t s = 0; s < top_.selections().size(); ++s) project_selection(s, projected, total);
  }

 private:
  void take_in_all() {
    BatchPasses<T, D> passes(network_, context_, stream_, top_, forward_);
    std::int64_t done = 0;
    while (const BatchPass<T, D>* pass = passes.next()) {
      take_in(*pass);
      done += static_cast<std::int64_t>(pass->numbers.size());
      if (options_.progress) options_.progress("images", done, 0);
    }
  }

  void take_in(const BatchPass<T, D>& batch) {
    for (const std::int64_t gone : top_.add(context_, *batch.maxima, batch.numbers)) {
      const auto state = states_.find(gone);
      if (state != states_.end()) {
        held_bytes_ -= state->second->bytes();
        states_.erase(state);
      }
      if (options_.image_use) options_.image_use(gone, false);
    }
    for (std::size_t n = 0; n < batch.numbers.size(); ++n) {
      const std::int64_t number = batch.numbers[n];
      if (top_.uses(number) == 0) continue;
      if (options_.image_use) options_.image_use(number, true);
      if (held_bytes_ >= options_.state_bytes) continue;
      auto state = state_of(*batch.trace, static_cast<Index>(n));
      held_bytes_ += state->bytes();
      states_.emplace(number, std::move(state));
    }
  }

  using State = std::shared_ptr<const Trace<T, D>>;

  State state_of(const Trace<T, D>& trace, Index image) const {
    return std::make_shared<const Trace<T, D>>(
        reverse_state(network_, context_, trace, image, top_.tensors(), options_.projection.reverse));
  }

  State state_for(std::int64_t number) const {
    if (const auto found = states_.find(number); found != states_.end()) return found->second;
    const auto image = to_device(context_, stream_.again(number).view());
    return state_of(network_.forward(context_, image.view(), forward_), 0);
  }

  /// Maps of one layer go down in groups, so that passes are full and results stay bounded.
  void project_selection(std::size_t s, std::int64_t& projected, std::int64_t total) {
    const MapSelection& selection = top_.selections()[s];
    const Shape& input = network_.graph().inputs[0].shape;
    const std::size_t result = static_cast<std::size_t>(input.with(0, 1).count()) * sizeof(T);
    const std::size_t group = std::max<std::size_t>(1, options_.result_bytes / result / options_.top);
    for (std::size_t first = 0; first < selection.maps.size(); first += group) {
      const std::size_t last = std::min(first + group, selection.maps.size());
      std::map<std::int64_t, State> states;
      std::vector<TracedUnit<T, D>> units;
      for (std::size_t k = first; k < last; ++k)
        for (const Hit<T>& hit : top_.hits(s, k)) {
          State& state = states[hit.image];
          if (!state) state = state_for(hit.image);
          units.push_back({state.get(), {0, selection.maps[k], hit.y, hit.x}, hit.activation});
        }
      auto projections = project<T, D>(network_, context_, selection.layer, units, options_.projection);
      auto next = projections.begin();
      for (std::size_t k = first; k < last; ++k) {
        Feature<T> feature{selection.layer, selection.maps[k], top_.hits(s, k), {}};
        for (std::size_t i = 0; i < feature.hits.size(); ++i)
          feature.projections.push_back(std::move(*next++));
        projected += static_cast<std::int64_t>(feature.hits.size());
        emit_(std::move(feature));
        if (options_.progress) options_.progress("projections", projected, total);
      }
    }
  }

  const Network<T, D>& network_;
  const Context<D>& context_;
  const ImageStream<T>& stream_;
  const std::function<void(Feature<T>)>& emit_;
  const FeatureOptions& options_;
  TopActivations<T, D> top_;
  ForwardOptions forward_;
  std::map<std::int64_t, State> states_;
  std::size_t held_bytes_ = 0;
};

}  // namespace detail

/// The paper's Fig. 2 for any network and data set: finds the strongest activations of the chosen maps over
/// the stream, one unit an image, and projects each to the input. Features are handed to `emit` one by one,
/// selection by selection, map by map. On a GPU the next batch is decoded and copied while one is computed,
/// and passes over batches of one shape are a recorded CUDA graph. Memory is bounded by the options, whatever
/// the number of images. Throws ArgumentError, ShapeError. Cost: one forward pass an image up to the deepest
/// layer, and a windowed projection a hit. Source: Zeiler and Fergus 2013, section 4.1.
template <class T, Device D>
void features(const Network<T, D>& network, const Context<D>& context, std::vector<MapSelection> selections,
              const ImageStream<T>& stream, const std::function<void(Feature<T>)>& emit,
              const FeatureOptions& options = {}) {
  detail::FeatureRun<T, D>(network, context, std::move(selections), stream, emit, options).run();
}

#if defined(DECONV_COMPILED) && !defined(DECONV_INSTANCES)
// Compiled once elsewhere, see instances/cpu.cpp.
extern template void features<float, Cpu>(const Network<float, Cpu>&, const Context<Cpu>&,
                                          std::vector<MapSelection>, const ImageStream<float>&,
                                          const std::function<void(Feature<float>)>&, const FeatureOptions&);
extern template void features<double, Cpu>(const Network<double, Cpu>&, const Context<Cpu>&,
                                           std::vector<MapSelection>, const ImageStream<double>&,
                                           const std::function<void(Feature<double>)>&,
                                           const FeatureOptions&);
#endif

}  // namespace deconv
