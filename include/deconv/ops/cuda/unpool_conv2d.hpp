#pragma once

#include <optional>

#include "deconv/core/context.hpp"
#include "deconv/ops/cuda/conv2d.hpp"
#include "deconv/ops/rules.hpp"
#include "deconv/ops/switches.hpp"
#include "deconv/ops/window2d.hpp"

// The launcher of unpooling, rectifier and transposed convolution in one kernel, see ops/unpool_conv2d.hpp;
// kernels/unpool_conv2d.cu. T is float, half or bfloat16. Tensors are nhwc, so weights are K x R x S x
// C/groups in memory.
namespace deconv::cuda {

/// Whether the one kernel is there for these shapes and expected to take less time than the separate ones: by
/// the type, the context's maths and what the tuning table estimates. `plane` is what is unpooled.
template <class T>
[[nodiscard]] bool unpool_conv2d_pays(const Context<Cuda>& context, const Shape& diff_dst,
                                      const Window2d& window, const Shape& plane, const Shape& weights,
                                      const Conv2dParams& params, const Shape& diff_src);

/// Whatever it pays. False, and nothing done, where there is no such kernel: float32 maths, groups whose maps
/// do not come in chunks of 16 bytes, switches of more than a byte, views that do not begin at multiples of
/// 16 bytes (switches: of a chunk's elements), taps that reach too far for shared memory. `choice` names
/// units and a tile of their table. Throws ArgumentError for units or a tile that do not serve, and for
/// splits.
template <class T>
[[nodiscard]] bool unpool_conv2d_reverse_data(const Context<Cuda>& context,
                                              TensorView<const T, Cuda> diff_dst,
                                              SwitchesView<const std::byte, Cuda> switches,
                                              const Window2d& window, OverlapRule overlap,
                                              std::optional<float> negative_slope, const Shape& plane,
                                              TensorView<const T, Cuda> weights, const Conv2dParams& params,
                                              TensorView<T, Cuda> diff_src, TileChoice choice = {});

}  // namespace deconv::cuda
