#pragma once

#include "deconv/core/context.hpp"

// The number types' conversion, see ops/convert.hpp; kernels/convert.cu. A and B are float, half or bfloat16.
namespace deconv::cuda {

template <class A, class B>
void convert(const Context<Cuda>& context, const A* src, B* dst, Index count);

}  // namespace deconv::cuda
