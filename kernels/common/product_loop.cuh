#pragma once

#include "common/tile.cuh"

namespace deconv::cuda {

/// Shared memory for `stages` tiles of a unit's panels.
template <class Unit, int Stages = 2>
struct ProductMemory {
  static constexpr int stage = Unit::RowPanel::count + Unit::ColumnPanel::count;
  static constexpr int count = stage * Stages;
};

/// unit += rows x columns over `steps` tiles of depth. While one stage of shared memory is multiplied, the
/// next tile is on its way to registers, and is put into the other stage afterwards: one barrier a tile.
///
/// A loader has `fetch()`, which reads its part of the next tile (zeros where there is nothing) and steps on,
/// and `put(panel)`, which stores what was fetched. `memory` is shared, 16-byte aligned, of ProductMemory's
/// count. Every thread of the block must call it, with the same `steps`.
template <class Unit, class RowLoader, class ColumnLoader>
__device__ inline void multiply_tiles(int steps, RowLoader& rows, ColumnLoader& columns, float* memory,
                                      Unit& unit) {
  constexpr int stage = ProductMemory<Unit>::stage, column_panel = Unit::RowPanel::count;
  // `left` counts the tiles to multiply, this one included.
  const auto step = [&](float* here, float* there, int left) {
    if (left > 1) {
      rows.fetch();
      columns.fetch();
    }
    unit.multiply(here, here + column_panel);
    if (left > 1) {
      rows.put(there);
      columns.put(there + column_panel);
    }
    __syncthreads();
  };
  if (steps <= 0) return;
  rows.fetch();
  columns.fetch();
  rows.put(memory);
  columns.put(memory + column_panel);
  __syncthreads();
  // Two tiles a round, so that the stages' addresses are constants.
#pragma unroll 1
  for (int left = steps; left > 0; left -= 2) {
    step(memory, memory + stage, left);
    if (left > 1) step(memory + stage, memory, left - 1);
  }
}

}  // namespace deconv::cuda
