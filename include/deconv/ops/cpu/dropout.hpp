#pragma once

#include "deconv/core/parallel.hpp"
#include "deconv/ops/dropout.hpp"

namespace deconv::cpu {

template <class T>
void dropout_forward(const Context<Cpu>& context, TensorView<const T, Cpu> src, float ratio,
                     const Random& random, TensorView<T, Cpu> dst, TensorView<std::uint8_t, Cpu> mask) {
  const T scale = T(1) / (T(1) - static_cast<T>(ratio));
  const bool row_major = src.row_major();
  const Index channels = row_major ? 1 : src[1], plane = row_major ? 1 : src[2] * src[3];
  parallel_ranges(context, src.count(), 4096, [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) {
      Index logical = i;
      if (!row_major) {
        const Index pixel = i / channels;
        logical = (pixel / plane * channels + i % channels) * plane + pixel % plane;
      }
      const bool stays = random.uniform(static_cast<std::uint64_t>(logical)) >= ratio;
      mask.data()[i] = stays ? 1 : 0;
      dst.data()[i] = stays ? src.data()[i] * scale : T(0);
    }
  });
}

template <class T>
void dropout_reverse(const Context<Cpu>& context, const T* diff_dst, const std::uint8_t* mask, float ratio,
                     T* diff_src, Index count) {
  const T scale = T(1) / (T(1) - static_cast<T>(ratio));
  parallel_ranges(context, count, 16384, [&](Index begin, Index end) {
#pragma omp simd
    for (Index i = begin; i < end; ++i) diff_src[i] = mask[i] != 0 ? diff_dst[i] * scale : T(0);
  });
}

}  // namespace deconv::cpu
