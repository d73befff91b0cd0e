#pragma once

#include "deconv/core/context.hpp"
#include "deconv/ops/cuda/relu.hpp"
#include "deconv/ops/operands.hpp"
#include "deconv/ops/rules.hpp"

namespace deconv {

namespace cpu {
template <class T>
void relu_forward(const Context<Cpu>& context, const T* src, float negative_slope, T* dst, Index count);
template <class T>
void relu_reverse(const Context<Cpu>& context, RectifierRule rule, const T* diff_dst, const T* forward,
                  float negative_slope, T* diff_src, Index count);
}  // namespace cpu

/// dst = src where src > 0, else negative_slope * src (+0 for slope 0; NaN stays NaN). Any rank, one shape
/// and layout; dst may be src itself. Throws ShapeError. Bytes: src and dst once.
template <class T, Device D>
void relu_forward(const Context<D>& context, Source<T, D> src, float negative_slope, TensorView<T, D> dst) {
  detail::check_alike("relu_forward", "dst", src, dst);
  if constexpr (std::same_as<D, Cpu>)
    cpu::relu_forward<T>(context, src.data(), negative_slope, dst.data(), dst.count());
  else
    cuda::relu_forward<T>(context, src.data(), negative_slope, dst.data(), dst.count());
}

/// The rectifier's way down. With s the signal in diff_dst and x the forward value:
/// - deconvnet: s where s > 0, else slope * s; `forward` is not looked at and may be empty;
/// - gradient: s where x > 0, else slope * s;
/// - guided: both, one after the other.
/// With slope 0 what is held back becomes +0. `forward` is the forward pass's src or, for slopes >= 0, its
/// dst. Any rank, one shape and layout; diff_src may be diff_dst itself. Throws ShapeError. Bytes: diff_dst,
/// diff_src and `forward` once. Source: Zeiler and Fergus 2013, section 2.1; Springenberg et al. 2014,
/// figure 1.
template <class T, Device D>
void relu_reverse(const Context<D>& context, RectifierRule rule, Source<T, D> diff_dst, Source<T, D> forward,
                  float negative_slope, TensorView<T, D> diff_src) {
  detail::check_alike("relu_reverse", "diff_src", diff_dst, diff_src);
  if (rule != RectifierRule::deconvnet && diff_src.count() > 0) {
    require<ShapeError>(!forward.empty(), "relu_reverse: this rule wants the forward values, met none");
    detail::check_alike("relu_reverse", "forward", diff_dst, forward);
  }
  if constexpr (std::same_as<D, Cpu>)
    cpu::relu_reverse<T>(context, rule, diff_dst.data(), forward.data(), negative_slope, diff_src.data(),
                         diff_src.count());
  else
    cuda::relu_reverse<T>(context, rule, diff_dst.data(), forward.data(), negative_slope, diff_src.data(),
                          diff_src.count());
}

}  // namespace deconv

#include "deconv/ops/cpu/relu.hpp"
