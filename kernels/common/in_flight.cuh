#pragma once

#include "deconv/core/shape.hpp"

// A GPU's memory is kept busy by what is on its way: some 40 KB a multiprocessor on an H200.
namespace deconv::cuda {

/// For every v of [0, count), spread over the grid: store(v, load(v)). Each thread starts `U` loads before
/// its first store, neighbouring threads take neighbouring v. `load` and `store` must not depend on each
/// other's memory.
template <int U, class I, class Load, class Store>
__device__ inline void with_loads_in_flight(I count, const Load& load, const Store& store) {
  const I threads = static_cast<I>(blockDim.x), part = threads * U;
  for (I first = static_cast<I>(blockIdx.x) * part + static_cast<I>(threadIdx.x); first < count;
       first += static_cast<I>(gridDim.x) * part) {
    decltype(load(first)) values[U];
#pragma unroll
    for (int u = 0; u < U; ++u)
      if (first + static_cast<I>(u) * threads < count) values[u] = load(first + static_cast<I>(u) * threads);
#pragma unroll
    for (int u = 0; u < U; ++u)
      if (first + static_cast<I>(u) * threads < count) store(first + static_cast<I>(u) * threads, values[u]);
  }
}

/// Loads that a thread of a plain streaming kernel starts at once.
inline constexpr int loads_in_flight = 4;

}  // namespace deconv::cuda
