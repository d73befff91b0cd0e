#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "deconv/analysis/input_regularisers.hpp"
#include "deconv/analysis/maximisation_options.hpp"
#include "deconv/core/random.hpp"
#include "deconv/core/transfer.hpp"
#include "deconv/nn/reverse.hpp"
#include "deconv/nn/score_tensor.hpp"

// What a feature map or a class wants to see: an input that excites it, made by gradient ascent.
// Sources: Erhan et al., "Visualizing higher-layer features of a deep network", 2009 (the method); Simonyan
// et al., "Deep inside convolutional networks", ICLR workshop 2014, section 2 (classes, before softmax, with
// L2); Yosinski et al. 2015 and Mahendran and Vedaldi 2015 (see input_regularisers.hpp); Mordvintsev et al.,
// "Inceptionism", 2015 (jitter, normalised steps).
namespace deconv {

namespace detail {

/// Ascent of one batch of units.
template <class T, Device D>
class Ascent {
 public:
  Ascent(const Network<T, D>& network, const Context<D>& context, const std::string& layer,
         const MaximisationOptions& options, const Shape& planes)
      : network_(network),
        context_(context),
        topology_(network.topology()),
        layer_(topology_.name(topology_.find(layer))),
        input_(network.graph().inputs[0].name),
        options_(options),
        planes_(planes) {
    how_ = ForwardOptions::only({layer_});
    how_.up_to = layer_;
    how_.reverse = ReverseOptions::gradient();
  }

  std::vector<MaximisedInput<T>> run(std::span<const Index> maps, Index first, TensorView<const T, Cpu> start,
                                     const MaximisationWatcher<T>& watch) {
    const Index rows = static_cast<Index>(maps.size()), each = planes_.count();
    auto inputs = Tensor<T, Cpu>::filled({rows, planes_[0], planes_[1], planes_[2]}, T(0));
    std::vector<MaximisedInput<T>> results(maps.size());
    for (Index r = 0; r < rows; ++r) {
      results[static_cast<std::size_t>(r)].map = maps[static_cast<std::size_t>(r)];
      T* row = inputs.data() + r * each;
      // Each map has random numbers of its own, whatever is made beside it.
      const Random noise(options_.seed, 2 * static_cast<std::uint64_t>(maps[static_cast<std::size_t>(r)]));
      if (!start.empty()) std::copy_n(start.data(), each, row);
      if (start.empty()) from_rest(row, 1);
      const double deviation = options_.noise * options_.pixel_deviation;
      for (Index i = 0; deviation > 0 && i < each; ++i)
        row[i] +=
            static_cast<T>(deviation * static_cast<double>(noise.normal(static_cast<std::uint64_t>(i))));
      clamp(row);
    }
    std::vector<double> objectives(maps.size());
    const auto tell = [&](Index step) {
      for (std::size_t r = 0; r < results.size(); ++r) results[r].objective.push_back(objectives[r]);
      if (watch) watch({first, step, objectives, inputs.view()});
    };
    for (Index step = 0; step < options_.steps; ++step) {
      const auto shifts = shifts_of(maps, step);
      auto gradient = gradient_at(moved(inputs, shifts, 1), maps, objectives);
      if (options_.jitter > 0) gradient = moved(gradient, shifts, -1);
      tell(step);
      for (Index r = 0; r < rows; ++r)
        climb(inputs.data() + r * each, gradient.data() + r * each, maps[static_cast<std::size_t>(r)], step);
    }
    read(inputs, maps, objectives);
    tell(options_.steps);
    for (Index r = 0; r < rows; ++r) {
      auto& input = results[static_cast<std::size_t>(r)].input;
      input = Tensor<T, Cpu>(planes_);
      std::copy_n(inputs.data() + r * each, each, input.data());
    }
    return results;
  }

 private:
  using Shifts = std::vector<std::pair<Index, Index>>;

