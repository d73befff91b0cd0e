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

struct Strength {
  float value;
  std::int64_t image;
};

/// Puts a hit in its place among `held`; what no longer fits falls out. Returns how many are held then.
template <class T>
__device__ inline int insert_hit(const Strength& hit, T value, std::int32_t place, int top, int held,
                                 T* values, std::int64_t* images, std::int32_t* places) {
  int at = 0;
  while (at < held && !stands_before(hit.value, hit.image, to_float(values[at]), images[at])) ++at;
  if (held < top) ++held;
#pragma unroll 1
  for (int i = held - 1; i > at; --i) {
    values[i] = values[i - 1];
    images[i] = images[i - 1];
    places[i] = places[i - 1];
  }
  values[at] = value;
  images[at] = hit.image;
  places[at] = place;
  return held;
}

/// Values of the batch that a thread reads ahead.
inline constexpr int hits_at_once = 8;

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
  for (int begin = 0; begin < images; begin += hits_at_once) {
    T values_ahead[hits_at_once];
#pragma unroll
    for (int i = 0; i < hits_at_once; ++i)
      if (begin + i < images) values_ahead[i] = batch_values[(begin + i) * maps + map];
#pragma unroll
    for (int i = 0; i < hits_at_once; ++i) {
      if (begin + i >= images) break;
      const float value = to_float(values_ahead[i]);
      const std::int64_t image = numbers.at[begin + i];
      if (held == top && !stands_before(value, image, weakest, weakest_image)) continue;
      held = insert_hit({value, image}, values_ahead[i], batch_places[(begin + i) * maps + map], top, held,
                        values, hit_images, places);
      weakest = to_float(values[held - 1]);
      weakest_image = hit_images[held - 1];
    }
  }
}

}  // namespace deconv::cuda
