#pragma once

#include "deconv/core/context.hpp"
#include "deconv/ops/cuda/weighted_maps.hpp"
#include "deconv/ops/operands.hpp"

namespace deconv {

namespace cpu {
template <class T>
void gradient_weighted_maps(const Context<Cpu>& context, TensorView<const T, Cpu> maps,
                            TensorView<const T, Cpu> gradient, TensorView<T, Cpu> weights,
                            TensorView<T, Cpu> dst);
}  // namespace cpu

/// Maps added up by how much their gradient speaks for them: weights[n, k] is the mean of gradient[n, k] over
/// its positions and dst[n] = max(sum over k of weights[n, k] * maps[n, k], 0). Sums and the weights inside
/// are double, in raster order and in the maps' order, so that every device gives the same bits.
///
/// maps and gradient N x K x H x W of one layout, weights N x K, dst N x H x W. Throws ShapeError. Flops 3 N
/// K H W, in double; bytes: maps and gradient once. Source: Selvaraju et al. 2017, equations 1 and 2.
template <class T, Device D>
void gradient_weighted_maps(const Context<D>& context, Source<T, D> maps, Source<T, D> gradient,
                            TensorView<T, D> weights, std::type_identity_t<TensorView<T, D>> dst) {
  constexpr std::string_view what = "gradient_weighted_maps";
  require<ShapeError>(maps.rank() == 4, what, ": wants maps N,K,H,W, met ", maps.shape());
  detail::check_alike(what, "gradient", maps, gradient);
  detail::check_shape(what, "weights", {maps[0], maps[1]}, weights.shape());
  detail::check_shape(what, "dst", {maps[0], maps[2], maps[3]}, dst.shape());
  if (dst.count() == 0) return;
  if constexpr (std::same_as<D, Cpu>)
    cpu::gradient_weighted_maps<T>(context, maps, gradient, weights, dst);
  else
    cuda::gradient_weighted_maps<T>(context, maps, gradient, weights, dst);
}

}  // namespace deconv

#include "deconv/ops/cpu/weighted_maps.hpp"
