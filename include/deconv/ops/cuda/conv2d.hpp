#pragma once

#include <optional>

#include "deconv/core/context.hpp"
#include "deconv/ops/conv2d_params.hpp"

// The convolutions' launchers, see ops/conv2d.hpp; kernels/conv2d_*.cu. T is float, half or bfloat16. Tensors
// are nhwc, so weights are K x R x S x C/groups in memory. Extents need not follow the output rule: only
// padding.top and padding.left count, and taps outside of what is read count as 0.
namespace deconv::cuda {

/// What multiplies in a convolution.
enum class Units {
  by_maths,      ///< what the context's Maths, the type, the shape and the GPU call for
  multiply_add,  ///< float multiply-adds
  matrix,        ///< tensor cores, a warp at a time (mma.sync)
  warpgroup,     ///< tensor cores, four warps at a time, fed by tensor copies (wgmma, compute capability 9.0)
};

/// How a convolution is cut into blocks: an entry of the tuning table of its units (kernels/tuning/) and the
/// number of parts that its sums are split into; where negative or 0, chosen by shape. For tests and
/// benchmarks: a choice that does not serve the convolution is refused with ArgumentError.
struct TileChoice {
  int tile = -1;
  int splits = 0;
  Units units = Units::by_maths;
};

/// `bias` is null or K values.
template <class T>
void conv2d_forward(const Context<Cuda>& context, TensorView<const T, Cuda> src,
                    TensorView<const T, Cuda> weights, const T* bias, const Conv2dParams& params,
                    TensorView<T, Cuda> dst, std::optional<float> negative_slope, TileChoice choice = {});

/// `bias` is null or C values, for transposed convolutions.
template <class T>
void conv2d_reverse_data(const Context<Cuda>& context, TensorView<const T, Cuda> diff_dst,
                         TensorView<const T, Cuda> weights, const T* bias, const Conv2dParams& params,
                         TensorView<T, Cuda> diff_src, TileChoice choice = {});

/// `diff_weights` is in either layout.
template <class T>
void conv2d_reverse_weights(const Context<Cuda>& context, TensorView<const T, Cuda> src,
                            TensorView<const T, Cuda> diff_dst, const Conv2dParams& params,
                            TensorView<T, Cuda> diff_weights, TileChoice choice = {});

/// dst[c] = sum over i of src[i * channels + c], i < pixels: the gradient of a bias.
template <class T>
void channel_sums(const Context<Cuda>& context, const T* src, Index pixels, Index channels, T* dst);

}  // namespace deconv::cuda
