#pragma once

#include "deconv/core/shape.hpp"

namespace deconv {

/// Where a window is cut: from image `image` of `planes` (a view of a tensor or of switches), its first pixel
/// at (top, left), which may lie outside.
template <class View>
struct WindowPlace {
  View planes;
  Index image = 0, top = 0, left = 0;
};

}  // namespace deconv
