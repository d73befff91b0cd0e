#pragma once

#include "common/element.cuh"

// Conversion between float, half and bfloat16. A thread moves as many elements at once as make 16 bytes of
// the wider type; 4 vectors a thread keep enough bytes on the way. Bytes: src and dst once; one operation an
// element.
namespace deconv::cuda {

template <class A, class B, int N>
__global__ void __launch_bounds__(256) convert_elements(const A* src, B* dst, Index count) {
  const Index first = static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x;
  const Index step = static_cast<Index>(gridDim.x) * blockDim.x;
  const Index vectors = count / N;
#pragma unroll 4
  for (Index v = first; v < vectors; v += step) {
    const Vector<A, N> from = load_vector<N>(src + v * N);
    Vector<B, N> to;
#pragma unroll
    for (int i = 0; i < N; ++i) to.at[i] = from_float<B>(to_float(from.at[i]));
    store_vector<N>(dst + v * N, to);
  }
  for (Index i = vectors * N + first; i < count; i += step) dst[i] = from_float<B>(to_float(src[i]));
}

}  // namespace deconv::cuda
