#pragma once

#include "deconv/core/context.hpp"
#include "deconv/ops/cuda/fill_patches.hpp"
#include "deconv/ops/operands.hpp"
#include "deconv/ops/patch_grid.hpp"

namespace deconv {

namespace cpu {
template <class T>
void fill_patches(const Context<Cpu>& context, TensorView<const T, Cpu> src, const T* values,
                  const PatchGrid& grid, Index first, TensorView<T, Cpu> dst);
}  // namespace cpu

namespace detail {

template <class T, Device D>
void check_fill_patches(const TensorView<const T, D>& src, const TensorView<const T, D>& values,
                        const PatchGrid& grid, Index first, const TensorView<T, D>& dst) {
  constexpr std::string_view what = "fill_patches";
  check_rank4_pair(what, src, dst);
  require<ShapeError>(src[0] == 1, what, ": one image is wanted, met ", src.shape());
  check_shape(what, "dst", src.shape().with(0, dst[0]), dst.shape());
  check_shape(what, "values", Shape{src[1]}, values.shape());
  constexpr Index most = Index{1} << 30;
  const auto within = [](Index value) { return value >= -most && value <= most; };
  require<ArgumentError>(grid.rows >= 0 && grid.columns >= 0 && within(grid.rows) && within(grid.columns) &&
                             grid.height >= 0 && grid.width >= 0 && within(grid.height) &&
                             within(grid.width) && within(grid.top) && within(grid.left) &&
                             within(grid.step_y) && within(grid.step_x),
                         what, ": grids and patches of 0 to 2^30 are wanted");
  require<ShapeError>(first >= 0 && dst[0] <= grid.count() - first, what, ": places ", first, " to ",
                      first + dst[0] - 1, " of a grid of ", grid.rows, "x", grid.columns);
}

}  // namespace detail

/// Image b of dst = src with the patch at place first + b of the grid set to `values`: many occlusions of one
/// image in one batch. src 1 x C x H x W, values C (what grey is after normalisation differs by channel), dst
/// B x C x H x W in src's layout, no overlap. Throws ShapeError, ArgumentError. Bytes: dst once, src from the
/// caches. Source: Zeiler and Fergus 2013, section 4.2.
template <class T, Device D>
void fill_patches(const Context<D>& context, Source<T, D> src, Source<T, D> values, const PatchGrid& grid,
                  Index first, TensorView<T, D> dst) {
  detail::check_fill_patches(src, values, grid, first, dst);
  if (dst.count() == 0) return;
  if constexpr (std::same_as<D, Cpu>)
    cpu::fill_patches<T>(context, src, values.data(), grid, first, dst);
  else
    cuda::fill_patches<T>(context, src, values.data(), grid, first, dst);
}

}  // namespace deconv

#include "deconv/ops/cpu/fill_patches.hpp"
