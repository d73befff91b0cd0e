#pragma once

#include "deconv/core/context.hpp"
#include "deconv/ops/patch_grid.hpp"

// The launcher of fill_patches, see ops/fill_patches.hpp; kernels/fill_patches.cu. T is float, half or
// bfloat16.
namespace deconv::cuda {

template <class T>
void fill_patches(const Context<Cuda>& context, TensorView<const T, Cuda> src, const T* values,
                  const PatchGrid& grid, Index first, TensorView<T, Cuda> dst);

}  // namespace deconv::cuda
