#pragma once

#include <cstdint>

#include "deconv/core/context.hpp"
#include "deconv/core/random.hpp"

// The launchers of dropout, see ops/dropout.hpp; kernels/dropout.cu. T is float, half or bfloat16.
namespace deconv::cuda {

template <class T>
void dropout_forward(const Context<Cuda>& context, TensorView<const T, Cuda> src, float ratio,
                     const Random& random, Index first, TensorView<T, Cuda> dst,
                     TensorView<std::uint8_t, Cuda> mask);
template <class T>
void dropout_reverse(const Context<Cuda>& context, const T* diff_dst, const std::uint8_t* mask, float ratio,
                     T* diff_src, Index count);

}  // namespace deconv::cuda
