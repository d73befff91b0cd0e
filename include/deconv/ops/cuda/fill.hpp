#pragma once

#include "deconv/core/context.hpp"

// The launcher of fill, see ops/fill.hpp; kernels/fill.cu. T is any element type of core/dtype.hpp.
namespace deconv::cuda {

template <class T>
void fill(const Context<Cuda>& context, T* dst, T value, Index count);

}  // namespace deconv::cuda
