#pragma once

#include "deconv/core/context.hpp"
#include "deconv/ops/cuda/softmax.hpp"
#include "deconv/ops/operands.hpp"

namespace deconv {

namespace cpu {
template <class T>
void softmax_forward(const Context<Cpu>& context, const T* src, deconv::detail::AxisSpan span, T* dst);
template <class T>
void log_softmax_forward(const Context<Cpu>& context, const T* src, deconv::detail::AxisSpan span, T* dst);
template <class T>
void softmax_reverse(const Context<Cpu>& context, const T* dst, const T* diff_dst,
                     deconv::detail::AxisSpan span, T* diff_src);
template <class T>
void log_softmax_reverse(const Context<Cpu>& context, const T* dst, const T* diff_dst,
                         deconv::detail::AxisSpan span, T* diff_src);
}  // namespace cpu

/// dst = exp(src) / the sum of exp(src) along `axis` (negative: from the back), computed after subtracting
/// the maximum, so that large values do not overflow. Any rank, one shape and layout; dst may be src. Throws
/// ShapeError. Sums are kept in double on the Cpu, in float and by pairs on Cuda. Bytes: src a few times from
/// cache, dst once.
template <class T, Device D>
void softmax_forward(const Context<D>& context, Source<T, D> src, Index axis, TensorView<T, D> dst) {
  detail::check_alike("softmax_forward", "dst", src, dst);
  const auto span = detail::axis_span(src.shape(), src.layout(), axis);
  if (dst.count() == 0) return;
  if constexpr (std::same_as<D, Cpu>)
    cpu::softmax_forward<T>(context, src.data(), span, dst.data());
  else
    cuda::softmax_forward<T>(context, src.data(), span, dst.data());
}

/// dst = log(softmax(src)) along `axis`, stable likewise. As softmax_forward.
template <class T, Device D>
void log_softmax_forward(const Context<D>& context, Source<T, D> src, Index axis, TensorView<T, D> dst) {
  detail::check_alike("log_softmax_forward", "dst", src, dst);
  const auto span = detail::axis_span(src.shape(), src.layout(), axis);
  if (dst.count() == 0) return;
  if constexpr (std::same_as<D, Cpu>)
    cpu::log_softmax_forward<T>(context, src.data(), span, dst.data());
  else
    cuda::log_softmax_forward<T>(context, src.data(), span, dst.data());
}

/// The gradient: diff_src = dst * (diff_dst - sum of dst * diff_dst along `axis`), `dst` being the forward
/// pass's result. One shape and layout; diff_src may be diff_dst. Throws ShapeError.
template <class T, Device D>
void softmax_reverse(const Context<D>& context, Source<T, D> dst, Source<T, D> diff_dst, Index axis,
                     TensorView<T, D> diff_src) {
  detail::check_alike("softmax_reverse", "dst", diff_src, dst);
  detail::check_alike("softmax_reverse", "diff_dst", diff_src, diff_dst);
  const auto span = detail::axis_span(dst.shape(), dst.layout(), axis);
  if (dst.count() == 0) return;
  if constexpr (std::same_as<D, Cpu>)
    cpu::softmax_reverse<T>(context, dst.data(), diff_dst.data(), span, diff_src.data());
  else
    cuda::softmax_reverse<T>(context, dst.data(), diff_dst.data(), span, diff_src.data());
}

/// The gradient: diff_src = diff_dst - exp(dst) * sum of diff_dst along `axis`. As softmax_reverse.
template <class T, Device D>
void log_softmax_reverse(const Context<D>& context, Source<T, D> dst, Source<T, D> diff_dst, Index axis,
                         TensorView<T, D> diff_src) {
  detail::check_alike("log_softmax_reverse", "dst", diff_src, dst);
  detail::check_alike("log_softmax_reverse", "diff_dst", diff_src, diff_dst);
  const auto span = detail::axis_span(dst.shape(), dst.layout(), axis);
  if (dst.count() == 0) return;
  if constexpr (std::same_as<D, Cpu>)
    cpu::log_softmax_reverse<T>(context, dst.data(), diff_dst.data(), span, diff_src.data());
  else
    cuda::log_softmax_reverse<T>(context, dst.data(), diff_dst.data(), span, diff_src.data());
}

}  // namespace deconv

#include "deconv/ops/cpu/softmax.hpp"
