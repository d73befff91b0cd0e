#pragma once

#include "deconv/core/context.hpp"

// The layout conversion's launcher, see ops/copy_layout.hpp; kernels/copy_layout.cu. T is any element type
// of core/dtype.hpp.
namespace deconv::cuda {

template <class T>
void copy_layout(const Context<Cuda>& context, TensorView<const T, Cuda> src, TensorView<T, Cuda> dst);

}  // namespace deconv::cuda
