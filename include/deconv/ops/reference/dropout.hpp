#pragma once

#include "deconv/ops/dropout.hpp"

namespace deconv::reference {

/// As deconv::dropout_forward, for rank 4 and with a mask.
template <class T>
void dropout_forward(Source<T, Cpu> src, float ratio, const Random& random, Index first,
                     TensorView<T, Cpu> dst, TensorView<std::uint8_t, Cpu> mask) {
  auto i = static_cast<std::uint64_t>(first);
  for (Index n = 0; n < src[0]; ++n)
    for (Index c = 0; c < src[1]; ++c)
      for (Index y = 0; y < src[2]; ++y)
        for (Index x = 0; x < src[3]; ++x) {
          mask(n, c, y, x) = random.uniform(i++) >= ratio;
          dst(n, c, y, x) =
              mask(n, c, y, x) ? src(n, c, y, x) * (T(1) / (T(1) - static_cast<T>(ratio))) : T(0);
        }
}

/// As deconv::dropout_reverse.
template <class T>
void dropout_reverse(Source<T, Cpu> diff_dst, TensorView<const std::uint8_t, Cpu> mask, float ratio,
                     TensorView<T, Cpu> diff_src) {
  for (Index i = 0; i < diff_src.count(); ++i)
    diff_src.data()[i] = mask.data()[i] ? diff_dst.data()[i] * (T(1) / (T(1) - static_cast<T>(ratio))) : T(0);
}

}  // namespace deconv::reference
