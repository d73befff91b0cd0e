#pragma once

#include "deconv/core/context.hpp"
#include "deconv/ops/average_pool2d_params.hpp"

// Average pooling's launchers, see ops/average_pool2d.hpp; kernels/average_pool2d.cu. T is float, half or
// bfloat16.
namespace deconv::cuda {

template <class T>
void average_pool2d_forward(const Context<Cuda>& context, TensorView<const T, Cuda> src,
                            const AveragePool2dParams& params, TensorView<T, Cuda> dst);
template <class T>
void average_pool2d_reverse(const Context<Cuda>& context, TensorView<const T, Cuda> diff_dst,
                            const AveragePool2dParams& params, TensorView<T, Cuda> diff_src,
                            const OutputOrigins* origins);
template <class T>
void global_average_pool_forward(const Context<Cuda>& context, TensorView<const T, Cuda> src,
                                 TensorView<T, Cuda> dst);
template <class T>
void global_average_pool_reverse(const Context<Cuda>& context, TensorView<const T, Cuda> diff_dst,
                                 TensorView<T, Cuda> diff_src, Index pixels);

}  // namespace deconv::cuda
