#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "deconv/core/tensor.hpp"

namespace deconv {

/// A plane H x W resized to height x width by interpolation between the four nearest values, the planes'
/// outer edges laid on each other (pixel centres lie at halves) and values beyond the outermost centres
/// repeated. For maps that grow; when a map shrinks, values between the taken ones do not count. Throws
/// ShapeError. Cost: four multiply-adds an output.
template <class T>
[[nodiscard]] Tensor<T, Cpu> resize_plane(TensorView<const T, Cpu> plane, Index height, Index width) {
  require<ShapeError>(plane.rank() == 2 && plane.count() > 0 && height > 0 && width > 0, "resize of a plane ",
                      plane.shape(), " to ", height, "x", width);
  struct Between {
    Index low, high;
    T share;
  };
  const auto places = [](Index source, Index target) {
    std::vector<Between> all;
    for (Index i = 0; i < target; ++i) {
      const double centre =
          (static_cast<double>(i) + 0.5) * static_cast<double>(source) / static_cast<double>(target) - 0.5;
      const double inside = std::clamp(centre, 0.0, static_cast<double>(source - 1));
      const auto low = static_cast<Index>(inside);
      all.push_back({low, std::min(low + 1, source - 1), static_cast<T>(inside - static_cast<double>(low))});
    }
    return all;
  };
  const auto rows = places(plane[0], height), columns = places(plane[1], width);
  Tensor<T, Cpu> resized({height, width});
  T* out = resized.data();
  for (const Between& y : rows) {
    const T *upper = plane.data() + y.low * plane[1], *lower = plane.data() + y.high * plane[1];
    for (const Between& x : columns) {
      const T above = upper[x.low] + x.share * (upper[x.high] - upper[x.low]);
      const T below = lower[x.low] + x.share * (lower[x.high] - lower[x.low]);
      *out++ = above + y.share * (below - above);
    }
  }
  return resized;
}

}  // namespace deconv
