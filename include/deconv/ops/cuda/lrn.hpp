#pragma once

#include "deconv/core/context.hpp"
#include "deconv/ops/lrn_params.hpp"

// The launchers of local response normalisation, see ops/lrn.hpp; kernels/lrn.cu. T is float, half or
// bfloat16.
namespace deconv::cuda {

template <class T>
void lrn_forward(const Context<Cuda>& context, TensorView<const T, Cuda> src, const LrnParams& params,
                 TensorView<T, Cuda> dst);
template <class T>
void lrn_reverse(const Context<Cuda>& context, TensorView<const T, Cuda> src,
                 TensorView<const T, Cuda> diff_dst, const LrnParams& params, TensorView<T, Cuda> diff_src);

}  // namespace deconv::cuda
