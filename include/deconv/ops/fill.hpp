#pragma once

#include <type_traits>

#include "deconv/core/context.hpp"
#include "deconv/ops/cuda/fill.hpp"
#include "deconv/ops/operands.hpp"

namespace deconv {

namespace cpu {
template <class T>
void fill(const Context<Cpu>& context, T* dst, T value, Index count);
}  // namespace cpu

/// Sets every element of dst, of any rank and layout. Bytes: dst once.
template <class T, Device D>
void fill(const Context<D>& context, TensorView<T, D> dst, std::type_identity_t<T> value) {
  if (dst.count() == 0) return;
  if constexpr (std::same_as<D, Cpu>)
    cpu::fill<T>(context, dst.data(), value, dst.count());
  else
    cuda::fill<T>(context, dst.data(), value, dst.count());
}

}  // namespace deconv

#include "deconv/ops/cpu/fill.hpp"
