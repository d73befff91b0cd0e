#pragma once

#include "common/element.cuh"
#include "common/in_flight.cuh"

// Conversion between float, half and bfloat16. A thread moves as many elements at once as make 16 bytes of
// the wider type. Bytes: src and dst once; one operation an
// element.
namespace deconv::cuda {

template <class A, class B, int N>
__global__ void __launch_bounds__(256)
    convert_elements(const A* __restrict__ src, B* __restrict__ dst, Index count) {
  const Index first = static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x;
  const Index step = static_cast<Index>(gridDim.x) * blockDim.x;
  const Index vectors = count / N;
  with_loads_in_flight<loads_in_flight>(
      vectors, [&](Index v) { return load_vector<N>(src + v * N); },
      [&](Index v, const Vector<A, N>& from) {
        Vector<B, N> to;
#pragma unroll
        for (int i = 0; i < N; ++i) to.at[i] = from_float<B>(to_float(from.at[i]));
        store_vector<N>(dst + v * N, to);
      });
  for (Index i = vectors * N + first; i < count; i += step) dst[i] = from_float<B>(to_float(src[i]));
}

}  // namespace deconv::cuda
