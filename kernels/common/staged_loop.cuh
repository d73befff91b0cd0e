#pragma once

#include "common/async_copy.cuh"

namespace deconv::cuda {

/// unit += rows x columns over `steps` tiles of depth, with Tile::stages - 1 tiles on their way by cp.async
/// while one is multiplied. One barrier a tile: it shows this tile's bytes to all, and says that the stage
/// which the next copies go to has been read.
///
/// A loader has `start(panel)`, which starts copying its next tile (zeros where there is nothing) and steps
/// on. `memory` is shared, Tile::shared_bytes. Every thread of the block must call it, with the same `steps`;
/// on return the memory is still being read by others.
template <class Tile, class RowLoader, class ColumnLoader, class Unit>
__device__ inline void multiply_staged(int steps, RowLoader& rows, ColumnLoader& columns,
                                       unsigned char* memory, Unit& unit) {
  const auto start = [&](int stage) {
    unsigned char* const to = memory + stage * Tile::stage_bytes;
    rows.start(to);
    columns.start(to + Tile::row_bytes);
  };
#pragma unroll
  for (int stage = 0; stage < Tile::stages - 1; ++stage) {
    if (stage < steps) start(stage);
    close_copy_group();
  }
  int here = 0, next = Tile::stages - 1;
#pragma unroll 1
  for (int step = 0; step < steps; ++step) {
    wait_for_copy_groups<Tile::stages - 2>();
    __syncthreads();
    if (step + Tile::stages - 1 < steps) start(next);
    close_copy_group();  // an empty one too: the count of groups is the count of tiles
    unit.multiply(memory + here * Tile::stage_bytes, memory + here * Tile::stage_bytes + Tile::row_bytes);
    next = here;
    here = here + 1 == Tile::stages ? 0 : here + 1;
  }
}

}  // namespace deconv::cuda
