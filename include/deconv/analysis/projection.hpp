#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "deconv/core/transfer.hpp"
#include "deconv/nn/reverse.hpp"
#include "deconv/ops/map_maxima.hpp"
#include "deconv/ops/units.hpp"

namespace deconv {

/// What the one unit that is not zeroed carries down: its own activation (the paper's choice), or 1.
enum class SeedValue : std::uint8_t { activation, one };

struct ProjectionOptions {
  ReverseOptions reverse;
  SeedValue seed_value = SeedValue::activation;
  /// Compute only the unit's receptive field, not whole planes. The values are the same up to rounding.
  bool windows = true;
  /// Units are passed down together, as many as keep the largest tensor on the way under this size.
  std::size_t chunk_bytes = std::size_t{8} << 20;
};

/// A unit projected to the input: the pixels of its receptive field, everything else being zero.
template <class T>
struct Projection {
  Unit unit;
  T activation = 0;
  PlaneBox box;           ///< the receptive field in input pixels; parts of it may lie in the padding
  Tensor<T, Cpu> pixels;  ///< C x box.height() x box.width(); zero outside the image

  /// The projection in its place: C x height x width.
  [[nodiscard]] Tensor<T, Cpu> in_plane(Index height, Index width) const {
    auto plane = Tensor<T, Cpu>::filled({pixels[0], height, width}, T(0));
    const PlaneBox inside = box.clipped(height, width);
    for (Index c = 0; c < pixels[0]; ++c)
      for (Index y = inside.top; y < inside.bottom; ++y)
        std::copy_n(pixels.data() + (c * box.height() + y - box.top) * box.width() + inside.left - box.left,
                    inside.width(), plane.data() + (c * height + y) * width + inside.left);
    return plane;
  }
};

/// A unit of some trace; see project().
template <class T, Device D>
struct TracedUnit {
  const Trace<T, D>* trace = nullptr;
  Unit unit;
  /// The activation to seed with when the trace does not hold the layer's tensor itself.
  std::optional<T> activation;
};

namespace detail {

inline void check_unit(const Shape& shape, const Unit& unit, const std::string& layer) {
  const bool planes = shape.rank() == 4;
  require<ArgumentError>(shape.rank() >= 2 && unit.image >= 0 && unit.image < shape[0] && unit.map >= 0 &&
                             unit.map < shape[1] && unit.y >= 0 && unit.y < (planes ? shape[2] : 1) &&
                             unit.x >= 0 && unit.x < (planes ? shape[3] : 1) && (planes || shape.rank() == 2),
                         "layer ", quoted(layer), " of shape ", shape, " has no unit image ", unit.image,
                         ", map ", unit.map, " at ", unit.y, ",", unit.x);
}

/// Units passed down together: as many as the budget allows, a power of two so that few sizes of pass are
/// compiled.
inline std::size_t units_per_chunk(const std::vector<Shape>& shapes,
                                   const std::vector<ReverseRegion>& regions, std::size_t element,
                                   std::size_t budget) {
  std::size_t largest = 1;
  for (std::size_t t = 0; t < shapes.size(); ++t) {
    if (!regions[t].wanted || shapes[t][0] == 0) continue;
    Shape one = shapes[t].with(0, 1);
    if (!regions[t].whole) one = one.with(2, regions[t].height).with(3, regions[t].width);
    largest = std::max(largest, static_cast<std::size_t>(one.count()) * element);
  }
  return std::bit_floor(std::clamp<std::size_t>(budget / largest, 1, 64));
}

/// The activations of units of one layer: those given, and the others read from their traces.
template <class T, Device D>
std::vector<T> activations_of(const Network<T, D>& network, const Context<D>& context, std::size_t tensor,
                              std::span<const TracedUnit<T, D>> units) {
  std::vector<T> activations(units.size());
  for (std::size_t i = 0; i < units.size();) {
    // Neighbours of one trace are read together.
    std::vector<Unit> together;
    const Trace<T, D>* trace = units[i].trace;
    std::size_t end = i;
    for (; end < units.size() && units[end].trace == trace && !units[end].activation; ++end)
      together.push_back(units[end].unit);
    if (end == i) {
      activations[i] = *units[i].activation;
      ++i;
      continue;
    }
    const auto& held = trace->slot(tensor).view;
    require<ArgumentError>(!held.empty(), "layer ", quoted(network.topology().name(tensor)),
                           " was not kept by the forward pass");
    const auto read = read_units<T, D>(context, held, together);
    std::copy(read.begin(), read.end(), activations.begin() + static_cast<std::ptrdiff_t>(i));
    i = end;
  }
  return activations;
}

/// Copies a row each of the signal that arrived at the input into the results' pixels.
template <class T, Device D>
void take_pixels(const Context<D>& context, const Tensor<T, D>& pixels, std::span<Projection<T>> results) {
  const Shape& shape = pixels.shape();
  const auto place_of = [&](Projection<T>& result) {
    return TensorView<T, Cpu>(result.pixels.data(), shape.with(0, 1));
  };
  if constexpr (std::same_as<D, Cpu>) {
    for (std::size_t i = 0; i < results.size(); ++i)
      copy_layout<T>(context, pixels.view().slice(static_cast<Index>(i), 1), place_of(results[i]));
  } else {
    auto plain = context.template make<T>(shape);
    copy_layout<T>(context, pixels.view(), plain.view());
    const auto host = to_host(context, plain.view());
    const Index count = shape.count() / shape[0];
    for (std::size_t i = 0; i < results.size(); ++i)
      std::copy_n(host.data() + static_cast<Index>(i) * count, count, place_of(results[i]).data());
  }
}

/// The way from a layer down to the graph's first input, for units of that layer.
template <class T, Device D>
class ProjectionWay {
 public:
  ProjectionWay(const Network<T, D>& network, const std::string& layer, const Trace<T, D>& like,
                const ProjectionOptions& options)
      : network_(network),
        layer_(layer),
        options_(options),
        seed_(network.topology().find(layer)),
        input_(network.topology().input(0)) {
    for (std::size_t t = 0; t < network.topology().tensor_count(); ++t)
      shapes_.push_back(like.shape(t).with(0, 1));
    regions_ = reverse_regions(network, shapes_, seed_, {input_}, options.reverse, options.windows);
    require<ArgumentError>(regions_[input_].wanted, "layer ", quoted(layer), " does not depend on the input");
    require<ShapeError>(shapes_[input_].rank() == 4, "projections want images N,C,H,W as input, met ",
                        shapes_[input_]);
  }

