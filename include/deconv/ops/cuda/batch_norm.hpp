#pragma once

#include "deconv/core/context.hpp"

// The launchers of batch normalisation, see ops/batch_norm.hpp; kernels/batch_norm.cu. T is float, half or
// bfloat16.
namespace deconv::cuda {

template <class T>
void batch_norm_forward(const Context<Cuda>& context, TensorView<const T, Cuda> src, const T* scale,
                        const T* bias, const T* mean, const T* variance, float epsilon,
                        TensorView<T, Cuda> dst);
template <class T>
void batch_norm_reverse(const Context<Cuda>& context, TensorView<const T, Cuda> diff_dst, const T* scale,
                        const T* variance, float epsilon, TensorView<T, Cuda> diff_src);

template <class T>
void batch_norm_reverse_parameters(const Context<Cuda>& context, TensorView<const T, Cuda> src,
                                   TensorView<const T, Cuda> diff_dst, const T* mean, const T* variance,
                                   float epsilon, T* diff_scale, T* diff_bias);

}  // namespace deconv::cuda