  [[nodiscard]] Shifts shifts_of(std::span<const Index> maps, Index step) const {
    Shifts shifts;
    const auto range = static_cast<std::uint64_t>(2 * options_.jitter + 1);
    for (const Index map : maps) {
      const Random random(options_.seed, 2 * static_cast<std::uint64_t>(map) + 1);
      const auto draw = [&](std::uint64_t which) {
        return static_cast<Index>(random.below(2 * static_cast<std::uint64_t>(step) + which, range)) -
               options_.jitter;
      };
      shifts.emplace_back(draw(0), draw(1));
    }
    return shifts;
  }

  [[nodiscard]] Tensor<T, Cpu> moved(const Tensor<T, Cpu>& batch, const Shifts& shifts, Index sign) const {
    if (options_.jitter == 0) return batch.clone();
    Tensor<T, Cpu> result(batch.shape());
    const Index each = planes_.count();
    for (std::size_t r = 0; r < shifts.size(); ++r) {
      const Index at = static_cast<Index>(r) * each;
      const auto row = rolled<T>(TensorView<const T, Cpu>(batch.data() + at, planes_), sign * shifts[r].first,
                                 sign * shifts[r].second);
      std::copy_n(row.data(), each, result.data() + at);
    }
    return result;
  }

  Trace<T, D> forward(const Tensor<T, Cpu>& inputs, const ForwardOptions& how) const {
    if constexpr (std::same_as<D, Cpu>)
      return network_.forward(context_, inputs.view(), how);
    else
      return network_.forward(context_, to_device(context_, inputs.view()), how);
  }
  [[nodiscard]] Tensor<T, Cpu> on_host(const Trace<T, D>& trace) const {
    auto plain = trace.activation(context_, layer_);
    if constexpr (std::same_as<D, Cpu>)
      return plain;
    else
      return to_host(context_, plain.view());
  }

  /// Reads the maps' numbers, and where `signal` is wanted sets there what each position counts.
  void numbers(const Tensor<T, Cpu>& activation, std::span<const Index> maps, std::vector<double>& objectives,
               Tensor<T, Cpu>* signal) const {
    const Shape& shape = activation.shape();
    const bool spatial = shape.rank() == 4;
    const Index height = spatial ? shape[2] : 1, width = spatial ? shape[3] : 1, positions = height * width;
    const bool centre = options_.reading == MapReading::centre;
    const Index middle = height / 2 * width + width / 2;
    const double weight = options_.reading == MapReading::mean ? 1.0 / static_cast<double>(positions) : 1.0;
    for (std::size_t r = 0; r < maps.size(); ++r) {
      const Index at = (static_cast<Index>(r) * shape[1] + maps[r]) * positions;
      double sum = 0;
      for (Index i = centre ? middle : 0; i < (centre ? middle + 1 : positions); ++i) {
        sum += static_cast<double>(activation.data()[at + i]);
        if (signal != nullptr) signal->data()[at + i] = static_cast<T>(weight);
      }
      objectives[r] = sum * weight;
    }
  }

  void read(const Tensor<T, Cpu>& inputs, std::span<const Index> maps,
            std::vector<double>& objectives) const {
    ForwardOptions how = how_;
    how.reverse.reset();
    numbers(on_host(forward(inputs, how)), maps, objectives, nullptr);
  }

  [[nodiscard]] Tensor<T, Cpu> gradient_at(const Tensor<T, Cpu>& inputs, std::span<const Index> maps,
                                           std::vector<double>& objectives) const {
    const auto trace = forward(inputs, how_);
    const auto activation = on_host(trace);
    auto signal = Tensor<T, Cpu>::filled(activation.shape(), T(0));
    numbers(activation, maps, objectives, &signal);
    const auto pass = [&](TensorView<const T, D> seed) {
      return reverse<T, D>(network_, context_, trace, layer_, seed, input_, ReverseOptions::gradient());
    };
    if constexpr (std::same_as<D, Cpu>)
      return pass(signal.view());
    else
      return to_host(context_, pass(to_device(context_, signal.view()).view()).view());
  }

  void clamp(T* row) const {
    if (options_.lowest.empty()) return;
    const bool whole = static_cast<Index>(options_.lowest.size()) == planes_.count();
    const Index positions = planes_[1] * planes_[2];
    for (Index i = 0; i < planes_.count(); ++i) {
      const auto k = static_cast<std::size_t>(whole ? i : i / positions);
      row[i] = std::clamp(row[i], static_cast<T>(options_.lowest[k]), static_cast<T>(options_.highest[k]));
    }
  }

