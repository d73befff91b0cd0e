#pragma once

#ifndef __CUDACC__
#include "simt/block.hpp"
#endif

namespace deconv::cuda {

/// The block's dynamic shared memory, as large as the launch asked for, aligned to 16 bytes. The same memory
/// whatever T: who divides it among several arrays computes their places from one call.
template <class T>
__device__ __forceinline__ T* dynamic_shared() {
#ifdef __CUDACC__
  extern __shared__ __align__(16) unsigned char dynamic_shared_memory[];
#else
  void* const dynamic_shared_memory = simt::dynamic_shared_memory();
#endif
  return reinterpret_cast<T*>(dynamic_shared_memory);
}

}  // namespace deconv::cuda
