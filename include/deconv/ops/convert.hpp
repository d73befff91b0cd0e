#pragma once

#include <type_traits>

#include "deconv/core/context.hpp"
#include "deconv/ops/cuda/convert.hpp"
#include "deconv/ops/operands.hpp"

namespace deconv {

namespace cpu {
template <class A, class B>
void convert(const Context<Cpu>& context, const A* src, B* dst, Index count);
}  // namespace cpu

/// dst = src as another number type: float, half, bfloat16 and, on the host, double. Rounds to nearest even;
/// what is too large becomes infinity, NaN stays NaN; double goes to and from half and bfloat16 by way of
/// float. Any rank, one shape and layout, no overlap. Throws ShapeError. Bytes: src and dst once.
template <class A, class B, Device D>
void convert(const Context<D>& context, TensorView<A, D> src, TensorView<B, D> dst) {
  using From = std::remove_const_t<A>;
  detail::check_alike("convert", "dst", src, dst);
  if (dst.count() == 0) return;
  if constexpr (std::same_as<D, Cpu>)
    cpu::convert<From, B>(context, src.data(), dst.data(), dst.count());
  else
    cuda::convert<From, B>(context, src.data(), dst.data(), dst.count());
}

}  // namespace deconv

#include "deconv/ops/cpu/convert.hpp"
