#pragma once

#include "deconv/core/parallel.hpp"
#include "deconv/ops/running_top_k.hpp"

namespace deconv::cpu {

template <class T>
void running_top_k(const Context<Cpu>& context, TensorView<const T, Cpu> values,
                   TensorView<const std::int32_t, Cpu> places, std::span<const std::int64_t> images,
                   TopHits<T, Cpu>& hits) {
  const Index maps = hits.maps(), top = hits.top();
  const auto body = [&](Index map) {
    T* value = hits.values.data() + map * top;
    std::int64_t* image = hits.images.data() + map * top;
    std::int32_t* place = hits.places.data() + map * top;
    Index held = hits.held;
    for (std::size_t n = 0; n < images.size(); ++n) {
      const Index from = static_cast<Index>(n) * maps + map;
      const T met = values.data()[from];
      const auto before = [&](Index i) {
        if (met != value[i]) return met > value[i] || value[i] != value[i];
        return images[n] < image[i];
      };
      if (held == top && !before(top - 1)) continue;
      Index at = 0;
      while (at < held && !before(at)) ++at;
      if (held < top) ++held;
      for (Index i = held - 1; i > at; --i) {
        value[i] = value[i - 1];
        image[i] = image[i - 1];
        place[i] = place[i - 1];
      }
      value[at] = met;
      image[at] = images[n];
      place[at] = places.data()[from];
    }
  };
  parallel_for(context, maps, body, deconv::detail::row_grain(static_cast<Index>(images.size()) * 4));
}

}  // namespace deconv::cpu
