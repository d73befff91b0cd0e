#pragma once

#include <cstdint>

#include "deconv/core/context.hpp"
#include "deconv/ops/switches.hpp"
#include "deconv/ops/window2d.hpp"

// Max-pooling's launchers, see ops/max_pool2d.hpp; kernels/max_pool2d.cu. T is float, half or bfloat16.
namespace deconv::cuda {

template <class T>
void max_pool2d_forward(const Context<Cuda>& context, TensorView<const T, Cuda> src, const Window2d& window,
                        TensorView<T, Cuda> dst, SwitchesView<std::byte, Cuda> switches);
void switches_to_indices(const Context<Cuda>& context, SwitchesView<const std::byte, Cuda> switches,
                         const Window2d& window, Index height, Index width, bool column_major,
                         TensorView<std::int64_t, Cuda> indices);

}  // namespace deconv::cuda
