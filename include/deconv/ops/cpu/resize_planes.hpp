#pragma once

#include <algorithm>
#include <vector>

#include "deconv/core/parallel.hpp"
#include "deconv/ops/resize_planes.hpp"

namespace deconv::cpu {

template <class T>
void resize_planes(const Context<Cpu>& context, TensorView<const T, Cpu> src, TensorView<T, Cpu> dst) {
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
  const auto rows = places(src[1], dst[1]), columns = places(src[2], dst[2]);
  parallel_for(
      context, dst[0] * dst[1],
      [&](Index line) {
        const Between& y = rows[static_cast<std::size_t>(line % dst[1])];
        const T* plane = src.data() + line / dst[1] * src[1] * src[2];
        const T *upper = plane + y.low * src[2], *lower = plane + y.high * src[2];
        T* out = dst.data() + line * dst[2];
        for (const Between& x : columns) {
          const T above = upper[x.low] + x.share * (upper[x.high] - upper[x.low]);
          const T below = lower[x.low] + x.share * (lower[x.high] - lower[x.low]);
          *out++ = above + y.share * (below - above);
        }
      },
      deconv::detail::row_grain(dst[2]));
}

}  // namespace deconv::cpu
