// The measuring room's own kernels.
#include "common/launch.cuh"
#include "measure.hpp"

namespace deconv::bench {
namespace {

__global__ void __launch_bounds__(256) read_kernel(const float4* src, Index count, float* sums) {
  float sum = 0;
  const Index step = Index{gridDim.x} * blockDim.x;
  for (Index i = Index{blockIdx.x} * blockDim.x + threadIdx.x; i < count; i += step) {
    const float4 v = src[i];
    sum += v.x + v.y + v.z + v.w;
  }
  // One writer a block; the others' sums only keep their reads from being optimised away.
  if (threadIdx.x == 0 || sum == 1.2345e38f) sums[blockIdx.x] = sum;
}

__global__ void __launch_bounds__(256) copy_kernel(const float4* src, float4* dst, Index count) {
  constexpr int loads = 4;  // started before the first store
  const Index step = Index{gridDim.x} * blockDim.x;
  Index i = Index{blockIdx.x} * blockDim.x + threadIdx.x;
  for (; i + (loads - 1) * step < count; i += loads * step) {
    float4 v[loads];
#pragma unroll
    for (int k = 0; k < loads; ++k) v[k] = src[i + k * step];
#pragma unroll
    for (int k = 0; k < loads; ++k) dst[i + k * step] = v[k];
  }
  for (; i < count; i += step) dst[i] = src[i];
}

}  // namespace

void read_all(const Context<Cuda>& context, const float* src, Index count, float* sums) {
  cuda::launch(context, read_kernel, dim3(static_cast<unsigned>(read_all_sums)), dim3(256), 0,
               reinterpret_cast<const float4*>(src), count / 4, sums);
}

void copy_all(const Context<Cuda>& context, const float* src, float* dst, Index count) {
  cuda::launch(context, copy_kernel, cuda::grid_for(count / 16, 256), dim3(256), 0,
               reinterpret_cast<const float4*>(src), reinterpret_cast<float4*>(dst), count / 4);
}

}  // namespace deconv::bench
