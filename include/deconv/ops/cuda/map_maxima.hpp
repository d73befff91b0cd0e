#pragma once

#include <cstdint>
#include <span>

#include "deconv/core/context.hpp"

// The launcher of map_maxima, see ops/map_maxima.hpp; kernels/map_maxima.cu. T is float, half or bfloat16.
namespace deconv::cuda {

template <class T>
void map_maxima(const Context<Cuda>& context, TensorView<const T, Cuda> src, std::span<const Index> maps,
                TensorView<T, Cuda> values, TensorView<std::int32_t, Cuda> places);

}  // namespace deconv::cuda
