#pragma once

#ifndef __CUDACC__
#include "simt/async_copy.hpp"
#endif

// Copies from global to shared memory that pass by the registers and run beside the arithmetic (cp.async,
// from compute capability 8.0 on). A thread starts copies, closes them into groups, and waits for its own
// groups; a barrier then shows the bytes to the rest of the block. Until the wait nobody may touch the
// destination.
namespace deconv::cuda {

/// Starts a copy of `Bytes` (4, 8 or 16) bytes; both ends are aligned to as many. 16 bytes go past the first
/// cache.
template <int Bytes>
__device__ __forceinline__ void copy_async(void* shared, const void* global) {
  static_assert(Bytes == 4 || Bytes == 8 || Bytes == 16);
#ifdef __CUDACC__
  const unsigned address = static_cast<unsigned>(__cvta_generic_to_shared(shared));
  if constexpr (Bytes == 16) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(address), "l"(global) : "memory");
  } else {
    asm volatile("cp.async.ca.shared.global [%0], [%1], %2;" ::"r"(address), "l"(global), "n"(Bytes)
                 : "memory");
  }
#else
  simt::async_copy(shared, global, Bytes, Bytes);
#endif
}

/// As copy_async where `there`, else sets the destination to zero without reading the source, which must be
/// an address of global memory all the same.
template <int Bytes>
__device__ __forceinline__ void copy_async_or_zero(void* shared, const void* global, bool there) {
  static_assert(Bytes == 4 || Bytes == 8 || Bytes == 16);
#ifdef __CUDACC__
  const unsigned address = static_cast<unsigned>(__cvta_generic_to_shared(shared));
  const int read = there ? Bytes : 0;
  if constexpr (Bytes == 16) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(address), "l"(global), "r"(read)
                 : "memory");
  } else {
    asm volatile("cp.async.ca.shared.global [%0], [%1], %2, %3;" ::"r"(address), "l"(global), "n"(Bytes),
                 "r"(read)
                 : "memory");
  }
#else
  simt::async_copy(shared, global, Bytes, there ? Bytes : 0);
#endif
}

/// Starts a copy of the first `read` (0 to 16) bytes of 16; the others of the destination become zero. Both
/// ends are aligned to 16; `global` must be an address of global memory even where nothing is read.
__device__ __forceinline__ void copy_async_first(void* shared, const void* global, int read) {
#ifdef __CUDACC__
  const unsigned address = static_cast<unsigned>(__cvta_generic_to_shared(shared));
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(address), "l"(global), "r"(read)
               : "memory");
#else
  simt::async_copy(shared, global, 16, static_cast<unsigned>(read));
#endif
}

/// Closes this thread's copies since the last call into a group; an empty group counts too.
__device__ __forceinline__ void close_copy_group() {
#ifdef __CUDACC__
  asm volatile("cp.async.commit_group;" ::: "memory");
#else
  simt::async_commit();
#endif
}

/// Waits for all of this thread's groups but the newest `Newest`.
template <int Newest>
__device__ __forceinline__ void wait_for_copy_groups() {
#ifdef __CUDACC__
  asm volatile("cp.async.wait_group %0;" ::"n"(Newest) : "memory");
#else
  simt::async_wait(Newest);
#endif
}

}  // namespace deconv::cuda
