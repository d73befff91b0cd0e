#pragma once

#include <cstdint>

#include "deconv/core/context.hpp"
#include "deconv/core/random.hpp"
#include "deconv/ops/cuda/dropout.hpp"
#include "deconv/ops/operands.hpp"

namespace deconv {

namespace cpu {
template <class T>
void dropout_forward(const Context<Cpu>& context, TensorView<const T, Cpu> src, float ratio,
                     const Random& random, Index first, TensorView<T, Cpu> dst,
                     TensorView<std::uint8_t, Cpu> mask);
template <class T>
void dropout_reverse(const Context<Cpu>& context, const T* diff_dst, const std::uint8_t* mask, float ratio,
                     T* diff_src, Index count);
}  // namespace cpu

/// dst = src / (1 - ratio) where the mask is 1, else 0: each element falls away with probability `ratio`.
///
/// The element of row-major index i (N,C,H,W, whatever the layout) stays when random.uniform(first + i) >=
/// ratio, so the mask does not depend on threads or layout. `first` is the number of elements of a larger
/// batch that stand before src, so that the parts of a batch draw what the whole would. src, dst and mask
/// have one shape and layout; dst may be src. A mask without memory is not written: as the op is linear,
/// applied to the signal with the same numbers it is its own reverse pass. Throws ShapeError, and
/// ArgumentError unless 0 <= ratio < 1 and first >= 0. Bytes: src, dst and mask once; arithmetic dominates,
/// least in row-major memory, where four neighbours share a block of random words (on Cuda when `first` is a
/// multiple of four). Source: Srivastava et al. 2014, with the scaling moved to training time.
template <class T, Device D>
void dropout_forward(const Context<D>& context, Source<T, D> src, float ratio, const Random& random,
                     Index first, TensorView<T, D> dst,
                     std::type_identity_t<TensorView<std::uint8_t, D>> mask = {}) {
  require<ArgumentError>(ratio >= 0.0f && ratio < 1.0f, "dropout ratio must be at least 0 and below 1, met ",
                         ratio);
  require<ArgumentError>(first >= 0, "dropout: the elements before this part cannot be ", first);
  detail::check_alike("dropout_forward", "dst", src, dst);
  if (mask.data() != nullptr) detail::check_alike("dropout_forward", "mask", src, mask);
  if (dst.count() == 0) return;
  if constexpr (std::same_as<D, Cpu>)
    cpu::dropout_forward<T>(context, src, ratio, random, first, dst, mask);
  else
    cuda::dropout_forward<T>(context, src, ratio, random, first, dst, mask);
}

/// diff_src = diff_dst / (1 - ratio) where the mask is 1, else 0. As dropout_forward.
template <class T, Device D>
void dropout_reverse(const Context<D>& context, Source<T, D> diff_dst,
                     std::type_identity_t<TensorView<const std::uint8_t, D>> mask, float ratio,
                     TensorView<T, D> diff_src) {
  require<ArgumentError>(ratio >= 0.0f && ratio < 1.0f, "dropout ratio must be at least 0 and below 1, met ",
                         ratio);
  detail::check_alike("dropout_reverse", "diff_src", diff_dst, diff_src);
  detail::check_alike("dropout_reverse", "mask", diff_dst, mask);
  if constexpr (std::same_as<D, Cpu>)
    cpu::dropout_reverse<T>(context, diff_dst.data(), mask.data(), ratio, diff_src.data(), diff_src.count());
  else
    cuda::dropout_reverse<T>(context, diff_dst.data(), mask.data(), ratio, diff_src.data(), diff_src.count());
}

}  // namespace deconv

#include "deconv/ops/cpu/dropout.hpp"