  [[nodiscard]] std::size_t seed() const noexcept { return seed_; }
  /// Units that go down together.
  [[nodiscard]] std::size_t units_a_pass(std::size_t left) const {
    const std::size_t chunk = units_per_chunk(shapes_, regions_, sizeof(T), options_.chunk_bytes);
    // On the host each size of pass is compiled, so that they are powers of two to the last.
    return std::min(chunk, std::same_as<D, Cpu> ? std::bit_floor(left) : left);
  }
  /// A unit's receptive field in input pixels, or the whole input.
  [[nodiscard]] PlaneBox box(const Unit& unit) const {
    const ReverseRegion& region = regions_[input_];
    const Index top = region.whole ? 0 : region.top(unit.y), left = region.whole ? 0 : region.left(unit.x);
    return {top, left, top + pixels_shape()[1], left + pixels_shape()[2]};
  }
  /// C x height x width of every unit's pixels.
  [[nodiscard]] Shape pixels_shape() const {
    const ReverseRegion& region = regions_[input_];
    const Shape& plane = shapes_[input_];
    return {plane[1], region.whole ? plane[2] : region.height, region.whole ? plane[3] : region.width};
  }

  /// The signal that arrives at the input, a row a unit, in the working layout. `place(places, signal)` sets
  /// the units at `places` of the otherwise empty signal. Nothing waits unless it does.
  template <class Place>
  [[nodiscard]] Tensor<T, D> down(const Context<D>& context, std::span<const TracedUnit<T, D>> units,
                                  const Place& place) const {
    std::vector<ReverseRow<T, D>> rows;
    std::vector<Unit> places;
    for (std::size_t i = 0; i < units.size(); ++i) {
      const Unit& unit = units[i].unit;
      check_unit(units[i].trace->shape(seed_), unit, layer_);
      rows.push_back({units[i].trace, unit.image, unit.y, unit.x});
      const bool whole = regions_[seed_].whole;
      places.push_back({static_cast<Index>(i), unit.map, whole ? unit.y : 0, whole ? unit.x : 0});
    }
    ReverseRun<T, D> run(network_, context, options_.reverse, rows, regions_);
    const Shape seed_shape = run.signal_shape(seed_);
    auto signal = context.template make<T>(seed_shape, working_layout<D>(seed_shape));
    place(places, signal.view());
    run.seed(seed_, std::move(signal));
    run.run();
    return run.take(input_);
  }