  /// Adds the input at rest, or takes it away.
  void from_rest(T* row, int sign) const {
    const Index positions = planes_[1] * planes_[2];
    for (std::size_t c = 0; c < options_.rest.size(); ++c)
      for (Index i = 0; i < positions; ++i)
        row[static_cast<Index>(c) * positions + i] += static_cast<T>(options_.rest[c]) * static_cast<T>(sign);
  }

  void climb(T* row, const T* gradient, Index map, Index step) const {
    from_rest(row, -1);
    const Index each = planes_.count();
    const TensorView<T, Cpu> x(row, planes_);
    const TensorView<const T, Cpu> slope(gradient, planes_);
    double square = 0;
    for (const T g : slope.span()) square += static_cast<double>(g) * static_cast<double>(g);
    const double rms = std::sqrt(square / static_cast<double>(each));
    Tensor<T, Cpu> variation;
    if (options_.total_variation > 0) variation = total_variation_gradient<T>(x);
    // Where nothing excites the map there is no way up: a step of noise looks for one.
    const bool lost = !(rms > 0);
    const double step_size = options_.step_size * options_.pixel_deviation;
    const Random search(options_.seed ^ 0x9e3779b97f4a7c15u, static_cast<std::uint64_t>(map));
    for (Index i = 0; i < each; ++i) {
      double way = lost ? static_cast<double>(search.normal(static_cast<std::uint64_t>(step * each + i)))
                        : static_cast<double>(gradient[i]) / rms;
      if (options_.total_variation > 0)
        way -= options_.total_variation * static_cast<double>(variation.data()[i]);
      row[i] = static_cast<T>((static_cast<double>(row[i]) + step_size * way) * (1 - options_.l2_decay));
    }
    if (options_.blur > 0 && (step + 1) % options_.blur_every == 0) gaussian_blur<T>(x, options_.blur);
    if ((step + 1) % options_.clip_every == 0) {
      if (options_.clip_norm > 0) clip_small_norms<T>(x, options_.clip_norm);
      if (options_.clip_contribution > 0) clip_small_contributions<T>(x, slope, options_.clip_contribution);
    }
    from_rest(row, 1);
    clamp(row);
  }

