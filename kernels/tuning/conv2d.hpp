#pragma once

#include <algorithm>
#include <array>
#include <cstddef>

#include "deconv/core/shape.hpp"
#include "deconv/ops/cuda/conv2d.hpp"
#include "tuning/tile_shape.hpp"

// The convolutions' tiles and how one is chosen: the only place with numbers that depend on a machine. The
// choice looks at the shape alone, so that every GPU computes the same bits.
namespace deconv::cuda::tuning {

/// Which operands of a product are read four elements at a time: where channels come in fours.
enum class Fours { none, rows, both };

/// A tile, the share of the multiply-add rate that it reaches when a multiprocessor is full of it (percent:
/// counted from its reads of shared memory and its loads, see docs/kernels/convolution.md), the passes that
/// it is compiled for, and what it wants of its operands.
struct Conv2dTile {
  TileShape shape;
  int percent;
  bool correlation;      ///< forward and reverse to data
  bool reverse_weights;  ///< likewise
  Fours wants;
};

inline constexpr std::array<Conv2dTile, 7> conv2d_tiles{{
    {{128, 128, 8, 8, 8, 4, 2}, 85, true, true, Fours::both},
    {{128, 96, 8, 8, 8, 8, 2}, 82, true, false, Fours::none},  // 96 maps: first layers of AlexNet and ZFNet
    {{128, 64, 8, 8, 8, 4, 3}, 78, true, true, Fours::none},
    {{64, 64, 8, 8, 4, 4, 4}, 65, true, true, Fours::none},
    {{128, 32, 8, 8, 4, 4, 4}, 58, true, true, Fours::none},
    {{256, 4, 8, 4, 4, 32, 7}, 30, true, false, Fours::rows},  // down to pixels
    {{8, 128, 16, 4, 4, 2, 8}, 35, true, false, Fours::both},  // linear layers of few images
}};

/// The machine that the choice has in mind: multiprocessors, multiply-adds a cycle on each, warps that keep
/// one busy, bytes a cycle of partial sums (all of them), cycles to start a kernel.
struct Machine {
  Index processors = 132, rate = 128, warps = 8, bytes = 2000, start = 6000;
};

/// The product that a pass is: `products` (groups, phases) of rows x columns sums over `depth`; `outputs`
/// values are written in all.
struct Product {
  Index rows = 0, columns = 0, depth = 0, products = 1, outputs = 0;
  bool reverse_weights = false;
  Fours fours = Fours::none;
  int most_splits = 1;
};

/// Cycles that a product takes, estimated: the blocks of the fullest multiprocessor, one after the other,
/// slower where they are too few to hide their own latencies, and the partial sums' way to memory and back.
[[nodiscard]] constexpr double cycles_of(const Product& p, const Conv2dTile& tile, int splits) {
  const Machine machine;
  const auto parts = [](Index count, Index part) { return (count + part - 1) / part; };
  const TileShape& shape = tile.shape;
  const Index blocks = parts(p.rows, shape.rows) * parts(p.columns, shape.columns) * p.products * splits;
  const Index fullest = parts(blocks, machine.processors);
  const Index warps = std::min<Index>(fullest, shape.resident) * shape.threads() / 32;
  const double busy = std::min(1.0, static_cast<double>(warps) / static_cast<double>(machine.warps));
  // Loads, address arithmetic and the epilogue take about as long as 32 more steps of depth.
  const Index depth = parts(p.depth, shape.depth * splits) * shape.depth + 32;
  const double block = static_cast<double>(shape.rows * shape.columns * depth) * 100.0 /
                       static_cast<double>(machine.rate * tile.percent);
  const double sums =
      splits == 1 ? 0.0
                  : static_cast<double>(p.outputs) * 8.0 * splits / static_cast<double>(machine.bytes) +
                        static_cast<double>(machine.start);
  return static_cast<double>(fullest) * block / busy + sums;
}

/// The tile and split with the least estimate; what `wanted` fixes is kept.
[[nodiscard]] constexpr TileChoice choose(const Product& p, TileChoice wanted) {
  constexpr std::array<int, 14> splits{1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128};
  TileChoice best{-1, 1};
  double least = 0;
  for (std::size_t i = 0; i < conv2d_tiles.size(); ++i) {
    const Conv2dTile& tile = conv2d_tiles[i];
    if (wanted.tile >= 0
            ? static_cast<int>(i) != wanted.tile
            : !(p.reverse_weights ? tile.reverse_weights : tile.correlation) || tile.wants > p.fours)
      continue;
    for (const int split : splits) {
      const int taken = wanted.splits > 0 ? wanted.splits : split;
      if (wanted.splits <= 0 && (split > p.most_splits || split * tile.shape.depth > p.depth + 7)) break;
      const double cycles = cycles_of(p, tile, taken);
      if (best.tile < 0 || cycles < least) {
        best = {static_cast<int>(i), taken};
        least = cycles;
      }
      if (wanted.splits > 0) break;
    }
  }
  return best;
}

}  // namespace deconv::cuda::tuning
