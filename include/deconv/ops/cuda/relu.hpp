#pragma once

#include "deconv/core/context.hpp"
#include "deconv/ops/rules.hpp"

// The rectifiers' launchers, see ops/relu.hpp; kernels/relu.cu. T is float, half or bfloat16.
namespace deconv::cuda {

template <class T>
void relu_forward(const Context<Cuda>& context, const T* src, float negative_slope, T* dst, Index count);
template <class T>
void relu_reverse(const Context<Cuda>& context, RectifierRule rule, const T* diff_dst, const T* forward,
                  float negative_slope, T* diff_src, Index count);

}  // namespace deconv::cuda
