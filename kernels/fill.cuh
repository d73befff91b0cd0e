#pragma once

#include "common/element.cuh"

// One value everywhere. Bytes: dst once; no flops.
namespace deconv::cuda {

template <class B, int N>
__global__ void __launch_bounds__(256) fill_elements(B value, B* dst, Index count) {
  const Index first = static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x;
  const Index step = static_cast<Index>(gridDim.x) * blockDim.x;
  const Index vectors = count / N;
  Vector<B, N> all;
#pragma unroll
  for (int i = 0; i < N; ++i) all.at[i] = value;
  for (Index v = first; v < vectors; v += step) store_vector<N>(dst + v * N, all);
  for (Index i = vectors * N + first; i < count; i += step) dst[i] = value;
}

}  // namespace deconv::cuda
