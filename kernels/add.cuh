#pragma once

#include "common/element.cuh"
#include "common/in_flight.cuh"

// Sums of tensors, in float from the first source to the last, rounded once. Bytes: every source and dst
// once; one flop an element and source beyond the first, which hide behind the memory.
namespace deconv::cuda {

/// dst = a + b, the sum that residual layers and reverse passes make all the time. dst may be a or b.
template <class T, int N>
__global__ void __launch_bounds__(256) sum_two(const T* a, const T* b, T* dst, Index count) {
  struct Terms {
    Vector<T, N> a, b;
  };
  const Index vectors = count / N;
  with_loads_in_flight<2>(
      vectors,
      [&](Index v) {
        return Terms{load_vector<N>(a + v * N), load_vector<N>(b + v * N)};
      },
      [&](Index v, const Terms& terms) {
        Vector<T, N> sum;
#pragma unroll
        for (int i = 0; i < N; ++i)
          sum.at[i] = from_float<T>(to_float(terms.a.at[i]) + to_float(terms.b.at[i]));
        store_vector<N>(dst + v * N, sum);
      });
  const Index rest = vectors * N + static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (rest < count) dst[rest] = from_float<T>(to_float(a[rest]) + to_float(b[rest]));
}

/// The sources of one pass, inside the kernel's parameters.
template <class T>
struct SumSources {
  static constexpr int most = 64;
  const T* at[most];
};

/// dst = carried (when it is there) + the sources. A sum of more sources than one pass takes is carried on in
/// float: `A` is float then, else T. dst may be one of the sources.
template <class T, class A, int N>
__global__ void __launch_bounds__(256) sum_sources(const __grid_constant__ SumSources<T> sources, int number,
                                                   const float* carried, A* dst, Index count) {
  const Index first = static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x;
  const Index step = static_cast<Index>(gridDim.x) * blockDim.x;
  const Index vectors = count / N;
  for (Index v = first; v < vectors; v += step) {
    Vector<float, N> sum;
    const Vector<T, N> zeroth = load_vector<N>(sources.at[0] + v * N);
#pragma unroll
    for (int i = 0; i < N; ++i)
      sum.at[i] = carried != nullptr ? carried[v * N + i] + to_float(zeroth.at[i]) : to_float(zeroth.at[i]);
#pragma unroll 4
    for (int s = 1; s < number; ++s) {
      const Vector<T, N> term = load_vector<N>(sources.at[s] + v * N);
#pragma unroll
      for (int i = 0; i < N; ++i) sum.at[i] += to_float(term.at[i]);
    }
    Vector<A, N> rounded;
#pragma unroll
    for (int i = 0; i < N; ++i) rounded.at[i] = from_float<A>(sum.at[i]);
    store_vector<N>(dst + v * N, rounded);
  }
  for (Index i = vectors * N + first; i < count; i += step) {
    float sum = to_float(sources.at[0][i]);
    if (carried != nullptr) sum = carried[i] + sum;
    for (int s = 1; s < number; ++s) sum += to_float(sources.at[s][i]);
    dst[i] = from_float<A>(sum);
  }
}

}  // namespace deconv::cuda
