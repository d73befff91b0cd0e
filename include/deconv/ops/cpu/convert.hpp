#pragma once

#include "deconv/core/parallel.hpp"
#include "deconv/ops/convert.hpp"

namespace deconv::cpu {

template <class A, class B>
void convert(const Context<Cpu>& context, const A* src, B* dst, Index count) {
  parallel_ranges(context, count, 16384, [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) {
      if constexpr (std::same_as<A, B>)
        dst[i] = src[i];
      else if constexpr (sizeof(A) == 2 || sizeof(B) == 2)
        dst[i] = static_cast<B>(static_cast<float>(src[i]));
      else
        dst[i] = static_cast<B>(src[i]);
    }
  });
}

}  // namespace deconv::cpu
