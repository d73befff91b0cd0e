#pragma once

#include <algorithm>
#include <map>
#include <numeric>
#include <optional>
#include <ostream>
#include <string>
#include <variant>

#include "deconv/core/quoted.hpp"
#include "deconv/nn/graph.hpp"
#include "deconv/ops/rules.hpp"

// Which rows and columns of every earlier tensor a unit of a tensor depends on.
// Source of the recurrence: Araujo, Norris and Sim, "Computing Receptive Fields of Convolutional Neural
// Networks", Distill 2019; transposed convolutions and joins are our own extension.
namespace deconv {

/// Along one axis the unit at p sees the rows from ceil((p * jump + low) / divisor) to floor((p * jump +
/// high) / divisor), both included. `divisor` is 1 unless a transposed convolution lies between. Rows below 0
/// or beyond the plane are padding. With first > last the unit sees nothing.
struct AxisInterval {
  Index jump = 1;
  Index low = 0;
  Index high = 0;
  Index divisor = 1;

  [[nodiscard]] constexpr Index first(Index p) const noexcept {
    const Index above = p * jump + low;
    return above >= 0 ? (above + divisor - 1) / divisor : -(-above / divisor);
  }
  [[nodiscard]] constexpr Index last(Index p) const noexcept {
    const Index below = p * jump + high;
    return below >= 0 ? below / divisor : -((-below + divisor - 1) / divisor);
  }
  /// Rows that a unit sees; with a divisor above 1 the most that any unit sees.
  [[nodiscard]] constexpr Index size() const noexcept { return (high - low) / divisor + 1; }
  friend bool operator==(const AxisInterval&, const AxisInterval&) = default;
};

/// A rectangle of a plane, in pixels: rows [top, bottom), columns [left, right).
struct PlaneBox {
  Index top = 0, left = 0, bottom = 0, right = 0;

  [[nodiscard]] constexpr Index height() const noexcept { return std::max<Index>(bottom - top, 0); }
  [[nodiscard]] constexpr Index width() const noexcept { return std::max<Index>(right - left, 0); }
  [[nodiscard]] constexpr bool empty() const noexcept { return bottom <= top || right <= left; }
  /// The part that lies inside a plane of `plane_height` x `plane_width`.
  [[nodiscard]] constexpr PlaneBox clipped(Index plane_height, Index plane_width) const noexcept {
    return {std::clamp<Index>(top, 0, plane_height), std::clamp<Index>(left, 0, plane_width),
            std::clamp<Index>(bottom, 0, plane_height), std::clamp<Index>(right, 0, plane_width)};
  }
  friend bool operator==(const PlaneBox&, const PlaneBox&) = default;
  friend std::ostream& operator<<(std::ostream& out, const PlaneBox& box) {
    return out << '[' << box.top << ',' << box.bottom << ")x[" << box.left << ',' << box.right << ')';
  }
};

/// What a unit sees of one tensor: the whole of it, or a window of its planes that moves with the unit.
/// Channels are not told apart. A window that is exact for a chain of layers may be a little wider than
/// needed at joins and below transposed convolutions, never narrower.
struct Footprint {
  bool whole = false;
  AxisInterval y, x;  ///< meaningless when `whole`

