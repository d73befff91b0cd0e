#pragma once

#include <algorithm>

#include "deconv/core/parallel.hpp"
#include "deconv/ops/fill.hpp"

namespace deconv::cpu {

template <class T>
void fill(const Context<Cpu>& context, T* dst, T value, Index count) {
  parallel_ranges(context, count, 16384,
                  [=](Index begin, Index end) { std::fill(dst + begin, dst + end, value); });
}

}  // namespace deconv::cpu
