#pragma once

#include "common/element.cuh"

// Single elements. Their places come from the host inside the kernel's parameters, so that nothing needs to
// be copied before and the work may be recorded in a graph.
namespace deconv::cuda {

/// As many places (and values) as fit the 4 KiB of parameters that every architecture allows.
struct Places {
  static constexpr int most = 256;
  Index offsets[most];
};
template <class T>
struct PlacedValues {
  static constexpr int most = 256;
  Index offsets[most];
  T values[most];
};

template <class T>
__global__ void read_places(const T* src, const __grid_constant__ Places places, int count, T* dst) {
  const int i = static_cast<int>(threadIdx.x);
  if (i < count) dst[i] = src[places.offsets[i]];
}

template <class T>
__global__ void scatter_places(const T* src, const __grid_constant__ Places places, int count, T* dst) {
  const int i = static_cast<int>(threadIdx.x);
  if (i < count) dst[places.offsets[i]] = src[i];
}

template <class T>
__global__ void write_places(const __grid_constant__ PlacedValues<T> placed, int count, T* dst) {
  const int i = static_cast<int>(threadIdx.x);
  if (i >= count) return;
  // The last of several values for one place stands.
  for (int later = i + 1; later < count; ++later)
    if (placed.offsets[later] == placed.offsets[i]) return;
  dst[placed.offsets[i]] = placed.values[i];
}

}  // namespace deconv::cuda
