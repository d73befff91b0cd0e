#pragma once

#include <cuda_runtime.h>

// Reductions in one fixed order, so that reruns give the same bits.
namespace deconv::cuda {

inline constexpr unsigned all_lanes = 0xffffffffu;

/// The sum over the warp's lanes, in all of them; all lanes must call it. Adds pairs 16, 8, 4, 2, 1 apart.
__device__ inline float warp_sum(float value) {
#pragma unroll
  for (int apart = 16; apart > 0; apart /= 2) value += __shfl_xor_sync(all_lanes, value, apart);
  return value;
}

/// The maximum over the warp's lanes, in all of them; NaN loses.
__device__ inline float warp_max(float value) {
#pragma unroll
  for (int apart = 16; apart > 0; apart /= 2) value = fmaxf(value, __shfl_xor_sync(all_lanes, value, apart));
  return value;
}

/// The sum over a block of `Warps` whole warps (in one dimension), in all threads; all must call it.
template <int Warps>
__device__ inline float block_sum(float value) {
  __shared__ float of_warp[Warps];
  value = warp_sum(value);
  __syncthreads();  // what an earlier call left may still be read
  if (threadIdx.x % 32 == 0) of_warp[threadIdx.x / 32] = value;
  __syncthreads();
  float sum = 0;
#pragma unroll
  for (int warp = 0; warp < Warps; ++warp) sum += of_warp[warp];
  return sum;
}

/// The maximum over a block of `Warps` whole warps, in all threads; all must call it. NaN loses.
template <int Warps>
__device__ inline float block_max(float value) {
  __shared__ float of_warp[Warps];
  value = warp_max(value);
  __syncthreads();
  if (threadIdx.x % 32 == 0) of_warp[threadIdx.x / 32] = value;
  __syncthreads();
  float most = of_warp[0];
#pragma unroll
  for (int warp = 1; warp < Warps; ++warp) most = fmaxf(most, of_warp[warp]);
  return most;
}

}  // namespace deconv::cuda
