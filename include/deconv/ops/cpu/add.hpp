#pragma once

#include <algorithm>
#include <array>

#include "deconv/core/parallel.hpp"
#include "deconv/ops/add.hpp"

namespace deconv::cpu {

template <class T>
void accumulate(const Context<Cpu>& context, TensorView<const T, Cpu> src, TensorView<T, Cpu> dst) {
  parallel_ranges(context, dst.count(), 16384, [&](Index begin, Index end) {
    const T* from = src.data();
    T* to = dst.data();
#pragma omp simd
    for (Index i = begin; i < end; ++i) to[i] += from[i];
  });
}

template <class T>
void add_forward(const Context<Cpu>& context, std::span<const TensorView<const T, Cpu>> sources,
                 TensorView<T, Cpu> dst) {
  if (sources.size() == 2) {
    const T *a = sources[0].data(), *b = sources[1].data();
    parallel_ranges(context, dst.count(), 16384, [a, b, to = dst.data()](Index begin, Index end) {
#pragma omp simd
      for (Index i = begin; i < end; ++i) to[i] = a[i] + b[i];
    });
    return;
  }
  parallel_ranges(context, dst.count(), 16384, [&](Index begin, Index end) {
    // Block by block, so that many sources cost no more traffic of dst, and dst may be any of them.
    constexpr Index block = 512;
    std::array<T, block> sum;
    for (Index at = begin; at < end; at += block) {
      const Index count = std::min(block, end - at);
      std::copy_n(sources[0].data() + at, count, sum.data());
      for (const auto& src : sources.subspan(1)) {
        const T* from = src.data() + at;
#pragma omp simd
        for (Index i = 0; i < count; ++i) sum[static_cast<std::size_t>(i)] += from[i];
      }
      std::copy_n(sum.data(), count, dst.data() + at);
    }
  });
}

}  // namespace deconv::cpu
