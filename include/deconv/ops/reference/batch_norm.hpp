#pragma once

#include <cmath>

#include "deconv/ops/batch_norm.hpp"

namespace deconv::reference {

/// As deconv::batch_norm_forward, for rank 4.
template <class T>
void batch_norm_forward(Source<T, Cpu> src, Source<T, Cpu> scale, Source<T, Cpu> bias, Source<T, Cpu> mean,
                        Source<T, Cpu> variance, float epsilon, TensorView<T, Cpu> dst) {
  for (Index n = 0; n < src[0]; ++n)
    for (Index c = 0; c < src[1]; ++c)
      for (Index y = 0; y < src[2]; ++y)
        for (Index x = 0; x < src[3]; ++x)
          dst(n, c, y, x) = (src(n, c, y, x) - mean.data()[c]) /
                                std::sqrt(variance.data()[c] + static_cast<T>(epsilon)) * scale.data()[c] +
                            bias.data()[c];
}

/// As deconv::batch_norm_reverse, for rank 4.
template <class T>
void batch_norm_reverse(Source<T, Cpu> diff_dst, Source<T, Cpu> scale, Source<T, Cpu> variance, float epsilon,
                        TensorView<T, Cpu> diff_src) {
  for (Index n = 0; n < diff_dst[0]; ++n)
    for (Index c = 0; c < diff_dst[1]; ++c)
      for (Index y = 0; y < diff_dst[2]; ++y)
        for (Index x = 0; x < diff_dst[3]; ++x)
          diff_src(n, c, y, x) = diff_dst(n, c, y, x) * scale.data()[c] /
                                 std::sqrt(variance.data()[c] + static_cast<T>(epsilon));
}

/// As deconv::batch_norm_reverse_parameters, for rank 4.
template <class T>
void batch_norm_reverse_parameters(Source<T, Cpu> src, Source<T, Cpu> diff_dst, Source<T, Cpu> mean,
                                   Source<T, Cpu> variance, float epsilon, TensorView<T, Cpu> diff_scale,
                                   TensorView<T, Cpu> diff_bias) {
  for (Index c = 0; c < src[1]; ++c) {
    diff_scale.data()[c] = diff_bias.data()[c] = T(0);
    for (Index n = 0; n < src[0]; ++n)
      for (Index y = 0; y < src[2]; ++y)
        for (Index x = 0; x < src[3]; ++x) {
          diff_scale.data()[c] += diff_dst(n, c, y, x) * (src(n, c, y, x) - mean.data()[c]) /
                                  std::sqrt(variance.data()[c] + static_cast<T>(epsilon));
          diff_bias.data()[c] += diff_dst(n, c, y, x);
        }
  }
}

}  // namespace deconv::reference