  const Network<T, D>& network_;
  const Context<D>& context_;
  const Topology& topology_;
  std::string layer_, input_;
  const MaximisationOptions& options_;
  Shape planes_;
  ForwardOptions how_;
};

/// C x H x W of the inputs: the start's, or the graph's own.
template <class T, Device D>
[[nodiscard]] Shape maximised_planes(const Network<T, D>& network, const Shape& start) {
  const auto& inputs = network.graph().inputs;
  require<ArgumentError>(inputs.size() == 1, "maximise: a network with one input wanted, met ",
                         inputs.size());
  const Shape& own = inputs[0].shape;
  require<ShapeError>(own.rank() == 4, "maximise: a network whose input is N x C x H x W wanted, met ", own);
  if (start.rank() > 0) {
    require<ShapeError>(start.rank() == 3 && start.count() > 0, "maximise: a start C x H x W wanted, met ",
                        start);
    return start;
  }
  require<ArgumentError>(own[1] > 0 && own[2] > 0 && own[3] > 0, "maximise: the network's input ", own,
                         " has no size of its own; a start image wanted");
  return {own[1], own[2], own[3]};
}

}  // namespace detail

/// About how many bytes maximise_activations holds at most: for each unit of a batch the tensors up to the
/// layer and their signals, and a few inputs. `start` as there.
template <class T, Device D>
[[nodiscard]] std::size_t maximisation_bytes(const Network<T, D>& network, const std::string& layer,
                                             Index units, const MaximisationOptions& options = {},
                                             const Shape& start = {}) {
  const Shape planes = detail::maximised_planes(network, start);
  const Topology& topology = network.topology();
  const std::size_t last = topology.find(layer);
  const Index rows = std::clamp<Index>(units, 1, std::max<Index>(1, options.batch));
  const auto shapes = network.shapes_for({{rows, planes[0], planes[1], planes[2]}});
  std::vector<bool> needed(topology.tensor_count(), false);
  needed[last] = true;
  const auto& steps = topology.steps();
  for (std::size_t i = steps.size(); i-- > 0;) {
    bool wanted = false;
    for (const std::size_t output : steps[i].outputs) wanted = wanted || needed[output];
    for (const std::size_t input : steps[i].inputs) needed[input] = needed[input] || wanted;
  }
  Index kept = 0, largest = 0;
  for (std::size_t t = 0; t < shapes->size(); ++t)
    if (needed[t]) {
      kept += (*shapes)[t].count();
      largest = std::max(largest, (*shapes)[t].count());
    }
  return static_cast<std::size_t>(kept + 2 * largest + 6 * rows * planes.count()) * sizeof(T);
}

/// Inputs that excite the given maps of a layer, one a map, made from noise, the mean image or `start` (C x H
/// x W, as the network takes it; also gives the inputs their size) by steps along the gradient of the map's
/// number, each followed by the regularisers in this order: total variation (part of the step), L2 decay,
/// blur, clipping, clamping. Maps of a tensor N x F are its units. Where a map's gradient is zero its input
/// takes a step of noise instead. `watch` is called before each step and after the last. The same seed gives
/// the same bits on the same device and thread count, in batches of the same units. Throws ArgumentError and
/// ShapeError for unknown layers, maps that a layer lacks, and options out of range. Memory:
/// maximisation_bytes, whatever the number of maps and steps, and the results. Cost: a forward and a reverse
/// pass a step and map; the regularisers run on the host.
template <class T, Device D>
std::vector<MaximisedInput<T>> maximise_activations(const Network<T, D>& network, const Context<D>& context,
                                                    const std::string& layer, std::span<const Index> maps,
                                                    const MaximisationOptions& options = {},
                                                    std::type_identity_t<TensorView<const T, Cpu>> start = {},
                                                    const MaximisationWatcher<T>& watch = {}) {
  const Shape planes = detail::maximised_planes(network, start.empty() ? Shape{} : start.shape());
  detail::check_maximisation(options, planes);
  const Topology& topology = network.topology();
  const std::size_t tensor = topology.find(layer);
  const Shape shape = (*network.shapes_for({{1, planes[0], planes[1], planes[2]}}))[tensor];
  require<ArgumentError>((shape.rank() == 4 || shape.rank() == 2) && shape[0] == 1, "maximise: layer ",
                         quoted(layer), " of shape ", shape, " has no maps");
  require<ArgumentError>(!maps.empty(), "maximise: at least one map wanted");
  for (const Index map : maps)
    require<ArgumentError>(map >= 0 && map < shape[1], "maximise: layer ", quoted(layer), " has maps 0 to ",
                           shape[1] - 1, ", met ", map);
  detail::Ascent<T, D> ascent(network, context, layer, options, planes);
  std::vector<MaximisedInput<T>> results;
  for (std::size_t first = 0; first < maps.size(); first += static_cast<std::size_t>(options.batch)) {
    const std::size_t count = std::min(maps.size() - first, static_cast<std::size_t>(options.batch));
    for (auto& result : ascent.run(maps.subspan(first, count), static_cast<Index>(first), start, watch))
      results.push_back(std::move(result));
  }
  return results;
}

/// The same for classes: raises their scores before softmax, so that an input cannot be made by lowering the
/// other classes' scores (Simonyan et al. 2014).
template <class T, Device D>
std::vector<MaximisedInput<T>> maximise_classes(const Network<T, D>& network, const Context<D>& context,
                                                std::span<const Index> classes,
                                                const MaximisationOptions& options = {},
                                                std::type_identity_t<TensorView<const T, Cpu>> start = {},
                                                const MaximisationWatcher<T>& watch = {}) {
  return maximise_activations<T, D>(network, context, score_tensor(network.topology()), classes, options,
                                    start, watch);
}

}  // namespace deconv
