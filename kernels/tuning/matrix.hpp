#pragma once

#include <algorithm>
#include <array>
#include <cstddef>

#include "deconv/core/shape.hpp"
#include "deconv/ops/cuda/conv2d.hpp"

// The tiles of the products on the matrix units (mma.sync) and how one is chosen: the only place with numbers
// that depend on a machine. The choice looks at the shape and the type of products alone.
namespace deconv::cuda::tuning {

/// A block's tile: rows x columns sums in warps of warp_rows x warp_columns, `stages` tiles of 128 bytes of
/// depth in shared memory, `resident` blocks on a multiprocessor, which bounds a thread's registers.
/// `percent`: the share of the units' rate that it reaches when a multiprocessor is full of it, counted from
/// the bytes it reads of shared memory for a product (docs/kernels/matrix.md); it only ranks tiles.
struct MatrixTileShape {
  int rows, columns, warp_rows, warp_columns, stages, resident, percent;
  bool correlation, reverse_weights;  ///< passes that it is compiled for

  [[nodiscard]] constexpr int threads() const { return rows / warp_rows * (columns / warp_columns) * 32; }
};

inline constexpr std::array<MatrixTileShape, 6> matrix_tiles{{
    {128, 128, 64, 32, 3, 2, 62, true, true},
    {128, 96, 32, 48, 3, 2, 58, true, false},  // 96 maps
    {128, 64, 64, 32, 3, 3, 55, true, false},
    {64, 64, 32, 32, 4, 3, 45, true, true},
    {128, 16, 32, 16, 4, 3, 20, true, false},  // merged pixels of three channels
    {16, 128, 16, 32, 4, 3, 20, true, false},  // few places
}};

/// A product for the matrix units: `products` (groups, phases) of rows x columns over `depth` elements of
/// `element_bytes`, each multiplied `times` times.
struct MatrixProduct {
  Index rows = 0, columns = 0, depth = 0, products = 1, outputs = 0;
  int element_bytes = 2, times = 1;
  bool to_weights = false;
  int most_splits = 1;
};

/// Cycles that a product takes, estimated as tuning::cycles_of does for multiply-adds.
[[nodiscard]] constexpr double cycles_of(const MatrixProduct& p, const MatrixTileShape& tile, int splits) {
  constexpr Index processors = 132, warps_to_be_busy = 8;
  constexpr double sums_bytes = 2000, start = 6000;
  const double rate = 4096.0 / p.element_bytes / p.times;  // multiply-adds a cycle and multiprocessor
  const auto parts = [](Index count, Index part) { return (count + part - 1) / part; };
  const Index blocks = parts(p.rows, tile.rows) * parts(p.columns, tile.columns) * p.products * splits;
  const Index fullest = parts(blocks, processors);
  const Index warps = std::min<Index>(fullest, tile.resident) * tile.threads() / 32;
  const double busy = std::min(1.0, static_cast<double>(warps) / static_cast<double>(warps_to_be_busy));
  // Filling the stages and the epilogue take about as long as four more tiles of depth.
  const Index step = 128 / p.element_bytes;
  const Index depth = (parts(p.depth, step * splits) + 4) * step;
  const double block = static_cast<double>(tile.rows * tile.columns * depth) * 100.0 /
                       (rate * static_cast<double>(tile.percent));
  const double sums = splits == 1 ? 0.0 : static_cast<double>(p.outputs) * 8.0 * splits / sums_bytes + start;
  return static_cast<double>(fullest) * block / busy + sums;
}

/// A choice, and the cycles that it is estimated to take. Tile -1: there is none such.
struct Estimate {
  TileChoice choice;
  double cycles = 0;
};

/// The tile of a table and the split with the least estimate; what `wanted` fixes is kept.
template <class Tiles>
[[nodiscard]] constexpr Estimate least_estimate(const MatrixProduct& p, const Tiles& tiles, Units units,
                                                TileChoice wanted) {
  constexpr std::array<int, 14> splits{1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128};
  Estimate best{{-1, 1, units}, 0};
  for (std::size_t i = 0; i < tiles.size(); ++i) {
    if (wanted.tile >= 0 && static_cast<int>(i) != wanted.tile) continue;
    if (!(p.to_weights ? tiles[i].reverse_weights : tiles[i].correlation)) continue;
    for (const int split : splits) {
      const int taken = wanted.splits > 0 ? wanted.splits : split;
      if (wanted.splits <= 0 && split > 1 &&
          (split > p.most_splits || split * (128 / p.element_bytes) > p.depth))
        break;
      const double cycles = cycles_of(p, tiles[i], taken);
      if (best.choice.tile < 0 || cycles < best.cycles) best = {{static_cast<int>(i), taken, units}, cycles};
      if (wanted.splits > 0) break;
    }
  }
  return best;
}

/// The tile of a table with the least cycles(tile), in one split, of those for which usable(i, tile), or the
/// one wanted.
template <class Tiles, class Usable, class Cycles>
[[nodiscard]] constexpr Estimate least_whole_estimate(const Tiles& tiles, Units units, int wanted,
                                                      Usable&& usable, Cycles&& cycles) {
  Estimate best{{-1, 1, units}, 0};
  for (int i = 0; i < static_cast<int>(tiles.size()); ++i) {
    const auto& tile = tiles[static_cast<std::size_t>(i)];
    if ((wanted >= 0 && i != wanted) || !usable(i, tile)) continue;
    const double estimate = cycles(tile);
    if (best.choice.tile < 0 || estimate < best.cycles) best = {{i, 1, units}, estimate};
  }
  return best;
}

/// On the matrix units, a warp at a time.
[[nodiscard]] constexpr Estimate choose_matrix(const MatrixProduct& p, TileChoice wanted) {
  return least_estimate(p, matrix_tiles, Units::matrix, wanted);
}

}  // namespace deconv::cuda::tuning
