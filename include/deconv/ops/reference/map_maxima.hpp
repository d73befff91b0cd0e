#pragma once

#include <cmath>

#include "deconv/ops/map_maxima.hpp"

namespace deconv::reference {

/// As deconv::map_maxima, for rank 4.
template <class T>
void map_maxima(Source<T, Cpu> src, std::span<const Index> maps, TensorView<T, Cpu> values,
                TensorView<std::int32_t, Cpu> places) {
  for (Index n = 0; n < src[0]; ++n)
    for (std::size_t k = 0; k < maps.size(); ++k) {
      const auto at = [&](Index i) { return src(n, maps[k], i / src[3], i % src[3]); };
      Index best = -1;
      for (Index i = 0; i < src[2] * src[3]; ++i)
        if (!std::isnan(at(i)) && (best < 0 || at(i) > at(best))) best = i;
      if (best < 0) best = src[2] * src[3] - 1;
      values.data()[n * values[1] + static_cast<Index>(k)] = at(best);
      places.data()[n * values[1] + static_cast<Index>(k)] = static_cast<std::int32_t>(best);
    }
}

}  // namespace deconv::reference
