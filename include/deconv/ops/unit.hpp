#pragma once

#include "deconv/core/shape.hpp"

namespace deconv {

/// One unit of a layer: an image of the batch, a feature map, and a position in its plane (0, 0 where the
/// layer has no planes).
struct Unit {
  Index image = 0;
  Index map = 0;
  Index y = 0, x = 0;
  friend bool operator==(const Unit&, const Unit&) = default;
};

}  // namespace deconv
