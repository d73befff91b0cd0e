#pragma once

#include <algorithm>
#include <array>
#include <cstddef>

#include "deconv/core/shape.hpp"
#include "deconv/ops/cuda/conv2d.hpp"
#include "matrix.hpp"

// The tiles of the products on warpgroups (wgmma) and how one is chosen: the only place with numbers that
// depend on a machine.
namespace deconv::cuda::tuning {

/// Two consumer warpgroups of 64 rows each, `columns` sums a row, `stages` tiles of 128 bytes of depth on
/// their way. `percent`: the share of the units' rate, counted from the bytes of shared memory that a product
/// reads (docs/kernels/warpgroup.md); it only ranks tiles.
struct WarpgroupTileShape {
  int columns, stages, percent;
};

inline constexpr int warpgroup_rows = 128;
inline constexpr std::array<WarpgroupTileShape, 5> warpgroup_tiles{{
    {256, 4, 92}, {128, 6, 80}, {96, 6, 72}, {64, 6, 60}, {16, 6, 20},  // merged pixels of three channels
}};

/// Cycles that a product takes, estimated: one block on each multiprocessor takes tile after tile.
[[nodiscard]] constexpr double cycles_of(const MatrixProduct& p, const WarpgroupTileShape& tile, int splits) {
  constexpr Index processors = 132;
  constexpr double sums_bytes = 2000, start = 6000;
  const double rate = 4096.0 / p.element_bytes;
  const auto parts = [](Index count, Index part) { return (count + part - 1) / part; };
  const Index tiles = parts(p.rows, warpgroup_rows) * parts(p.columns, tile.columns) * p.products * splits;
  // The epilogue stops a tile's products, not the next one's copies: about two tiles of depth.
  const Index step = 128 / p.element_bytes, depth = (parts(p.depth, step * splits) + 2) * step;
  const double one = static_cast<double>(warpgroup_rows * tile.columns * depth) * 100.0 /
                     (rate * static_cast<double>(tile.percent));
  const double sums = splits == 1 ? 0.0 : static_cast<double>(p.outputs) * 8.0 * splits / sums_bytes + start;
  return static_cast<double>(parts(tiles, processors)) * one + sums;
}

/// A choice and what it is estimated to take.
struct WarpgroupChoice {
  TileChoice choice{-1, 1, Units::warpgroup};
  double cycles = 0;
};

/// The tile and split with the least estimate; what `wanted` fixes is kept. Tile -1: there is none such.
[[nodiscard]] constexpr WarpgroupChoice choose_warpgroup(const MatrixProduct& p, TileChoice wanted) {
  constexpr std::array<int, 12> splits{1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64};
  WarpgroupChoice best;
  for (std::size_t i = 0; i < warpgroup_tiles.size(); ++i) {
    if (wanted.tile >= 0 && static_cast<int>(i) != wanted.tile) continue;
    for (const int split : splits) {
      const int taken = wanted.splits > 0 ? wanted.splits : split;
      if (wanted.splits <= 0 && split > 1 &&
          (split > p.most_splits || split * (128 / p.element_bytes) > p.depth))
        break;
      const double cycles = cycles_of(p, warpgroup_tiles[i], taken);
      if (best.choice.tile < 0 || cycles < best.cycles)
        best = {{static_cast<int>(i), taken, Units::warpgroup}, cycles};
      if (wanted.splits > 0) break;
    }
  }
  return best;
}

}  // namespace deconv::cuda::tuning
