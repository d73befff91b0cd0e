#pragma once

#include "common/element.cuh"

// Planes resized: a thread an output, which reads its four neighbours; a plane that grows is read from cache.
// Places are found in double, since float's 24 bits place the pixels of large planes badly.
namespace deconv::cuda {

struct PlaneSizes {
  int src_height, src_width, dst_height, dst_width;
};

/// The value at or before a place, the one after, and how far it is from the first.
struct Between {
  int low, high;
  float share;
};

__device__ inline Between between(int at, int source, int target) {
  const double centre = (at + 0.5) * source / target - 0.5, last = source - 1;
  const double inside = centre < 0 ? 0 : centre > last ? last : centre;
  const int low = static_cast<int>(inside);
  return {low, low + 1 < source ? low + 1 : source - 1, static_cast<float>(inside - low)};
}

/// Grid: x over the outputs of a plane, y over planes, which are more than a grid's y may have: hence a loop.
template <class T>
__global__ void __launch_bounds__(256) resize_plane(const T* src, PlaneSizes sizes, Index planes, T* dst) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i >= sizes.dst_height * sizes.dst_width) return;
  const Between y = between(i / sizes.dst_width, sizes.src_height, sizes.dst_height);
  const Between x = between(i % sizes.dst_width, sizes.src_width, sizes.dst_width);
  const Index src_count = Index{sizes.src_height} * sizes.src_width,
              dst_count = Index{sizes.dst_height} * sizes.dst_width;
  for (Index n = blockIdx.y; n < planes; n += gridDim.y) {
    const T* upper = src + n * src_count + Index{y.low} * sizes.src_width;
    const T* lower = src + n * src_count + Index{y.high} * sizes.src_width;
    const float a = to_float(upper[x.low]), b = to_float(upper[x.high]), c = to_float(lower[x.low]),
                d = to_float(lower[x.high]);
    const float above = a + x.share * (b - a), below = c + x.share * (d - c);
    dst[n * dst_count + i] = from_float<T>(above + y.share * (below - above));
  }
}

}  // namespace deconv::cuda
