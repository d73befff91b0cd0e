#pragma once

#include "deconv/core/shape.hpp"

// A GPU's memory is kept busy by what is on its way: some 40 KB a multiprocessor on an H200.
namespace deconv::cuda {

/// For v = first, first + step, ..., U of them a round, `advance` from one round to the next, as long as v is
/// below `count`: store(v, load(v)). A thread starts a round's loads before its first store. `load` and
/// `store` must not depend on each other's memory.
template <int U, class I, class Load, class Store>
__device__ inline void load_then_store(I first, I count, I step, I advance, const Load& load,
                                       const Store& store) {
  for (; first < count; first += advance) {
    decltype(load(first)) values[U];
#pragma unroll
    for (int u = 0; u < U; ++u)
      if (first + static_cast<I>(u) * step < count) values[u] = load(first + static_cast<I>(u) * step);
#pragma unroll
    for (int u = 0; u < U; ++u)
      if (first + static_cast<I>(u) * step < count) store(first + static_cast<I>(u) * step, values[u]);
  }
}

/// The same for every v of [0, count), spread over the grid; neighbouring threads take neighbouring v.
template <int U, class I, class Load, class Store>
__device__ inline void with_loads_in_flight(I count, const Load& load, const Store& store) {
  const I threads = static_cast<I>(blockDim.x), part = threads * U;
  load_then_store<U>(static_cast<I>(blockIdx.x) * part + static_cast<I>(threadIdx.x), count, threads,
                     static_cast<I>(gridDim.x) * part, load, store);
}

/// The same, spread over one block.
template <int U, class Load, class Store>
__device__ inline void block_with_loads_in_flight(int count, const Load& load, const Store& store) {
  const int threads = static_cast<int>(blockDim.x);
  load_then_store<U>(static_cast<int>(threadIdx.x), count, threads, threads * U, load, store);
}

/// Loads that a thread of a plain streaming kernel starts at once.
inline constexpr int loads_in_flight = 4;

}  // namespace deconv::cuda
