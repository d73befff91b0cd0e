#pragma once

#include <algorithm>
#include <cstdint>

#include "deconv/core/context.hpp"

namespace deconv {

/// The strongest activations so far of M feature maps, at most k each, strongest first: row m of each tensor
/// holds those of map m in its first `held` places.
template <class T, Device D>
struct TopHits {
  Tensor<T, D> values;             ///< M x k
  Tensor<std::int64_t, D> images;  ///< M x k, the data set's number of the image
  Tensor<std::int32_t, D> places;  ///< M x k, y * W + x
  Index held = 0;                  ///< filled places of every row, at most k

  /// None yet of `maps` maps. Throws ArgumentError when `top` < 1 or `maps` < 0, DeviceError when memory is
  /// out.
  static TopHits make(const Context<D>& context, Index maps, Index top) {
    require<ArgumentError>(top >= 1 && maps >= 0, "the ", top, " strongest of ", maps,
                           " maps: at least 1 and 0 are wanted");
    return {context.template make<T>({maps, top}), context.template make<std::int64_t>({maps, top}),
            context.template make<std::int32_t>({maps, top}), 0};
  }
  [[nodiscard]] Index maps() const noexcept { return values[0]; }
  [[nodiscard]] Index top() const noexcept { return values[1]; }
};

}  // namespace deconv
