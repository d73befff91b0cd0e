#pragma once

#include "matrix_launch.cuh"
#include "tuning/matrix.hpp"
#include "tuning/warpgroup.hpp"

// Which tensor cores, tile and splits a product gets.
namespace deconv::cuda {

/// Whether the GPU and the build have warpgroups' products: compute capability 9.0, and kernels for 90a.
[[nodiscard]] bool has_warpgroup_units(int device);

/// What a product is expected to take on the units that the GPU has; fits() says whether warpgroups serve its
/// shape, and is asked where they would be faster.
template <class Fits>
[[nodiscard]] tuning::Estimate best_estimate(const Context<Cuda>& context,
                                             const tuning::MatrixProduct& product, Fits&& fits) {
  const tuning::Estimate warps = tuning::choose_matrix(product, {});
  if (product.times != 1 || !has_warpgroup_units(context.device())) return warps;
  const tuning::Estimate groups = tuning::choose_warpgroup(product, {});
  return groups.choice.tile >= 0 && groups.cycles < warps.cycles && fits() ? groups : warps;
}

/// The units, tile and splits that `wanted` leaves open. A tile named without units is one of mma.sync's.
/// Throws ArgumentError where what is wanted cannot be.
template <class Fits>
[[nodiscard]] TileChoice choose_units(const Context<Cuda>& context, const tuning::MatrixProduct& product,
                                      TileChoice wanted, Fits&& fits) {
  if (wanted.units == Units::by_maths && wanted.tile < 0 && wanted.splits <= 0)
    return best_estimate(context, product, fits).choice;
  const bool groups = wanted.units == Units::warpgroup;
  if (groups && !has_warpgroup_units(context.device()))
    raise<ArgumentError>("conv2d: warpgroups' products were asked for, which this GPU or this build has not");
  if (groups && (product.times != 1 || !fits()))
    raise<ArgumentError>(
        "conv2d: warpgroups' products were asked for, which serve one group of channels, single products "
        "(for gradients of weights, of 16-bit numbers) and planes within the limits of tensor copies");
  const TileChoice choice =
      (groups ? tuning::choose_warpgroup(product, wanted) : tuning::choose_matrix(product, wanted)).choice;
  if (choice.tile < 0)
    raise<ArgumentError>("conv2d: there is no tile ", wanted.tile, " for ",
                         groups ? "warpgroups" : "the matrix units", " in the tuning table");
  return choice;
}

}  // namespace deconv::cuda
