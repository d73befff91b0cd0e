#pragma once

#include "deconv/core/context.hpp"
#include "deconv/core/tensor_view.hpp"

// Declarations of kernels/resize_planes.cu; see ops/resize_planes.hpp. T is float, half or bfloat16.
namespace deconv::cuda {

template <class T>
void resize_planes(const Context<Cuda>& context, TensorView<const T, Cuda> src, TensorView<T, Cuda> dst);

}  // namespace deconv::cuda
