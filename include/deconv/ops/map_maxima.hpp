#pragma once

#include <cstdint>
#include <limits>
#include <span>

#include "deconv/core/context.hpp"
#include "deconv/ops/cuda/map_maxima.hpp"
#include "deconv/ops/operands.hpp"

namespace deconv {

namespace cpu {
template <class T>
void map_maxima(const Context<Cpu>& context, TensorView<const T, Cpu> src, std::span<const Index> maps,
                TensorView<T, Cpu> values, TensorView<std::int32_t, Cpu> places);
}  // namespace cpu

/// The strongest unit of chosen feature maps in every image: values[n, k] is the maximum of map maps[k] in
/// image n, places[n, k] its position y * W + x. Of equals the first in raster order; NaN counts as less than
/// every number, and of a map that holds nothing else the last position is taken.
///
/// src N x C x H x W in either layout, or N x C (position 0); values and places N x K for K maps, in any
/// order, repeated or not. Throws ShapeError, also for maps that src does not have and for planes without a
/// pixel. Bytes: the chosen maps once (nhwc: at least 32 bytes of each pixel).
template <class T, Device D>
void map_maxima(const Context<D>& context, Source<T, D> src, std::span<const Index> maps,
                TensorView<T, D> values, std::type_identity_t<TensorView<std::int32_t, D>> places) {
  constexpr std::string_view what = "map_maxima";
  require<ShapeError>(src.rank() == 4 || src.rank() == 2, what, ": wants a tensor of rank 2 or 4, met ",
                      src.shape());
  const Shape wanted{src[0], static_cast<Index>(maps.size())};
  detail::check_shape(what, "values", wanted, values.shape());
  detail::check_shape(what, "places", wanted, places.shape());
  for (const Index map : maps)
    require<ShapeError>(map >= 0 && map < src[1], what, ": map ", map, " of a tensor ", src.shape());
  if (wanted.count() == 0) return;
  const Index pixels = src.rank() == 4 ? src[2] * src[3] : 1;
  require<ShapeError>(pixels >= 1 && pixels <= std::numeric_limits<std::int32_t>::max(), what,
                      ": planes of 1 to 2^31 - 1 pixels are wanted, met ", src.shape());
  if constexpr (std::same_as<D, Cpu>)
    cpu::map_maxima<T>(context, src, maps, values, places);
  else
    cuda::map_maxima<T>(context, src, maps, values, places);
}

}  // namespace deconv

#include "deconv/ops/cpu/map_maxima.hpp"
