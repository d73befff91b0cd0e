#pragma once

#include "deconv/core/shape.hpp"

namespace deconv {

/// Places of a patch that wanders over a plane: `rows` x `columns` of them, counted row by row. The patch at
/// row r, column c covers `height` x `width` pixels from (top + r * step_y, left + c * step_x) on; what
/// overhangs the plane is cut off.
struct PatchGrid {
  Index rows = 1, columns = 1;
  Index top = 0, left = 0;
  Index step_y = 1, step_x = 1;
  Index height = 1, width = 1;
  [[nodiscard]] Index count() const noexcept { return rows * columns; }
  friend bool operator==(const PatchGrid&, const PatchGrid&) = default;
};

}  // namespace deconv
