#pragma once

#include <algorithm>

#include "deconv/core/shape.hpp"

// How the products of few images are divided: numbers that depend on a machine. The choice looks at the
// weights' shape alone, so that every GPU computes the same bits, whatever the number of images.
namespace deconv::cuda::tuning {

/// Parts that the walk of `steps` stages over the weights is split into where `tiles` blocks alone would walk
/// (32 rows forward, 32 columns of 16 bytes back to the data), each writing `values` sums. In units of one
/// stage on a multiprocessor: the stages of the fullest of 132, two more a block to fill its ring and to add
/// up, and for more than one part another kernel and the parts' way through memory, 8 bytes a sum.
[[nodiscard]] constexpr int few_splits(Index tiles, Index steps, Index values) {
  constexpr Index processors = 132, most = 32, edge = 2, kernel = 3, bytes_a_stage = processors << 14;
  int best = 1;
  double least = 0;
  for (Index splits = 1; splits <= std::min(steps, most); ++splits) {
    const Index rounds = (tiles * splits + processors - 1) / processors;
    double cost = static_cast<double>(rounds * ((steps + splits - 1) / splits + edge));
    if (splits > 1)
      cost += static_cast<double>(kernel) +
              static_cast<double>(8 * values * splits) / static_cast<double>(bytes_a_stage);
    if (splits > 1 && cost >= least) continue;
    least = cost;
    best = static_cast<int>(splits);
  }
  return best;
}

}  // namespace deconv::cuda::tuning
