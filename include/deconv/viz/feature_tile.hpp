#pragma once

#include <algorithm>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

#include "deconv/viz/features.hpp"

namespace deconv::viz {

/// The part of a projection's box that holds its signal: 98 % of the energy of its rows and of its columns,
/// made square where the box allows it. Cost: linear.
[[nodiscard]] inline PlaneBox signal_box(const Projection<float>& projection) {
  const Index height = projection.box.height(), width = projection.box.width();
  std::vector<double> rows(static_cast<std::size_t>(height)), columns(static_cast<std::size_t>(width));
  const float* value = projection.pixels.data();
  for (Index c = 0; c < projection.pixels[0]; ++c)
    for (double& row : rows)
      for (double& column : columns) {
        const double energy = static_cast<double>(*value) * static_cast<double>(*value);
        row += energy;
        column += energy;
        ++value;
      }
  const auto span = [](const std::vector<double>& energy) {
    const double total = std::accumulate(energy.begin(), energy.end(), 0.0);
    Index first = 0, last = static_cast<Index>(energy.size());
    double before = 0, behind = 0;
    while (first + 1 < last && (before += energy[static_cast<std::size_t>(first)]) <= 0.01 * total) ++first;
    while (last - 1 > first && (behind += energy[static_cast<std::size_t>(last - 1)]) <= 0.01 * total) --last;
    return std::pair(first, last);
  };
  auto [top, bottom] = span(rows);
  auto [left, right] = span(columns);
  const auto widen = [](Index& first, Index& last, Index wanted, Index limit) {
    const Index size = std::min(std::max(last - first, wanted), limit);
    first = std::clamp<Index>((first + last - size) / 2, 0, limit - size);
    last = first + size;
  };
  constexpr Index least = 24;
  const Index side = std::max({bottom - top, right - left, least});
  widen(top, bottom, side, height);
  widen(left, right, side, width);
  return {projection.box.top + top, projection.box.left + left, projection.box.top + bottom,
          projection.box.left + right};
}

/// The pixels of a projection inside a box that lies in its own.
[[nodiscard]] inline Projection<float> part_of(const Projection<float>& projection, const PlaneBox& box) {
  Projection<float> part{projection.unit, projection.activation, box,
                         Tensor<float, Cpu>({projection.pixels[0], box.height(), box.width()})};
  float* out = part.pixels.data();
  for (Index c = 0; c < projection.pixels[0]; ++c)
    for (Index y = box.top; y < box.bottom; ++y)
      out = std::copy_n(projection.pixels.data() +
                            (c * projection.box.height() + y - projection.box.top) * projection.box.width() +
                            box.left - projection.box.left,
                        box.width(), out);
  return part;
}

/// A unit's projection and the image patch beside it, both cut to `shown` (which lies in the projection's
/// box) and scaled down to `most` pixels a side at once: full-size patches of many maps would take hundreds
/// of megabytes. `seen` is the picture that the network saw, `order` the network's order of channels; for
/// `percentile` see projection_pictures.
[[nodiscard]] inline FeatureTile feature_tile(const Projection<float>& projection, const PlaneBox& shown,
                                              const io::Image& seen,
                                              io::ChannelOrder order = io::ChannelOrder::rgb,
                                              double percentile = 99.5, Index most = 112) {
  const auto small = [most](const io::Image& picture) {
    return picture.width() > most || picture.height() > most ? scaled_to_fit(picture, most, most) : picture;
  };
  const Projection<float> part = part_of(projection, shown);
  return {small(projection_pictures(std::span(&part, 1), order, StretchScope::each, percentile).front()),
          small(patch_under(seen, shown))};
}

}  // namespace deconv::viz
