#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "deconv/nn/layer.hpp"
#include "deconv/nn/network.hpp"
#include "deconv/nn/receptive_field.hpp"

namespace deconv {

/// The part of a tensor that a reverse pass computes: all of it, or a window of each plane that moves with
/// the unit the pass began at. Windows of all units have one size; those at a plane's border overhang it.
struct ReverseRegion {
  bool wanted = false;
  bool whole = true;
  Footprint footprint;  ///< places the window; divisor 1
  Index height = 0, width = 0;

  [[nodiscard]] Index top(Index p) const noexcept { return footprint.y.jump * p + footprint.y.low; }
  [[nodiscard]] Index left(Index q) const noexcept { return footprint.x.jump * q + footprint.x.low; }
  [[nodiscard]] bool same_as(const ReverseRegion& other) const noexcept {
    return whole == other.whole && (whole || footprint == other.footprint);
  }
};

namespace detail {

/// Above this share of a plane a window saves less than its bookkeeping costs.
inline constexpr double whole_plane_share = 0.85;

inline ReverseRegion region_of(const Footprint& footprint, const Shape& shape) {
  ReverseRegion region;
  region.wanted = true;
  region.footprint = footprint;
  region.whole = footprint.whole || shape.rank() != 4 || footprint.y.divisor != 1 || footprint.x.divisor != 1;
  if (region.whole) return region;
  region.height = footprint.y.size();
  region.width = footprint.x.size();
  const double share = static_cast<double>(region.height) * static_cast<double>(region.width) /
                       (static_cast<double>(shape[2]) * static_cast<double>(shape[3]));
  region.whole = share > whole_plane_share;
  return region;
}

/// Whether a layer is a pooling whose windows overlap and the last one's signal stays: then windows without a
/// signal count as well, since they overwrite with zero.
template <class T, Device D>
bool overwrites(const Layer<T, D>& layer, const ReverseOptions& options, const Shape& src) {
  if (options.overlap != OverlapRule::last || !layer.switch_taps(src)) return false;
  const Window2d& w = layer.traits().window;
  return w.reach_y() > w.stride_y || w.reach_x() > w.stride_x;
}

/// A region of a pooling's output grown by the windows that come later in raster order and reach into what
/// the region covers.
inline ReverseRegion with_later_windows(ReverseRegion region, const Window2d& w) {
  const Index rows = (w.reach_y() - 1) / w.stride_y, columns = (w.reach_x() - 1) / w.stride_x;
  region.footprint.y.high += rows;
  region.footprint.x.low -= columns;
  region.footprint.x.high += columns;
  region.height += rows;
  region.width += 2 * columns;
  return region;
}

/// What of a layer's input a reverse pass reaches when `above` is its region of the output.
template <class T, Device D>
Footprint reached_below(const Layer<T, D>& layer, const ReverseOptions& options, const ReverseRegion& above,
                        const Shape& src, const Shape& dst) {
  constexpr Footprint everything{true, {}, {}};
  if (above.whole || src.rank() != 4) return everything;
  if (layer.reverse_passes_through(options)) return src == dst ? above.footprint : everything;
  const LayerTraits traits = layer.traits();
  if (traits.reach == Reach::pointwise) return above.footprint;
  if (traits.reach == Reach::whole) return everything;
  // The largest number that a switch may hold marks windows beyond the plane, see gather_windows.
  if (overwrites(layer, options, src))
    for (const Index numbers : {Index{1} << 8, Index{1} << 16, Index{1} << 32})
      if (layer.switch_taps(src) == numbers) return everything;
  const Window2d& w = traits.window;
  return footprint_of(through_window(above.footprint.y, w.stride_y, w.padding.top, w.reach_y()),
                      through_window(above.footprint.x, w.stride_x, w.padding.left, w.reach_x()));
}

}  // namespace detail

/// The region of every tensor between the units of `seed` and the tensors `targets`, by number; tensors on no
/// such path are not wanted. With `windows` false every region is whole. Cost: one visit of each node.
template <class T, Device D>
std::vector<ReverseRegion> reverse_regions(const Network<T, D>& network, const std::vector<Shape>& shapes,
                                           std::size_t seed, const std::vector<std::size_t>& targets,
                                           const ReverseOptions& options, bool windows) {
  const Topology& topology = network.topology();
  const auto& steps = topology.steps();
  // Descendants of the targets: nothing else leads to them.
  std::vector<bool> leads(topology.tensor_count());
  for (const std::size_t target : targets) leads[target] = true;
  for (const auto& step : steps)
    for (const std::size_t input : step.inputs)
      if (leads[input])
        for (const std::size_t output : step.outputs) leads[output] = true;

  std::vector<ReverseRegion> regions(topology.tensor_count());
  const bool planes = windows && shapes[seed].rank() == 4;
  regions[seed] = detail::region_of({!planes, {}, {}}, shapes[seed]);
  for (std::size_t i = steps.size(); i-- > 0;) {
    const ReverseRegion above = regions[steps[i].outputs[0]];
    if (!above.wanted) continue;
    for (const std::size_t input : steps[i].inputs) {
      if (!leads[input]) continue;
      const Shape& shape = shapes[input];
      const Footprint below =
          detail::reached_below(network.layer(i), options, above, shape, shapes[steps[i].outputs[0]]);
      regions[input] = detail::region_of(
          regions[input].wanted ? detail::united(regions[input].footprint, below) : below, shape);
      if (regions[input].whole) regions[input].footprint.whole = true;
    }
  }
  return regions;
}

}  // namespace deconv
