#pragma once

#include "deconv/ops/weighted_maps.hpp"

namespace deconv::reference {

/// As deconv::gradient_weighted_maps.
template <class T>
void gradient_weighted_maps(Source<T, Cpu> maps, Source<T, Cpu> gradient, TensorView<T, Cpu> weights,
                            TensorView<T, Cpu> dst) {
  const Index height = maps[2], width = maps[3];
  for (Index n = 0; n < maps[0]; ++n) {
    for (Index k = 0; k < maps[1]; ++k) {
      double sum = 0;
      for (Index y = 0; y < height; ++y)
        for (Index x = 0; x < width; ++x) sum += static_cast<double>(gradient(n, k, y, x));
      weights.data()[n * maps[1] + k] = static_cast<T>(sum / static_cast<double>(height * width));
    }
    for (Index y = 0; y < height; ++y)
      for (Index x = 0; x < width; ++x) {
        double sum = 0;
        for (Index k = 0; k < maps[1]; ++k) {
          double weight = 0;
          for (Index i = 0; i < height * width; ++i)
            weight += static_cast<double>(gradient(n, k, i / width, i % width));
          sum += weight / static_cast<double>(height * width) * static_cast<double>(maps(n, k, y, x));
        }
        dst.data()[(n * height + y) * width + x] = static_cast<T>(sum > 0 ? sum : 0);
      }
  }
}

}  // namespace deconv::reference
