#pragma once

#include <array>

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
  bool correlation, reverse_weights;  ///< passes that it is compiled for
};

inline constexpr int warpgroup_rows = 128;
inline constexpr std::array<WarpgroupTileShape, 5> warpgroup_tiles{{
    {256, 4, 92, true, true},
    {128, 6, 80, true, true},
    {96, 6, 72, true, false},  // 96 maps
    {64, 6, 60, true, true},
    {16, 6, 20, true, false},  // merged pixels of three channels
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

/// On warpgroups.
[[nodiscard]] constexpr Estimate choose_warpgroup(const MatrixProduct& p, TileChoice wanted) {
  return least_estimate(p, warpgroup_tiles, Units::warpgroup, wanted);
}

}  // namespace deconv::cuda::tuning
