#pragma once

#include "common/element.cuh"
#include "common/planes.cuh"

// Unpooling by indices that come as data. Indices may repeat and point anywhere, so nothing can be gathered
// at once. In two steps, deterministic all the same:
//
//   claims[index] = the greatest rank (place in raster order, from 1) of the elements that name it;
//   dst = the claiming element, or 0 where no one claimed.
//
// The maximum of integers has the same result in whatever order threads arrive. Bytes: src, indices and dst
// once, and per element of dst 4 (8 beyond 2^32 elements) bytes of claims cleared, claimed and read.
namespace deconv::cuda {

/// Where row-major element `index` of N x C x H x W lies in memory.
struct Placement {
  bool woven;
  Index channels, plane;
  Placement(const Shape& shape, Layout layout)
      : woven(layout == Layout::nhwc), channels(shape[1]), plane(shape[2] * shape[3]) {}
  __device__ Index operator()(Index index) const {
    if (!woven) return index;
    const Index image = index / (plane * channels), inside = index % (plane * channels);
    return (image * plane + inside % plane) * channels + inside / plane;
  }
};

/// Claim is unsigned int or unsigned long long, as atomicMax takes them.
template <class Claim>
__global__ void claim_places(Placement from, Placement to, Index count, Index places,
                             const std::int64_t* indices, Claim* claims) {
  const Index step = static_cast<Index>(gridDim.x) * blockDim.x;
  for (Index rank = static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x; rank < count; rank += step) {
    const Index index = indices[from(rank)];
    if (index >= 0 && index < places) atomicMax(claims + to(index), static_cast<Claim>(rank + 1));
  }
}

template <class T, class Claim>
__global__ void take_claimed(Placement from, Index places, const Claim* claims, const T* src, T* dst) {
  const Index step = static_cast<Index>(gridDim.x) * blockDim.x;
  for (Index i = static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x; i < places; i += step) {
    const Claim rank = claims[i];
    dst[i] = rank == 0 ? from_float<T>(0.0f) : src[from(static_cast<Index>(rank - 1))];
  }
}

template <class T>
__global__ void take_indexed(Placement from, Index count, Index places, const std::int64_t* indices,
                             const T* diff_dst, T* diff_src) {
  const Index step = static_cast<Index>(gridDim.x) * blockDim.x;
  for (Index i = static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x; i < count; i += step) {
    const Index index = indices[i];
    diff_src[i] = index >= 0 && index < places ? diff_dst[from(index)] : from_float<T>(0.0f);
  }
}

}  // namespace deconv::cuda
