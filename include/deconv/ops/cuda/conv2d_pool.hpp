#pragma once

#include <optional>

#include "deconv/core/context.hpp"
#include "deconv/ops/cuda/conv2d.hpp"
#include "deconv/ops/switches.hpp"
#include "deconv/ops/window2d.hpp"

// The launcher of convolution and max-pooling in one kernel, see ops/conv2d_pool.hpp; kernels/conv2d_pool.cu.
// T is float, half or bfloat16. Tensors are nhwc, so weights are K x R x S x C/groups in memory.
namespace deconv::cuda {

/// Whether the one kernel is there for these shapes and expected to take less time than the two: by the type,
/// the context's maths and what the tuning table estimates. Where true, both make their sums in one order.
template <class T>
[[nodiscard]] bool conv2d_pool_pays(const Context<Cuda>& context, const Shape& src, const Shape& weights,
                                    const Conv2dParams& params, const Window2d& window);

/// Whatever it pays; `bias` is null or K values, `switches` empty where they are not wanted. False, and
/// nothing done, where there is no such kernel: float32 maths, groups whose channels do not come in chunks of
/// 16 bytes, windows over more than 128 pixels. `choice` names units, and a tile of their table. Throws
/// ArgumentError for units or a tile that do not serve, and for splits.
template <class T>
[[nodiscard]] bool conv2d_pool_forward(const Context<Cuda>& context, TensorView<const T, Cuda> src,
                                       TensorView<const T, Cuda> weights, const T* bias,
                                       const Conv2dParams& params, std::optional<float> negative_slope,
                                       const Window2d& window, TensorView<T, Cuda> dst,
                                       SwitchesView<std::byte, Cuda> switches, TileChoice choice = {});

}  // namespace deconv::cuda
