#pragma once

#include "common/divide.cuh"
#include "common/in_flight.cuh"

// Parts of a concatenation: rows of `run` elements that lie `src_step` apart in the one tensor and `dst_step`
// in the other. Bytes: the part twice; no flops. A thread moves 16 bytes where both sides allow it.
//
//     whole  [ aaa|bbbbb|cc ][ aaa|bbbbb|cc ]     nhwc: a row is a pixel, a run its channels of one part;
//     part        [bbbbb][bbbbb]                  nchw: a row is an image, a run the maps of one part
namespace deconv::cuda {

/// Counts everything in units of U, an element or 16 bytes; `units` = rows * run is below 2^31.
template <class U>
__global__ void __launch_bounds__(256)
    copy_runs(const U* __restrict__ src, Index src_step, U* __restrict__ dst, Index dst_step, Divider by_run,
              std::uint32_t units) {
  with_loads_in_flight<loads_in_flight>(
      units,
      [&](std::uint32_t u) {
        const auto at = by_run(u);
        return src[at.quotient * src_step + at.remainder];
      },
      [&](std::uint32_t u, const U& value) {
        const auto at = by_run(u);
        dst[at.quotient * dst_step + at.remainder] = value;
      });
}

}  // namespace deconv::cuda
