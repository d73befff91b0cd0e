#pragma once

#include "common/element.cuh"

// The strongest activations so far. A thread has one map and takes the batch's images in their order; most
// are turned away by one comparison with the weakest hit, which stays in a register. Neighbouring threads
// read neighbouring values. Bytes: the batch's values once; a map's hits once for each image that comes in.
namespace deconv::cuda {

/// Numbers of some of the batch's images, inside the kernel's parameters.
struct ImageNumbers {
  static constexpr int most = 384;
  std::int64_t at[most];
};

/// Whether a hit of `value` from `image` stands before one of `other` from `other_image`.
__device__ inline bool stands_before(float value, std::int64_t image, float other, std::int64_t other_image) {
  if (value != other) return value > other || other != other;
  return image < other_image;
}

template <class T>
__global__ void __launch_bounds__(128)
    take_in_hits(const T* batch_values, const std::int32_t* batch_places,
                 const __grid_constant__ ImageNumbers numbers, int images, Index maps, int top, int held,
                 T* values, std::int64_t* hit_images, std::int32_t* places) {
  const Index map = static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (map >= maps) return;
  values += map * top;
  hit_images += map * top;
  places += map * top;
  float weakest = held == top ? to_float(values[top - 1]) : 0.0f;
  std::int64_t weakest_image = held == top ? hit_images[top - 1] : 0;
  for (int n = 0; n < images; ++n) {
    const Index from = n * maps + map;
    const T met = batch_values[from];
    const float value = to_float(met);
    const std::int64_t image = numbers.at[n];
    if (held == top && !stands_before(value, image, weakest, weakest_image)) continue;
    int at = 0;
    while (at < held && !stands_before(value, image, to_float(values[at]), hit_images[at])) ++at;
    if (held < top) ++held;
#pragma unroll 1
    for (int i = held - 1; i > at; --i) {
      values[i] = values[i - 1];
      hit_images[i] = hit_images[i - 1];
      places[i] = places[i - 1];
    }
    values[at] = met;
    hit_images[at] = image;
    places[at] = batch_places[from];
    weakest = to_float(values[held - 1]);
    weakest_image = hit_images[held - 1];
  }
}

}  // namespace deconv::cuda
