#pragma once

#include <algorithm>
#include <cstdint>
#include <variant>
#include <vector>

#include "deconv/nn/receptive_field.hpp"

// What a change of some input pixels can reach: the forward direction of receptive-field arithmetic.
namespace deconv::detail {

/// Rows (or columns) first to last - 1 of a plane.
struct Span {
  Index first = 0, last = 0;

  [[nodiscard]] constexpr bool empty() const noexcept { return last <= first; }
  [[nodiscard]] constexpr Index size() const noexcept { return std::max<Index>(last - first, 0); }
  friend bool operator==(const Span&, const Span&) = default;
};

/// The smallest span that holds both.
[[nodiscard]] constexpr Span hull(const Span& a, const Span& b) noexcept {
  if (a.empty()) return b;
  if (b.empty()) return a;
  return {std::min(a.first, b.first), std::max(a.last, b.last)};
}

/// The outputs p of `extent` whose rows p * stride - before ... + reach - 1 meet the span.
[[nodiscard]] constexpr Span reached_span(const Span& src, Index stride, Index before, Index reach,
                                          Index extent) noexcept {
  if (src.empty()) return {};
  const Index first = ceil_quotient(src.first + before - reach + 1, stride);
  const Index last = floor_quotient(src.last - 1 + before, stride) + 1;
  return {std::clamp<Index>(first, 0, extent), std::clamp<Index>(last, 0, extent)};
}

/// How a layer carries a change of its input on.
enum class Spread : std::uint8_t {
  same,     ///< to the same positions
  window,   ///< to the outputs whose window holds the position
  shifted,  ///< to the position moved by padding or cropping
  mean,     ///< to the mean of its plane
  alias,    ///< nowhere: the same elements, perhaps under another shape
  unknown   ///< anywhere
};

struct SpreadOf {
  Spread kind = Spread::unknown;
  Window2d window;      ///< of `window`; padding.top and padding.left hold what `shifted` moves by
  bool joined = false;  ///< reads several inputs at the same positions
};

/// The spread of a node between tensors of rank 4; `src` and `dst` are its first input's and its output's
/// shapes.
[[nodiscard]] inline SpreadOf spread_of(const Node& node, const Shape& src, const Shape& dst) {
  const auto aliased = [&]() -> SpreadOf { return {Spread::alias, {}}; };
  if (std::holds_alternative<node::Flatten>(node.params) ||
      std::holds_alternative<node::Reshape>(node.params) ||
      std::holds_alternative<node::Dropout>(node.params) ||
      std::holds_alternative<node::Identity>(node.params))
    return aliased();
  if (src.rank() != 4 || dst.rank() != 4 || node.outputs.size() != 1) return {};
  const auto along = [](Index axis) -> SpreadOf {
    return axis == 1 || axis == -3 ? SpreadOf{Spread::same, {}} : SpreadOf{};
  };
  return std::visit(Overloaded{
                        [](const node::Conv2d& p) -> SpreadOf {
                          return {Spread::window, p.params.window};
                        },
                        [](const node::MaxPool2d& p) -> SpreadOf {
                          return {Spread::window, p.params.window};
                        },
                        [](const node::AveragePool2d& p) -> SpreadOf {
                          return {Spread::window, p.params.window};
                        },
                        [](const node::Pad2d& p) -> SpreadOf {
                          Window2d moved;
                          moved.padding = {p.params.top, p.params.left, 0, 0};
                          return {Spread::shifted, moved};
                        },
                        [](const node::Lrn& p) -> SpreadOf {
                          if (p.params.region == LrnRegion::across_channels) return {Spread::same, {}};
                          Window2d region = Window2d::square(p.params.size);
                          region.padding.top = region.padding.left = (p.params.size - 1) / 2;
                          return {Spread::window, region};
                        },
                        [&](const node::Softmax& p) { return along(p.axis); },
                        [&](const node::LogSoftmax& p) { return along(p.axis); },
                        [&](const node::Concat& p) {
                          SpreadOf spread = along(p.axis);
                          spread.joined = true;
                          return spread;
                        },
                        [](const node::Add&) -> SpreadOf {
                          return {Spread::same, {}, true};
                        },
                        [](const node::Relu&) -> SpreadOf {
                          return {Spread::same, {}};
                        },
                        [](const node::BatchNorm&) -> SpreadOf {
                          return {Spread::same, {}};
                        },
                        [](const node::GlobalAveragePool&) -> SpreadOf {
                          return {Spread::mean, {}};
                        },
                        [](const auto&) -> SpreadOf { return {}; },
                    },
                    node.params);
}

/// The span of a node's output that its input's span reaches, along rows or columns.
[[nodiscard]] inline Span reached_by(const SpreadOf& spread, const Span& src, bool rows, Index extent) {
  const Window2d& w = spread.window;
  const Index before = rows ? w.padding.top : w.padding.left;
  if (spread.kind == Spread::window)
    return reached_span(src, rows ? w.stride_y : w.stride_x, before, rows ? w.reach_y() : w.reach_x(),
                        extent);
  if (spread.kind == Spread::shifted) return reached_span(src, 1, before, 1, extent);
  return src;
}

/// Whether a region of height x width is best computed as the whole plane: then nothing is gathered.
[[nodiscard]] inline bool takes_whole_plane(Index height, Index width, const Shape& plane) {
  return static_cast<double>(height) * static_cast<double>(width) >
         0.85 * static_cast<double>(plane[2]) * static_cast<double>(plane[3]);
}

}  // namespace deconv::detail
