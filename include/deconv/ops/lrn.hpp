#pragma once

#include "deconv/core/context.hpp"
#include "deconv/ops/cuda/lrn.hpp"
#include "deconv/ops/lrn_params.hpp"
#include "deconv/ops/operands.hpp"

namespace deconv {

namespace cpu {
template <class T>
void lrn_forward(const Context<Cpu>& context, TensorView<const T, Cpu> src, const LrnParams& params,
                 TensorView<T, Cpu> dst);
template <class T>
void lrn_reverse(const Context<Cpu>& context, TensorView<const T, Cpu> src, TensorView<const T, Cpu> diff_dst,
                 const LrnParams& params, TensorView<T, Cpu> diff_src);
}  // namespace cpu

namespace detail {

inline void check_lrn(std::string_view what, const Shape& src, const LrnParams& params) {
  require<ShapeError>(src.rank() == 4, what, ": wants a rank-4 input N,C,H,W, met ", src);
  require<ShapeError>(params.size >= 1 && params.size < Index{1} << 31, what,
                      ": size must be at least 1, met ", params.size);
}

}  // namespace detail

/// dst = src normalised as LrnParams says. src and dst N x C x H x W, one layout, no overlap. Throws
/// ShapeError. Bytes: src and dst once. Flops: about size + 4 an element across channels, 2 size + 4 within a
/// channel, and a power (two square roots and a division for beta 3/4).
template <class T, Device D>
void lrn_forward(const Context<D>& context, Source<T, D> src, const LrnParams& params, TensorView<T, D> dst) {
  detail::check_lrn("lrn_forward", src.shape(), params);
  detail::check_alike("lrn_forward", "dst", src, dst);
  if (dst.count() == 0) return;
  if constexpr (std::same_as<D, Cpu>)
    cpu::lrn_forward<T>(context, src, params, dst);
  else
    cuda::lrn_forward<T>(context, src, params, dst);
}

/// The gradient. With x = src, s = k + a * (sum of squares) and g = diff_dst:
/// diff_src_i = g_i s_i^-beta - 2 a beta x_i * sum of g_j x_j s_j^(-beta-1) over the j whose region holds i.
/// All N x C x H x W of one layout, no overlap. Throws ShapeError. Bytes: src and diff_dst read once or,
/// within channels, a few times from cache; diff_src written once.
template <class T, Device D>
void lrn_reverse(const Context<D>& context, Source<T, D> src, Source<T, D> diff_dst, const LrnParams& params,
                 TensorView<T, D> diff_src) {
  detail::check_lrn("lrn_reverse", src.shape(), params);
  detail::check_alike("lrn_reverse", "diff_dst", src, diff_dst);
  detail::check_alike("lrn_reverse", "diff_src", src, diff_src);
  if (diff_src.count() == 0) return;
  if constexpr (std::same_as<D, Cpu>)
    cpu::lrn_reverse<T>(context, src, diff_dst, params, diff_src);
  else
    cuda::lrn_reverse<T>(context, src, diff_dst, params, diff_src);
}

}  // namespace deconv

#include "deconv/ops/cpu/lrn.hpp"
