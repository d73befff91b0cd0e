#pragma once

// CUDA's qualifiers for a host compiler. A block runs wholly on one thread of the operating system, hence
// thread-local storage is the block's shared memory.

// Whatever a kernel calls becomes part of it, as nvcc has it: local arrays then need no memory, hence no
// check.
#ifdef DECONV_SIMT_FLATTEN
#define __global__ __attribute__((flatten))
#else
#define __global__
#endif
#define __device__
#define __host__
#define __constant__
#define __grid_constant__
#define __shared__ static thread_local
#define __forceinline__ __inline__ __attribute__((always_inline))
#define __restrict__ __restrict
#define __launch_bounds__(...)
#define __maxnreg__(...)
#define __cluster_dims__(...)
#define __align__(bytes) __attribute__((aligned(bytes)))
