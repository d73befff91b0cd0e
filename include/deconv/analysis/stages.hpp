#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <numeric>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "deconv/analysis/projection.hpp"
#include "deconv/core/transfer.hpp"
#include "deconv/nn/reverse.hpp"

// Every stage of one unit's way up through the network and of its projection's way down.
// Source: Zeiler and Fergus 2013, section 2.1 and Fig. 1.
namespace deconv {

/// What made a tensor on the way up, or brought a signal to it on the way down.
enum class StageKind : std::uint8_t { image, filter, rectifier, pooling, normalisation, join, other };

/// As people call it on the way up: "convolved", "rectified", "pooled", ...
[[nodiscard]] inline std::string_view name_up(StageKind kind) noexcept {
  constexpr std::string_view names[] = {"image",      "filtered", "rectified", "pooled",
                                        "normalised", "joined",   "computed"};
  return names[static_cast<std::size_t>(kind)];
}
/// And on the way down: "filtered" by the transposed filters, "unpooled", ... The seed came from nowhere.
[[nodiscard]] inline std::string_view name_down(StageKind kind) noexcept {
  constexpr std::string_view names[] = {"the unit alone", "filtered", "rectified",  "unpooled",
                                        "passed down",    "split",    "passed down"};
  return names[static_cast<std::size_t>(kind)];
}

/// One tensor on the way from the image to a unit's layer.
template <class T>
struct Stage {
  std::string tensor;
  StageKind up_kind = StageKind::image;    ///< what made it
  StageKind down_kind = StageKind::image;  ///< what brought the signal to it; image: it is the seed
  bool added = false;                      ///< signals of several layers above were added
  Index map_count = 0;
  /// The maps that are kept here, those with the largest signal first; of the image all channels in order.
  std::vector<Index> maps;
  Tensor<T, Cpu> up;    ///< maps x H x W: the forward pass's values (1 x 1 where the tensor has no planes)
  Tensor<T, Cpu> down;  ///< maps x H x W: the signal that arrived here
  /// Of a pooling: the stage that it pooled (its number), and for each kept map and output the place in that
  /// stage's plane, row-major, that won; -1 where none did.
  std::optional<std::size_t> pooled_from;
  std::vector<Index> switches;
};

/// What a pooling's way up and down have to do with each other, over all of its maps.
struct RoundTrip {
  std::string tensor;
  /// Largest difference between a pooled value and the value that its switch points to; 0 for a max pooling.
  double picked = 0;
  /// Largest difference between what unpooling returned and what the switches say, over the largest signal.
  double unpooled = 0;
  double elsewhere = 0;  ///< largest magnitude that unpooling returned where no switch with a signal points
  Index pointed = 0;     ///< places that a switch with a signal points to
};

/// All stages of one unit.
template <class T>
struct Stages {
  std::vector<Stage<T>> stages;        ///< in the order of the forward pass, the image first, the seed last
  std::vector<RoundTrip> round_trips;  ///< one a max pooling whose signal nothing else is added to
  Projection<T> projection;            ///< what project() says of the unit
  /// Largest difference between the last stage and project()'s result, over the largest value of that.
  double projection_error = 0;
};

struct StagesOptions {
  ProjectionOptions projection = {};
  Index maps = 3;  ///< kept of each tensor below the unit's
};

namespace detail {

[[nodiscard]] inline StageKind stage_kind(const node::Params& params) {
  if (std::holds_alternative<node::Conv2d>(params) || std::holds_alternative<node::Conv2dTranspose>(params) ||
      std::holds_alternative<node::Linear>(params))
    return StageKind::filter;
  if (std::holds_alternative<node::Relu>(params)) return StageKind::rectifier;
  if (std::holds_alternative<node::MaxPool2d>(params) ||
      std::holds_alternative<node::AveragePool2d>(params) ||
      std::holds_alternative<node::GlobalMaxPool>(params) ||
      std::holds_alternative<node::GlobalAveragePool>(params))
    return StageKind::pooling;
  if (std::holds_alternative<node::Lrn>(params) || std::holds_alternative<node::BatchNorm>(params))
    return StageKind::normalisation;
  if (std::holds_alternative<node::Concat>(params) || std::holds_alternative<node::Add>(params))
    return StageKind::join;
  return StageKind::other;
}

/// One image's maps of a tensor in any layout, on the host as maps x H x W.
template <class T, Device D>
[[nodiscard]] Tensor<T, Cpu> maps_of(const Context<D>& context, TensorView<const T, D> view) {
  auto plain = context.template make<T>(view.shape());
  copy_layout<T>(context, view, plain.view());
  const Shape& shape = view.shape();
  const Shape planes = shape.rank() == 4 ? Shape{shape[1], shape[2], shape[3]} : Shape{shape.count(), 1, 1};
  return to_host(context, plain.view()).reshaped(planes);
}

template <class T>
[[nodiscard]] Tensor<T, Cpu> chosen_maps(const Tensor<T, Cpu>& all, std::span<const Index> maps) {
  const Index plane = all[1] * all[2];
  Tensor<T, Cpu> chosen({static_cast<Index>(maps.size()), all[1], all[2]});
  for (std::size_t k = 0; k < maps.size(); ++k)
    std::copy_n(all.data() + maps[k] * plane, plane, chosen.data() + static_cast<Index>(k) * plane);
  return chosen;
}

/// The places of the first image's switches, C x P x Q, in the plane below of `width` columns.
template <Device D>
[[nodiscard]] std::vector<Index> switch_places(const Context<D>& context,
                                               SwitchesView<const std::byte, D> switches,
                                               const Window2d& window, Index width) {
  std::vector<std::byte> bytes(switches.bytes());
  if constexpr (std::same_as<D, Cpu>) {
    std::copy_n(switches.data(), bytes.size(), bytes.begin());
  } else {
    cuda::copy_to_host(context.device(), context.stream(), bytes.data(), switches.data(), bytes.size());
    context.synchronise();
  }
  const SwitchesView<const std::byte, Cpu> host(bytes.data(), switches.shape(), switches.layout(),
                                                switches.width());
  const Shape& shape = switches.shape();
  std::vector<Index> places;
  places.reserve(static_cast<std::size_t>(shape[1] * shape[2] * shape[3]));
  for (Index c = 0; c < shape[1]; ++c)
    for (Index p = 0; p < shape[2]; ++p)
      for (Index q = 0; q < shape[3]; ++q) {
        const Index tap = host.at(0, c, p, q);
        const Index y = p * window.stride_y - window.padding.top + tap / window.kernel_x * window.dilation_y;
        const Index x = q * window.stride_x - window.padding.left + tap % window.kernel_x * window.dilation_x;
        places.push_back(y * width + x);
      }
  return places;
}

/// Compares a pooling's values and signals above with those below, maps x P x Q and maps x H x W.
template <class T>
[[nodiscard]] RoundTrip round_trip(const std::string& tensor, const std::vector<Index>& places,
                                   const Tensor<T, Cpu>& up, const Tensor<T, Cpu>& below_up,
                                   const Tensor<T, Cpu>& down, const Tensor<T, Cpu>& below_down,
                                   OverlapRule overlap) {
  RoundTrip result{tensor, 0, 0, 0, 0};
  const Index above = up[1] * up[2], below = below_up[1] * below_up[2];
  double largest = 0;
  for (Index c = 0; c < up[0]; ++c) {
    std::vector<double> wanted(static_cast<std::size_t>(below), 0.0);
    std::vector<bool> pointed(wanted.size());
    for (Index i = 0; i < above; ++i) {
      const Index place = places[static_cast<std::size_t>(c * above + i)];
      const auto signal = static_cast<double>(down.data()[c * above + i]);
      result.picked =
          std::max(result.picked, std::abs(static_cast<double>(up.data()[c * above + i]) -
                                           static_cast<double>(below_up.data()[c * below + place])));
      double& target = wanted[static_cast<std::size_t>(place)];
      target = overlap == OverlapRule::last ? signal : target + signal;
      if (signal != 0) pointed[static_cast<std::size_t>(place)] = true;
    }
    for (std::size_t place = 0; place < wanted.size(); ++place) {
      const auto met = static_cast<double>(below_down.data()[c * below + static_cast<Index>(place)]);
      largest = std::max(largest, std::abs(wanted[place]));
      result.unpooled = std::max(result.unpooled, std::abs(met - wanted[place]));
      if (pointed[place])
        ++result.pointed;
      else
        result.elsewhere = std::max(result.elsewhere, std::abs(met));
    }
  }
  if (largest > 0) result.unpooled /= largest;
  return result;
}

}  // namespace detail

/// Sends one image (1 x C x H x W) up to `layer`, takes one unit there, and keeps every stage of the way up
/// and of the unit's projection down to the image, with two checks: that unpooling returns the signals at the
/// switches and nothing elsewhere, and that the way down ends in what project() says. Whole planes are
/// computed. Of the tensors below the unit's the maps with the largest signal are kept; through layers that
/// keep maps apart they stay the same. Throws as project(), and ArgumentError unless options.maps is at least
/// 1; ShapeError for other than one image. Cost: one forward pass and two projections. Memory: all
/// activations and all signals of one image, a few times. Source: Zeiler and Fergus 2013, Fig. 1.
template <class T, Device D>
Stages<T> projection_stages(const Network<T, D>& network, const Context<D>& context,
                            std::type_identity_t<TensorView<const T, D>> image, const std::string& layer,
                            const Unit& unit, const StagesOptions& options = {}) {
  require<ArgumentError>(options.maps >= 1, "at least one map of each layer wanted, met ", options.maps);
  require<ShapeError>(image.rank() == 4 && image[0] == 1, "stages want one image 1 x C x H x W, met ",
                      image.shape());
  const Topology& topology = network.topology();
  const std::size_t seed = topology.find(layer), input = topology.input(0);
  ForwardOptions forward;
  forward.up_to = layer;
  const auto trace = network.forward(context, image, forward);
  detail::check_unit(trace.shape(seed), unit, layer);

  Stages<T> result;
  result.projection = std::move(
      project<T, D>(network, context, trace, layer, std::span(&unit, 1), options.projection).front());
  std::vector<Shape> shapes;
  for (std::size_t t = 0; t < topology.tensor_count(); ++t) shapes.push_back(trace.shape(t));
  const ReverseOptions& rules = options.projection.reverse;
  const auto regions = reverse_regions(network, shapes, seed, {input}, rules, false);
  const std::vector<ReverseRow<T, D>> rows{{&trace, 0, 0, 0}};
  detail::ReverseRun<T, D> run(network, context, rules, rows, regions);
  auto alone = Tensor<T, Cpu>::filled(shapes[seed], T(0));
  const Index plane = shapes[seed].rank() == 4 ? shapes[seed][2] * shapes[seed][3] : 1;
  const Index columns = shapes[seed].rank() == 4 ? shapes[seed][3] : 1;
  alone.data()[unit.map * plane + unit.y * columns + unit.x] =
      options.projection.seed_value == SeedValue::one ? T(1) : result.projection.activation;
  auto signal = context.template make<T>(shapes[seed], detail::working_layout<D>(shapes[seed]));
  copy_layout<T>(context, to_device(context, alone.view()).view(), signal.view());
  run.seed(seed, std::move(signal));
  for (std::size_t t = 0; t < topology.tensor_count(); ++t)
    if (regions[t].wanted) run.keep(t);
  run.run();

  // From the seed down, so that layers which keep maps apart can follow the choice above them.
  std::vector<Tensor<T, Cpu>> ups(topology.tensor_count()), downs(topology.tensor_count());
  std::vector<std::optional<std::size_t>> number(topology.tensor_count());
  for (std::size_t t = topology.tensor_count(); t-- > 0;) {
    if (!regions[t].wanted || trace.slot(t).view.empty()) continue;
    const auto arrived = run.take(t);
    if (arrived.empty()) continue;
    ups[t] = detail::maps_of<T, D>(context, trace.slot(t).view);
    downs[t] = detail::maps_of<T, D>(context, arrived.view());
    Stage<T> stage;
    stage.tensor = topology.name(t);
    stage.map_count = ups[t][0];
    const std::size_t producer = topology.producer(t);
    if (producer != Topology::no_producer)
      stage.up_kind = detail::stage_kind(topology.graph().nodes[producer].params);
    if (t == seed) {
      stage.maps = {unit.map};
    } else {
      for (const std::size_t reader : topology.consumers(t)) {
        const std::size_t above = topology.steps()[reader].outputs[0];
        if (!number[above]) continue;
        stage.added = stage.added || stage.down_kind != StageKind::image;
        stage.down_kind = detail::stage_kind(topology.graph().nodes[reader].params);
        const bool apart = stage.down_kind == StageKind::rectifier || stage.down_kind == StageKind::pooling ||
                           stage.down_kind == StageKind::normalisation;
        if (apart && ups[above][0] == ups[t][0]) stage.maps = result.stages[*number[above]].maps;
      }
      if (t == input) {
        stage.maps.resize(static_cast<std::size_t>(ups[t][0]));
        std::iota(stage.maps.begin(), stage.maps.end(), Index{0});
      } else if (stage.maps.empty()) {
        std::vector<double> sizes(static_cast<std::size_t>(ups[t][0]), 0.0);
        const Index size = ups[t][1] * ups[t][2];
        for (Index i = 0; i < downs[t].count(); ++i)
          sizes[static_cast<std::size_t>(i / size)] += std::abs(static_cast<double>(downs[t].data()[i]));
        stage.maps.resize(sizes.size());
        std::iota(stage.maps.begin(), stage.maps.end(), Index{0});
        std::stable_sort(stage.maps.begin(), stage.maps.end(), [&](Index a, Index b) {
          return sizes[static_cast<std::size_t>(a)] > sizes[static_cast<std::size_t>(b)];
        });
        stage.maps.resize(std::min(stage.maps.size(), static_cast<std::size_t>(options.maps)));
      }
    }
    stage.up = detail::chosen_maps<T>(ups[t], stage.maps);
    stage.down = detail::chosen_maps<T>(downs[t], stage.maps);
    number[t] = result.stages.size();
    result.stages.push_back(std::move(stage));
  }
  // The image first.
  const std::size_t count = result.stages.size();
  std::reverse(result.stages.begin(), result.stages.end());
  for (auto& one : number)
    if (one) one = count - 1 - *one;

  for (std::size_t i = 0; i < topology.steps().size(); ++i) {
    const auto& step = topology.steps()[i];
    const std::size_t above = step.outputs[0], below = step.inputs.empty() ? above : step.inputs[0];
    if (!number[above] || !number[below] || trace.switches_of(i).empty()) continue;
    const auto* pool = std::get_if<node::MaxPool2d>(&topology.graph().nodes[i].params);
    Window2d whole;
    whole.kernel_y = shapes[below][2], whole.kernel_x = shapes[below][3];
    const auto places =
        detail::switch_places<D>(context, trace.switches_of(i).view(),
                                 pool != nullptr ? pool->params.window : whole, shapes[below][3]);
    Stage<T>& stage = result.stages[*number[above]];
    stage.pooled_from = *number[below];
    const auto size = static_cast<std::ptrdiff_t>(ups[above][1] * ups[above][2]);
    for (const Index map : stage.maps)
      stage.switches.insert(stage.switches.end(), places.begin() + map * size,
                            places.begin() + (map + 1) * size);
    if (!result.stages[*number[below]].added)
      result.round_trips.push_back(detail::round_trip<T>(stage.tensor, places, ups[above], ups[below],
                                                         downs[above], downs[below], rules.overlap));
  }

  const auto wanted = result.projection.in_plane(shapes[input][2], shapes[input][3]);
  double largest = 0;
  for (Index i = 0; i < wanted.count(); ++i) {
    const auto value = static_cast<double>(wanted.data()[i]);
    largest = std::max(largest, std::abs(value));
    result.projection_error =
        std::max(result.projection_error, std::abs(value - static_cast<double>(downs[input].data()[i])));
  }
  if (largest > 0) result.projection_error /= largest;
  return result;
}

}  // namespace deconv
