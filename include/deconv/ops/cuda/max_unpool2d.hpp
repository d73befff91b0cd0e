#pragma once

#include <cstdint>

#include "deconv/core/context.hpp"

// The launchers of unpooling by indices, see ops/max_unpool2d.hpp; kernels/max_unpool2d.cu. T is float, half
// or bfloat16.
namespace deconv::cuda {

template <class T>
void max_unpool2d(const Context<Cuda>& context, TensorView<const T, Cuda> src,
                  TensorView<const std::int64_t, Cuda> indices, TensorView<T, Cuda> dst);
template <class T>
void max_unpool2d_reverse(const Context<Cuda>& context, TensorView<const T, Cuda> diff_dst,
                          TensorView<const std::int64_t, Cuda> indices, TensorView<T, Cuda> diff_src);

}  // namespace deconv::cuda