 private:
  const Network<T, D>& network_;
  const std::string& layer_;
  const ProjectionOptions& options_;
  std::size_t seed_, input_;
  std::vector<Shape> shapes_;
  std::vector<ReverseRegion> regions_;
};

}  // namespace detail

/// Projects units of one layer down to the graph's first input, each by itself: all other activations of the
/// layer are set to zero and the signal goes down through unpooling, rectification and transposed filters (or
/// by the rules asked for). Units of any images and traces go together in one pass. The traces hold what the
/// rules read (ForwardOptions::reverse) and, unless given, the layer's activations. Results stand in the
/// order of `units`. Only receptive fields are computed, see ProjectionOptions. Throws ArgumentError for
/// unknown layers or units. Cost: for each unit the multiply-adds of the layers below on its windows. Source:
/// Zeiler and Fergus 2013, section 2.1.
template <class T, Device D>
std::vector<Projection<T>> project(const Network<T, D>& network, const Context<D>& context,
                                   const std::string& layer, std::span<const TracedUnit<T, D>> units,
                                   const ProjectionOptions& options = {}) {
  std::vector<Projection<T>> results(units.size());
  if (units.empty()) return results;
  const detail::ProjectionWay<T, D> way(network, layer, *units.front().trace, options);
  for (std::size_t begin = 0; begin < units.size();) {
    const auto chosen = units.subspan(begin, way.units_a_pass(units.size() - begin));
    for (const auto& unit : chosen) detail::check_unit(unit.trace->shape(way.seed()), unit.unit, layer);
    const auto activations = detail::activations_of<T, D>(network, context, way.seed(), chosen);
    std::vector<T> values;
    for (std::size_t i = 0; i < chosen.size(); ++i) {
      values.push_back(options.seed_value == SeedValue::one ? T(1) : activations[i]);
      Projection<T>& result = results[begin + i];
      result.unit = chosen[i].unit;
      result.activation = activations[i];
      result.box = way.box(result.unit);
      result.pixels = Tensor<T, Cpu>(way.pixels_shape());
    }
    const Tensor<T, D> pixels =
        way.down(context, chosen, [&](std::span<const Unit> places, TensorView<T, D> signal) {
          place_units<T>(context, places, values, signal);
        });
    detail::take_pixels<T, D>(context, pixels, std::span(results).subspan(begin, chosen.size()));
    begin += chosen.size();
  }
  return results;
}

/// Projects units of one trace.
template <class T, Device D>
std::vector<Projection<T>> project(const Network<T, D>& network, const Context<D>& context,
                                   const Trace<T, D>& trace, const std::string& layer,
                                   std::span<const Unit> units, const ProjectionOptions& options = {}) {
  std::vector<TracedUnit<T, D>> traced;
  for (const Unit& unit : units) traced.push_back({&trace, unit, {}});
  return project<T, D>(network, context, layer, traced, options);
}

/// The strongest unit of each of the given maps in one image of a layer's activation (N x C x H x W in either
/// layout, or N x C), in the maps' order; ties go to the first in raster order. `layer` is its name, for
/// messages. From a GPU it waits for the stream. Throws ArgumentError for unknown maps and images.
template <class T, Device D>
std::vector<Unit> strongest_units(const Context<D>& context,
                                  std::type_identity_t<TensorView<const T, D>> activation,
                                  const std::string& layer, Index image, std::span<const Index> maps) {
  for (const Index map : maps) detail::check_unit(activation.shape(), {image, map, 0, 0}, layer);
  std::vector<Unit> units;
  if (maps.empty()) return units;
  const Shape shape{1, static_cast<Index>(maps.size())};
  auto values = context.template make<T>(shape);
  auto places = context.template make<std::int32_t>(shape);
  map_maxima<T>(context, activation.slice(image, 1), maps, values.view(), places.view());
  const auto found = to_host(context, places.view());
  const Index width = activation.rank() == 4 ? activation[3] : 1;
  for (std::size_t k = 0; k < maps.size(); ++k) {
    const Index place = found.data()[k];
    units.push_back({image, maps[k], place / width, place % width});
  }
  return units;
}
/// The same for a layer of a trace. Throws ArgumentError also when the trace lacks the layer.
template <class T, Device D>
std::vector<Unit> strongest_units(const Context<D>& context, const Trace<T, D>& trace,
                                  const std::string& layer, Index image, std::span<const Index> maps) {
  return strongest_units<T, D>(context, trace.view(layer), layer, image, maps);
}
/// The same with a context of its own.
template <class T>
std::vector<Unit> strongest_units(const Trace<T, Cpu>& trace, const std::string& layer, Index image,
                                  std::span<const Index> maps) {
  return strongest_units<T, Cpu>(Context<Cpu>(1), trace, layer, image, maps);
}

#if defined(DECONV_COMPILED) && !defined(DECONV_INSTANCES)
// Compiled once elsewhere, see instances/cpu.cpp.
extern template std::vector<Projection<float>> project<float, Cpu>(const Network<float, Cpu>&,
                                                                   const Context<Cpu>&, const std::string&,
                                                                   std::span<const TracedUnit<float, Cpu>>,
                                                                   const ProjectionOptions&);
extern template std::vector<Projection<double>> project<double, Cpu>(const Network<double, Cpu>&,
                                                                     const Context<Cpu>&, const std::string&,
                                                                     std::span<const TracedUnit<double, Cpu>>,
                                                                     const ProjectionOptions&);
#endif

}  // namespace deconv
