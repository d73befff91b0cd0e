#pragma once

#include "deconv/core/parallel.hpp"
#include "deconv/ops/map_maxima.hpp"

namespace deconv::cpu {

template <class T>
void map_maxima(const Context<Cpu>& context, TensorView<const T, Cpu> src, std::span<const Index> maps,
                TensorView<T, Cpu> values, TensorView<std::int32_t, Cpu> places) {
  const Index pixels = src.rank() == 4 ? src[2] * src[3] : 1, number = static_cast<Index>(maps.size());
  const bool together = src.rank() == 4 && src.layout() == Layout::nhwc;
  const Index pixel_step = together ? src[1] : 1, map_step = together ? 1 : pixels;
  // A few maps of one image at a time: their pixels are neighbours in nhwc.
  constexpr Index group = 64;
  const Index groups = (number + group - 1) / group;
  const auto body = [&](Index part) {
    const Index n = part / groups, begin = part % groups * group, end = std::min(number, begin + group);
    const T* image = src.data() + n * src[1] * pixels;
    T* best = values.data() + n * number;
    std::int32_t* place = places.data() + n * number;
    const auto map_at = [&](Index k) { return image + maps[static_cast<std::size_t>(k)] * map_step; };
    for (Index k = begin; k < end; ++k) {
      best[k] = *map_at(k);
      place[k] = 0;
    }
    const auto look = [&](Index k, Index i) {
      const T value = map_at(k)[i * pixel_step];
      if (value > best[k] || best[k] != best[k]) {
        best[k] = value;
        place[k] = static_cast<std::int32_t>(i);
      }
    };
    if (together) {
      for (Index i = 1; i < pixels; ++i)
        for (Index k = begin; k < end; ++k) look(k, i);
    } else {
      for (Index k = begin; k < end; ++k)
        for (Index i = 1; i < pixels; ++i) look(k, i);
    }
  };
  parallel_for(context, src[0] * groups, body, deconv::detail::row_grain(group * pixels));
}

}  // namespace deconv::cpu
