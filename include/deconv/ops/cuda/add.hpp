#pragma once

#include <span>

#include "deconv/core/context.hpp"

// The launchers of sums, see ops/add.hpp; kernels/add.cu. T is float, half or bfloat16.
namespace deconv::cuda {

template <class T>
void add_forward(const Context<Cuda>& context, std::span<const TensorView<const T, Cuda>> sources,
                 TensorView<T, Cuda> dst);
template <class T>
void accumulate(const Context<Cuda>& context, TensorView<const T, Cuda> src, TensorView<T, Cuda> dst);

}  // namespace deconv::cuda
