#pragma once

#include "deconv/core/context.hpp"
#include "deconv/ops/rules.hpp"
#include "deconv/ops/switches.hpp"
#include "deconv/ops/window2d.hpp"

// Unpooling's launcher, see ops/unpool2d.hpp; kernels/unpool2d.cu. T is float, half or bfloat16.
namespace deconv::cuda {

template <class T>
void unpool2d(const Context<Cuda>& context, TensorView<const T, Cuda> diff_dst,
              SwitchesView<const std::byte, Cuda> switches, const Window2d& window, OverlapRule overlap,
              TensorView<T, Cuda> diff_src);

}  // namespace deconv::cuda
