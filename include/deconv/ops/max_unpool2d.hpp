#pragma once

#include <cstdint>

#include "deconv/core/context.hpp"
#include "deconv/ops/cuda/max_unpool2d.hpp"
#include "deconv/ops/operands.hpp"

namespace deconv {

namespace cpu {
template <class T>
void max_unpool2d(const Context<Cpu>& context, TensorView<const T, Cpu> src,
                  TensorView<const std::int64_t, Cpu> indices, TensorView<T, Cpu> dst);
template <class T>
void max_unpool2d_reverse(const Context<Cpu>& context, TensorView<const T, Cpu> diff_dst,
                          TensorView<const std::int64_t, Cpu> indices, TensorView<T, Cpu> diff_src);
}  // namespace cpu

namespace detail {

template <class T, Device D>
void check_max_unpool2d(std::string_view what, TensorView<const T, D> pooled,
                        TensorView<const std::int64_t, D> indices, TensorView<const T, D> plane) {
  check_rank4_pair(what, pooled, plane);
  check_alike(what, "indices", pooled, indices);
  require<ShapeError>(pooled[0] == plane[0] && pooled[1] == plane[1], what, ": images and channels of ",
                      pooled.shape(), " differ from ", plane.shape());
}

}  // namespace detail

/// dst = 0 but for the elements that `indices` names: those receive src (the last in raster order where
/// indices repeat). This is ONNX's MaxUnpool, for indices that come as data; a network's own pooling uses
/// switches and unpool2d.
///
/// src and indices N x C x P x Q, dst N x C x H x W, one layout. Indices count row-major over the whole of
/// dst in N,C,H,W order, whatever the layout. Throws ShapeError when shapes do not fit. An index outside dst
/// throws FormatError on the Cpu; on Cuda, where nothing waits for the indices, its element goes nowhere.
/// Bytes: src, indices and dst once, plus scattered writes.
template <class T, Device D>
void max_unpool2d(const Context<D>& context, Source<T, D> src, Source<std::int64_t, D> indices,
                  TensorView<T, D> dst) {
  detail::check_max_unpool2d<T, D>("max_unpool2d", src, indices, dst);
  if constexpr (std::same_as<D, Cpu>)
    cpu::max_unpool2d<T>(context, src, indices, dst);
  else
    cuda::max_unpool2d<T>(context, src, indices, dst);
}

/// diff_src = diff_dst where `indices` points: the adjoint of max_unpool2d as long as no index repeats.
/// diff_dst N x C x H x W, indices and diff_src N x C x P x Q, one layout. Throws as
/// max_unpool2d; on Cuda an index outside diff_dst gives 0.
template <class T, Device D>
void max_unpool2d_reverse(const Context<D>& context, Source<T, D> diff_dst, Source<std::int64_t, D> indices,
                          TensorView<T, D> diff_src) {
  detail::check_max_unpool2d<T, D>("max_unpool2d_reverse", diff_src, indices, diff_dst);
  if constexpr (std::same_as<D, Cpu>)
    cpu::max_unpool2d_reverse<T>(context, diff_dst, indices, diff_src);
  else
    cuda::max_unpool2d_reverse<T>(context, diff_dst, indices, diff_src);
}

}  // namespace deconv

#include "deconv/ops/cpu/max_unpool2d.hpp"
