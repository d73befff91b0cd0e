#pragma once

#include "deconv/core/context.hpp"
#include "deconv/ops/cuda/resize_planes.hpp"
#include "deconv/ops/operands.hpp"

namespace deconv {

namespace cpu {
template <class T>
void resize_planes(const Context<Cpu>& context, TensorView<const T, Cpu> src, TensorView<T, Cpu> dst);
}  // namespace cpu

/// Planes resized by interpolation between the four nearest values, the planes' outer edges laid on each
/// other (pixel centres lie at halves) and values beyond the outermost centres repeated. For maps that grow;
/// when a map shrinks, values between the taken ones do not count.
///
/// src N x h x w, dst N x H x W. Throws ShapeError. Flops 6 an output; bytes: src and dst once.
template <class T, Device D>
void resize_planes(const Context<D>& context, Source<T, D> src, TensorView<T, D> dst) {
  constexpr std::string_view what = "resize_planes";
  require<ShapeError>(src.rank() == 3 && dst.rank() == 3 && src[0] == dst[0], what,
                      ": wants as many planes N,h,w and N,H,W, met ", src.shape(), " and ", dst.shape());
  require<ShapeError>(dst.count() == 0 || src.count() > 0, what, ": no value to interpolate in ",
                      src.shape());
  if (dst.count() == 0) return;
  if constexpr (std::same_as<D, Cpu>)
    cpu::resize_planes<T>(context, src, dst);
  else
    cuda::resize_planes<T>(context, src, dst);
}

}  // namespace deconv

#include "deconv/ops/cpu/resize_planes.hpp"
