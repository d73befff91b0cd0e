#pragma once

#include "deconv/core/context.hpp"
#include "deconv/ops/cuda/copy_layout.hpp"
#include "deconv/ops/operands.hpp"

namespace deconv {

namespace cpu {
template <class T>
void copy_layout(const Context<Cpu>& context, TensorView<const T, Cpu> src, TensorView<T, Cpu> dst);
}  // namespace cpu

/// dst = src, each in its own layout: converts between nchw and nhwc, or copies. Shapes must be equal (any
/// rank for a plain copy); the memories must not overlap. Throws ShapeError. Bytes: src and dst once.
template <class T, Device D>
void copy_layout(const Context<D>& context, Source<T, D> src, TensorView<T, D> dst) {
  detail::check_shape("copy_layout", "dst", src.shape(), dst.shape());
  if (dst.count() == 0) return;
  if constexpr (std::same_as<D, Cpu>)
    cpu::copy_layout<T>(context, src, dst);
  else
    cuda::copy_layout<T>(context, src, dst);
}

}  // namespace deconv

#include "deconv/ops/cpu/copy_layout.hpp"
