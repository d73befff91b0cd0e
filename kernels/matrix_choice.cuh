#pragma once

#include "matrix_launch.cuh"
#include "tuning/matrix.hpp"
#include "tuning/warpgroup.hpp"

// Which tensor cores, tile and splits a product gets.
namespace deconv::cuda {

/// Whether the GPU and the build have warpgroups' products: compute capability 9.0, and kernels for 90a.
[[nodiscard]] bool has_warpgroup_units(int device);

/// What is known of every product of T before its extents: the numbers, and what is written of it.
template <class T>
[[nodiscard]] tuning::MatrixProduct product_to(const Context<Cuda>& context, Index outputs) {
  tuning::MatrixProduct product;
  product.outputs = outputs;
  product.element_bytes = sizeof(T);
  product.times = products_of<T>(context);
  product.most_splits = most_splits(outputs);
  return product;
}

/// What a pass says when it cannot have what is wanted.
struct ChoiceWords {
  const char* op;
  const char* groups_serve;         ///< what warpgroups' products serve
  const char* warp_tiles_want;      ///< of a tile, where not all of a table serve
  const char* group_tiles_want;     ///< likewise
  const char* why_whole = nullptr;  ///< why its sums are not split, where they are not
};

/// A pass on tensor cores: estimate(units, wanted) is the least estimate in the table of those units, of what
/// `wanted` leaves open; fits() says whether warpgroups serve the shape, and is asked where they would be
/// faster; `times` products are made of each pair of numbers.
template <class EstimateOn, class Fits>
struct UnitsPass {
  int times;
  EstimateOn estimate;
  Fits fits;
};
template <class EstimateOn, class Fits>
UnitsPass(int, EstimateOn, Fits) -> UnitsPass<EstimateOn, Fits>;

/// A plain product.
template <class Fits>
[[nodiscard]] auto plain_pass(const tuning::MatrixProduct& product, Fits fits) {
  return UnitsPass{product.times,
                   [product](Units units, TileChoice wanted) {
                     return units == Units::warpgroup ? tuning::choose_warpgroup(product, wanted)
                                                      : tuning::choose_matrix(product, wanted);
                   },
                   fits};
}

/// What a pass is expected to take on the units that the GPU has.
template <class Pass>
[[nodiscard]] tuning::Estimate best_estimate(const Context<Cuda>& context, const Pass& pass) {
  const tuning::Estimate warps = pass.estimate(Units::matrix, {});
  if (pass.times != 1 || !has_warpgroup_units(context.device())) return warps;
  const tuning::Estimate groups = pass.estimate(Units::warpgroup, {});
  return groups.choice.tile >= 0 && groups.cycles < warps.cycles && pass.fits() ? groups : warps;
}

/// The units, tile and splits that `wanted` leaves open. A tile named without units is one of mma.sync's.
/// Throws ArgumentError where what is wanted cannot be.
template <class Pass>
[[nodiscard]] TileChoice choose_units(const Context<Cuda>& context, const Pass& pass, TileChoice wanted,
                                      const ChoiceWords& words) {
  const bool whole = words.why_whole != nullptr, groups = wanted.units == Units::warpgroup;
  if (whole && wanted.splits > 1)
    raise<ArgumentError>(words.op, ": ", wanted.splits, " splits were asked for: ", words.why_whole);
  if (wanted.units == Units::by_maths && wanted.tile < 0 && (whole || wanted.splits <= 0))
    return best_estimate(context, pass).choice;
  if (groups && !has_warpgroup_units(context.device()))
    raise<ArgumentError>(words.op,
                         ": warpgroups' products were asked for, which this GPU or this build has not");
  if (groups && (pass.times != 1 || !pass.fits()))
    raise<ArgumentError>(words.op, ": warpgroups' products were asked for, which serve ", words.groups_serve);
  const TileChoice choice = pass.estimate(groups ? Units::warpgroup : Units::matrix, wanted).choice;
  if (choice.tile < 0)
    raise<ArgumentError>(words.op, ": tile ", wanted.tile, " of the ",
                         groups ? "warpgroups'" : "matrix units'", " tuning table does not serve: it wants ",
                         groups ? words.group_tiles_want : words.warp_tiles_want);
  return choice;
}

}  // namespace deconv::cuda
