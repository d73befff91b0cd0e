#pragma once

#include <algorithm>
#include <cstdlib>

#include "unpool_conv2d.cuh"

// What the launchers of the kernels that unpool where they multiply count of a correlation's phases.
namespace deconv::cuda {

/// Pixels of an axis under so many places and all of their taps.
[[nodiscard]] inline Index pixels_under(const PhaseAxis& axis, int places) {
  return Index{places - 1} * axis.origin_step + std::abs(Index{axis.taps - 1} * axis.read_step) + 1;
}

/// What the phases of a correlation need at most.
struct Extremes {
  int rows = 0, columns = 0;  ///< places
  Index taps = 0;
};
template <class T>
[[nodiscard]] Extremes extremes_of(const MatrixCorrelation<T>& c) {
  Extremes most;
  for (int phase = 0; phase < static_cast<int>(c.phases); ++phase) {
    const PhaseAxis y = c.phase_y(phase), x = c.phase_x(phase);
    most.rows = std::max(most.rows, y.rows);
    most.columns = std::max(most.columns, x.rows);
    most.taps = std::max(most.taps, Index{1} * y.taps * x.taps);
  }
  return most;
}

/// Pixels under a patch of down x across places, of the phase with the most.
template <class T>
[[nodiscard]] Index lines_under(const MatrixCorrelation<T>& c, int down, int across) {
  Index lines = 1;
  for (int phase = 0; phase < static_cast<int>(c.phases); ++phase)
    lines = std::max(lines, pixels_under(c.phase_y(phase), down) * pixels_under(c.phase_x(phase), across));
  return lines;
}

}  // namespace deconv::cuda
