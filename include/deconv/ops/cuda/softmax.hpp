#pragma once

#include "deconv/core/context.hpp"
#include "deconv/ops/operands.hpp"

// Softmax's launchers, see ops/softmax.hpp; kernels/softmax.cu. T is float, half or bfloat16.
namespace deconv::cuda {

template <class T>
void softmax_forward(const Context<Cuda>& context, const T* src, deconv::detail::AxisSpan span, T* dst);
template <class T>
void log_softmax_forward(const Context<Cuda>& context, const T* src, deconv::detail::AxisSpan span, T* dst);
template <class T>
void softmax_reverse(const Context<Cuda>& context, const T* dst, const T* diff_dst,
                     deconv::detail::AxisSpan span, T* diff_src);
template <class T>
void log_softmax_reverse(const Context<Cuda>& context, const T* dst, const T* diff_dst,
                         deconv::detail::AxisSpan span, T* diff_src);

}  // namespace deconv::cuda