  /// What the unit at (p, q) sees, not clipped: parts in the padding count. `height` and `width` are the
  /// plane's own, which is the answer when `whole`.
  [[nodiscard]] constexpr PlaneBox box(Index p, Index q, Index height, Index width) const noexcept {
    if (whole) return {0, 0, height, width};
    return {y.first(p), x.first(q), y.last(p) + 1, x.last(q) + 1};
  }
  /// The same, without the padding.
  [[nodiscard]] constexpr PlaneBox clipped_box(Index p, Index q, Index height, Index width) const noexcept {
    return box(p, q, height, width).clipped(height, width);
  }
  friend bool operator==(const Footprint& a, const Footprint& b) noexcept {
    return a.whole == b.whole && (a.whole || (a.y == b.y && a.x == b.x));
  }
};

namespace detail {

constexpr Index floor_quotient(Index a, Index b) noexcept { return a >= 0 ? a / b : -((-a + b - 1) / b); }
constexpr Index ceil_quotient(Index a, Index b) noexcept { return -floor_quotient(-a, b); }

/// (jump, low, high) / divisor in lowest terms, or nothing where a number is too large to be of use as a
/// window: every plane is smaller, and what is below the limit can go through the next layer without
/// wrapping.
inline std::optional<AxisInterval> axis_interval(Index jump, Index low, Index high, Index divisor) {
  for (const Index value : {jump, low, high, divisor})
    if (value > extent_limit || value < -extent_limit) return std::nullopt;
  // Dividing by a common factor is exact: ceil((n + x) / d) = ceil((n + ceil(x)) / d) for whole n and d.
  const Index common = std::gcd(jump, divisor);
  return AxisInterval{jump / common, ceil_quotient(low, common), floor_quotient(high, common),
                      divisor / common};
}

/// Whether the geometry is small enough for the products below.
constexpr bool moderate(Index stride, Index before, Index reach) noexcept {
  return stride <= 2 * extent_limit && before <= 2 * extent_limit && before >= -2 * extent_limit &&
         reach <= 2 * extent_limit;
}

/// `above` is what the seed's units see of a tensor whose rows r see the rows r * stride - before ... + reach
/// - 1.
inline std::optional<AxisInterval> through_window(const AxisInterval& above, Index stride, Index before,
                                                  Index reach) {
  if (!moderate(stride, before, reach)) return std::nullopt;
  return axis_interval(above.jump * stride, above.low * stride - before * above.divisor,
                       above.high * stride + (reach - 1 - before) * above.divisor, above.divisor);
}

/// As through_window for a transposed convolution: row r sees the rows q with q * stride - before + tap = r.
inline std::optional<AxisInterval> through_transpose(const AxisInterval& above, Index stride, Index before,
                                                     Index reach) {
  if (!moderate(stride, before, reach)) return std::nullopt;
  return axis_interval(above.jump, above.low + (before - reach + 1) * above.divisor,
                       above.high + before * above.divisor, above.divisor * stride);
}

/// The smallest interval that holds both, or nothing when they move at different speeds.
inline std::optional<AxisInterval> united(const AxisInterval& a, const AxisInterval& b) {
  if (a.jump * b.divisor != b.jump * a.divisor) return std::nullopt;
  const Index common = std::lcm(a.divisor, b.divisor);
  const Index k = common / a.divisor, m = common / b.divisor;
  return axis_interval(a.jump * k, std::min(a.low * k, b.low * m), std::max(a.high * k, b.high * m), common);
}

inline Footprint footprint_of(const std::optional<AxisInterval>& y, const std::optional<AxisInterval>& x) {
  return y && x ? Footprint{false, *y, *x} : Footprint{true, {}, {}};
}

inline Footprint united(const Footprint& a, const Footprint& b) {
  if (a.whole || b.whole) return {true, {}, {}};
  return footprint_of(united(a.y, b.y), united(a.x, b.x));
}

/// What is seen of a node's inputs when `above` is seen of its outputs.
inline Footprint footprint_below(const Node& node, const Footprint& above, std::size_t rank,
                                 NormalisationRule rule) {
  constexpr Footprint everything{true, {}, {}};
  if (above.whole || rank != 4) return everything;
  const auto window = [&](const Window2d& w) {
    return footprint_of(through_window(above.y, w.stride_y, w.padding.top, w.reach_y()),
                        through_window(above.x, w.stride_x, w.padding.left, w.reach_x()));
  };
  const auto mixes_space = [](Index axis) { return axis == 2 || axis == 3 || axis == -1 || axis == -2; };
  const auto along = [&](Index axis) { return mixes_space(axis) ? everything : above; };
  return std::visit(
      Overloaded{
          [&](const node::Conv2d& p) { return window(p.params.window); },
          [&](const node::MaxPool2d& p) { return window(p.params.window); },
          [&](const node::AveragePool2d& p) { return window(p.params.window); },
          [&](const node::Conv2dTranspose& p) {
            const Window2d& w = p.params.window;
            return footprint_of(through_transpose(above.y, w.stride_y, w.padding.top, w.reach_y()),
                                through_transpose(above.x, w.stride_x, w.padding.left, w.reach_x()));
          },
          [&](const node::Pad2d& p) {
            return footprint_of(through_window(above.y, 1, p.params.top, 1),
                                through_window(above.x, 1, p.params.left, 1));
          },
          [&](const node::Lrn& p) {
            if (p.params.region == LrnRegion::across_channels || rule == NormalisationRule::identity)
              return above;
            const Index before = (p.params.size - 1) / 2;
            return footprint_of(through_window(above.y, 1, before, p.params.size),
                                through_window(above.x, 1, before, p.params.size));
          },
          [&](const node::Softmax& p) { return along(p.axis); },
          [&](const node::LogSoftmax& p) { return along(p.axis); },
          [&](const node::Concat& p) { return along(p.axis); },
          [&](const node::Relu&) { return above; },
          [&](const node::Dropout&) { return above; },
          [&](const node::Add&) { return above; },
          [&](const node::BatchNorm&) { return above; },
          [&](const node::Identity&) { return above; },
          // Linear, flatten, reshape and global pools mix positions; an unpool's indices may point anywhere.
          [&](const auto&) { return everything; },
      },
      node.params);
}

}  // namespace detail

/// The footprint of a unit of `seed` (a tensor's name or an alias) in every tensor that it depends on, the
/// seed itself included (there it is the unit alone). `shapes` are infer_shapes' of the sorted graph. Layers
/// that mix all positions (linear, flatten, reshape, global pools, softmax or concatenation along a spatial
/// axis) and tensors that are not of rank 4 give the whole plane. Contrast normalisation within a channel
/// counts its window under NormalisationRule::gradient only, since the deconvnet passes it by unchanged.
/// Every node is visited once. Throws ArgumentError when the tensor is unknown.
[[nodiscard]] inline std::map<std::string, Footprint> footprints(
    const Graph& graph, const std::map<std::string, Shape>& shapes, const std::string& seed,
    NormalisationRule rule = NormalisationRule::identity) {
  const auto alias = graph.aliases.find(seed);
  const std::string& start = shapes.contains(seed) || alias == graph.aliases.end() ? seed : alias->second;
  const auto shape_of_start = shapes.find(start);
  require<ArgumentError>(shape_of_start != shapes.end(), "unknown tensor ", quoted(seed));

  std::map<std::string, Footprint> result;
  result.emplace(start, Footprint{shape_of_start->second.rank() != 4, {}, {}});
  for (auto node = graph.nodes.rbegin(); node != graph.nodes.rend(); ++node) {
    std::optional<Footprint> above;
    for (const std::string& output : node->outputs)
      if (const auto seen = result.find(output); seen != result.end())
        above = above ? detail::united(*above, seen->second) : seen->second;
    if (!above) continue;
    for (const std::string& input : node->inputs) {
      const auto shape = shapes.find(input);
      require<ArgumentError>(shape != shapes.end(), detail::label_of(*node), ": no shape is known for input ",
                             quoted(input));
      const Footprint below = detail::footprint_below(*node, *above, shape->second.rank(), rule);
      const auto [met, fresh] = result.emplace(input, below);
      if (!fresh) met->second = detail::united(met->second, below);
    }
  }
  return result;
}

/// The same for a graph's nominal input shapes.
[[nodiscard]] inline std::map<std::string, Footprint> footprints(
    const Graph& graph, const std::string& seed, NormalisationRule rule = NormalisationRule::identity) {
  return footprints(graph, infer_shapes(graph), seed, rule);
}

/// The receptive field of the units of `from` in `to`, an earlier tensor (most often an input of the graph):
/// y.size() rows that move by y.jump with the unit, from row y.low on for the first unit. Throws
/// ArgumentError when either is unknown or no path leads from one to the other.
[[nodiscard]] inline Footprint receptive_field(const Graph& graph, const std::map<std::string, Shape>& shapes,
                                               const std::string& from, const std::string& to,
                                               NormalisationRule rule = NormalisationRule::gradient) {
  const auto alias = graph.aliases.find(to);
  const std::string& target = shapes.contains(to) || alias == graph.aliases.end() ? to : alias->second;
  require<ArgumentError>(shapes.contains(target), "unknown tensor ", quoted(to));
  const std::map<std::string, Footprint> all = footprints(graph, shapes, from, rule);
  const auto found = all.find(target);
  require<ArgumentError>(found != all.end(), "tensor ", quoted(from), " does not depend on ", quoted(to));
  return found->second;
}

/// The same for a graph's nominal input shapes.
[[nodiscard]] inline Footprint receptive_field(const Graph& graph, const std::string& from,
                                               const std::string& to,
                                               NormalisationRule rule = NormalisationRule::gradient) {
  return receptive_field(graph, infer_shapes(graph), from, to, rule);
}

}  // namespace deconv
