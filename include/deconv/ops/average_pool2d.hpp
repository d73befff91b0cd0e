#pragma once

#include "deconv/core/context.hpp"
#include "deconv/ops/average_pool2d_params.hpp"
#include "deconv/ops/cuda/average_pool2d.hpp"
#include "deconv/ops/max_pool2d.hpp"
#include "deconv/ops/unpool2d.hpp"

namespace deconv {

namespace detail {

/// How many taps the divisor of output (p, q) counts: of those inside the height x width plane or the padded
/// one.
struct PoolDivisor {
  Window2d window;
  bool count_padding;
  Index height, width;
  [[nodiscard]] static Index along(Index start, Index kernel, Index dilation, Index low,
                                   Index high) noexcept {
    const Index first = start >= low ? 0 : (low - start + dilation - 1) / dilation;
    const Index last = start >= high ? 0 : (high - start + dilation - 1) / dilation;
    return std::max<Index>(0, std::min(kernel, last) - std::min(kernel, first));
  }
  [[nodiscard]] Index rows(Index p) const noexcept {
    const Padding& pad = window.padding;
    return along(p * window.stride_y - pad.top, window.kernel_y, window.dilation_y,
                 count_padding ? -pad.top : 0, height + (count_padding ? pad.bottom : 0));
  }
  [[nodiscard]] Index columns(Index q) const noexcept {
    const Padding& pad = window.padding;
    return along(q * window.stride_x - pad.left, window.kernel_x, window.dilation_x,
                 count_padding ? -pad.left : 0, width + (count_padding ? pad.right : 0));
  }
};

}  // namespace detail

namespace cpu {
template <class T>
void average_pool2d_forward(const Context<Cpu>& context, TensorView<const T, Cpu> src,
                            const AveragePool2dParams& params, TensorView<T, Cpu> dst);
template <class T>
void average_pool2d_reverse(const Context<Cpu>& context, TensorView<const T, Cpu> diff_dst,
                            const AveragePool2dParams& params, TensorView<T, Cpu> diff_src,
                            const OutputOrigins* origins);
template <class T>
void global_average_pool_forward(const Context<Cpu>& context, TensorView<const T, Cpu> src,
                                 TensorView<T, Cpu> dst);
template <class T>
void global_average_pool_reverse(const Context<Cpu>& context, TensorView<const T, Cpu> diff_dst,
                                 TensorView<T, Cpu> diff_src, Index pixels);
}  // namespace cpu

/// dst = the mean of each window, by the divisor that AveragePool2dParams names; 0 for a window that counts
/// no tap. src N x C x H x W, dst N x C x P x Q (pool2d_output_shape), one layout. Throws ShapeError. Bytes:
/// src and dst once.
template <class T, Device D>
void average_pool2d_forward(const Context<D>& context, Source<T, D> src, const AveragePool2dParams& params,
                            TensorView<T, D> dst) {
  constexpr std::string_view what = "average_pool2d_forward";
  detail::check_shape(what, "dst", pool2d_output_shape(src.shape(), params.window, what), dst.shape());
  detail::check_rank4_pair(what, src, dst);
  if (dst.count() == 0) return;
  if constexpr (std::same_as<D, Cpu>)
    cpu::average_pool2d_forward<T>(context, src, params, dst);
  else
    cuda::average_pool2d_forward<T>(context, src, params, dst);
}

/// The adjoint: each pixel of diff_src gathers, in raster order, its share of the windows that cover it.
///
/// diff_dst N x C x P x Q, diff_src N x C x H x W, one layout. As in unpool2d the extents need not follow the
/// output-shape rule, and padding.top and padding.left may be negative; then `origins` says where the windows
/// lie in their planes, which the divisors at borders depend on. Without `origins` diff_src is the whole
/// plane. Throws ShapeError.
template <class T, Device D>
void average_pool2d_reverse(const Context<D>& context, Source<T, D> diff_dst,
                            const AveragePool2dParams& params, TensorView<T, D> diff_src,
                            const OutputOrigins* origins = nullptr) {
  constexpr std::string_view what = "average_pool2d_reverse";
  detail::check_reverse_window(what, params.window);
  detail::check_rank4_pair(what, diff_dst, diff_src);
  require<ShapeError>(diff_dst[0] == diff_src[0] && diff_dst[1] == diff_src[1], what,
                      ": images and channels of ", diff_dst.shape(), " differ from ", diff_src.shape());
  require<ShapeError>(origins == nullptr || (static_cast<Index>(origins->tops.size()) == diff_dst[0] &&
                                             origins->lefts.size() == origins->tops.size()),
                      what, ": wants ", diff_dst[0], " origins");
  if (diff_src.count() == 0) return;
  if constexpr (std::same_as<D, Cpu>)
    cpu::average_pool2d_reverse<T>(context, diff_dst, params, diff_src, origins);
  else
    cuda::average_pool2d_reverse<T>(context, diff_dst, params, diff_src, origins);
}

/// dst (N x C x 1 x 1) = the mean of each plane of src (N x C x H x W), one layout. Throws ShapeError, also
/// when the planes are empty. Bytes: src once.
template <class T, Device D>
void global_average_pool_forward(const Context<D>& context, Source<T, D> src, TensorView<T, D> dst) {
  constexpr std::string_view what = "global_average_pool_forward";
  detail::check_rank4_pair(what, src, dst);
  detail::check_shape(what, "dst", Shape{src[0], src[1], 1, 1}, dst.shape());
  require<ShapeError>(src[2] > 0 && src[3] > 0, what, ": wants planes of at least one pixel, met ",
                      src.shape());
  if (dst.count() == 0) return;
  if constexpr (std::same_as<D, Cpu>)
    cpu::global_average_pool_forward<T>(context, src, dst);
  else
    cuda::global_average_pool_forward<T>(context, src, dst);
}

/// diff_src (N x C x H x W) = diff_dst (N x C x 1 x 1) / `pixels` everywhere; `pixels` 0 stands for H * W, a
/// window cut from a larger plane gives the plane's. Throws ShapeError.
template <class T, Device D>
void global_average_pool_reverse(const Context<D>& context, Source<T, D> diff_dst, TensorView<T, D> diff_src,
                                 Index pixels = 0) {
  constexpr std::string_view what = "global_average_pool_reverse";
  detail::check_rank4_pair(what, diff_dst, diff_src);
  detail::check_shape(what, "diff_dst", Shape{diff_src[0], diff_src[1], 1, 1}, diff_dst.shape());
  if (pixels == 0) pixels = diff_src[2] * diff_src[3];
  if (diff_src.count() == 0) return;
  if constexpr (std::same_as<D, Cpu>)
    cpu::global_average_pool_reverse<T>(context, diff_dst, diff_src, pixels);
  else
    cuda::global_average_pool_reverse<T>(context, diff_dst, diff_src, pixels);
}

}  // namespace deconv

#include "deconv/ops/cpu/average_pool2d.hpp"
