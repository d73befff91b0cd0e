#pragma once

#include "deconv/core/context.hpp"
#include "deconv/ops/sgd_params.hpp"

// The launcher of sgd_update, see ops/sgd_update.hpp; kernels/sgd_update.cu. T is float, half or bfloat16.
namespace deconv::cuda {

template <class T>
void sgd_update(const Context<Cuda>& context, const SgdParams& params, const T* gradient, T* velocity,
                T* weights, Index filters, Index filter);

}  // namespace deconv::cuda
