#pragma once

#include "deconv/core/context.hpp"
#include "deconv/core/tensor_view.hpp"

// Declarations of kernels/weighted_maps.cu; see ops/weighted_maps.hpp. T is float, half or bfloat16.
namespace deconv::cuda {

template <class T>
void gradient_weighted_maps(const Context<Cuda>& context, TensorView<const T, Cuda> maps,
                            TensorView<const T, Cuda> gradient, TensorView<T, Cuda> weights,
                            TensorView<T, Cuda> dst);

}  // namespace deconv::cuda
