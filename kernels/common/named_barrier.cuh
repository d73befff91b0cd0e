#pragma once

#ifndef __CUDACC__
#include <source_location>

#include "simt/named_barrier.hpp"
#endif

// The block's sixteen barriers by number: parts of a block meet without the rest. Barrier 0 is
// __syncthreads'; 1 to 15 are free. `threads` counts all that take part, those that wait and those that only
// arrive, in whole warps; a barrier of which all have come is open again for the next round. Shared memory
// written before an arrival is seen after a wait of the same round. Whole warps call together.
// Where the compiler does not know an id it sets all sixteen aside; on compute capability 9.0 the blocks of a
// multiprocessor share 64.
//
// Source: PTX ISA, "bar, barrier".
namespace deconv::cuda {

#ifdef __CUDACC__
#define DECONV_WHERE
#else
#define DECONV_WHERE , const std::source_location& where = std::source_location::current()
#endif

/// Arrives at barrier `id` and waits until `threads` threads have come.
__device__ __forceinline__ void named_barrier_sync(int id, int threads DECONV_WHERE) {
#ifdef __CUDACC__
  asm volatile("bar.sync %0, %1;" ::"r"(id), "r"(threads) : "memory");
#else
  simt::named_barrier(true, id, threads, where);
#endif
}

/// Arrives at barrier `id` and goes on: what the thread did before is shown to those who wait there.
__device__ __forceinline__ void named_barrier_arrive(int id, int threads DECONV_WHERE) {
#ifdef __CUDACC__
  asm volatile("bar.arrive %0, %1;" ::"r"(id), "r"(threads) : "memory");
#else
  simt::named_barrier(false, id, threads, where);
#endif
}

#undef DECONV_WHERE

}  // namespace deconv::cuda
