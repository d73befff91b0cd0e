#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "deconv/core/parallel.hpp"
#include "deconv/ops/weighted_maps.hpp"

namespace deconv::cpu {

template <class T>
void gradient_weighted_maps(const Context<Cpu>& context, TensorView<const T, Cpu> maps,
                            TensorView<const T, Cpu> gradient, TensorView<T, Cpu> weights,
                            TensorView<T, Cpu> dst) {
  const Index channels = maps[1], positions = maps[2] * maps[3];
  const bool together = maps.layout() == Layout::nhwc;
  const Index position_step = together ? channels : 1, map_step = together ? 1 : positions;
  parallel_for(context, maps[0], [&](Index n) {
    std::vector<double> sum(static_cast<std::size_t>(positions), 0.0);
    const T* values = maps.data() + n * channels * positions;
    const T* slopes = gradient.data() + n * channels * positions;
    for (Index k = 0; k < channels; ++k) {
      double weight = 0;
      for (Index i = 0; i < positions; ++i)
        weight += static_cast<double>(slopes[k * map_step + i * position_step]);
      weight /= static_cast<double>(positions);
      weights.data()[n * channels + k] = static_cast<T>(weight);
      for (Index i = 0; i < positions; ++i) {
        double& total = sum[static_cast<std::size_t>(i)];
        total = std::fma(weight, static_cast<double>(values[k * map_step + i * position_step]), total);
      }
    }
    for (Index i = 0; i < positions; ++i)
      dst.data()[n * positions + i] = static_cast<T>(std::max(sum[static_cast<std::size_t>(i)], 0.0));
  });
}

}  // namespace deconv::cpu
