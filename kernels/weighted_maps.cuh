#pragma once

#include "common/element.cuh"

// Means of gradients, and maps added up under them. Both are small beside the pass that made the gradient: a
// thread takes one sum, in the order that the host takes it in, so that the bits are the same. In nhwc
// neighbouring threads of the first kernel read neighbouring elements, in nchw those of the second.
namespace deconv::cuda {

/// Where element (n, k, position) of a tensor lies: position * position_step + k * map_step of image n.
struct MapPlaces {
  Index channels, positions, position_step, map_step;
};

/// One thread a map of an image: n * channels + k.
template <class T>
__global__ void __launch_bounds__(128)
    mean_slopes(const T* gradient, MapPlaces at, Index count, double* means, T* weights) {
  const Index i = Index{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i >= count) return;
  const Index n = i / at.channels, k = i % at.channels;
  const T* slopes = gradient + n * at.channels * at.positions + k * at.map_step;
  double sum = 0;
  for (Index p = 0; p < at.positions; ++p) sum += static_cast<double>(to_float(slopes[p * at.position_step]));
  means[i] = sum / static_cast<double>(at.positions);
  weights[i] = from_float<T>(static_cast<float>(means[i]));
}

/// One thread a position of an image: n * positions + p.
template <class T>
__global__ void __launch_bounds__(128)
    add_weighted(const T* maps, MapPlaces at, Index count, const double* means, T* dst) {
  const Index i = Index{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i >= count) return;
  const Index n = i / at.positions, p = i % at.positions;
  const T* values = maps + n * at.channels * at.positions + p * at.position_step;
  double sum = 0;
#pragma unroll 4
  for (Index k = 0; k < at.channels; ++k)
    sum = fma(means[n * at.channels + k], static_cast<double>(to_float(values[k * at.map_step])), sum);
  // As std::max(sum, 0.0): NaN stays.
  dst[i] = from_float<T>(static_cast<float>(sum < 0 ? 0.0 : sum));
}

}  // namespace deconv::cuda
