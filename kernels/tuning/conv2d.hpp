#pragma once

#include <algorithm>
#include <array>
#include <cstddef>

#include "deconv/core/shape.hpp"
#include "deconv/ops/cuda/conv2d.hpp"

// The convolutions' tiles and how one is chosen: the only place with numbers that depend on a machine. The
// choice looks at the shape alone, so that every GPU computes the same bits.
namespace deconv::cuda::tuning {

/// A block's tile of a product: rows x columns sums, made in steps of `depth`, thread_rows x thread_columns
/// of them a thread, lane_rows threads of a warp one below the other. `resident` blocks must fit on a
/// multiprocessor, which bounds the registers of a thread.
struct TileShape {
  int rows, columns, depth;
  int thread_rows, thread_columns;
  int lane_rows;
  int resident;

  [[nodiscard]] constexpr int threads() const { return rows * columns / (thread_rows * thread_columns); }
};

/// Which operands of a product are read four elements at a time: where channels come in fours.
enum class Fours { none, rows, both };

/// A tile, the share of the multiply-add rate that it reaches when a multiprocessor is full of it (percent:
/// counted from its reads of shared memory and its loads, see docs/kernels/convolution.md), what it is
/// compiled for, and what it wants of its operands. Half and bfloat16 have fewer tiles: it is tensor cores
/// that they are kept for, and each tile takes its time to compile.
struct Conv2dTile {
  TileShape shape;
  int percent;
  bool correlation;      ///< forward and reverse to data
  bool reverse_weights;  ///< likewise
  bool half_types;
  Fours wants;

  /// Whether the kernels of a pass are there for an element type.
  [[nodiscard]] constexpr bool serves(bool to_weights, bool of_float) const {
    return (to_weights ? reverse_weights : correlation) && (of_float || half_types);
  }
};

inline constexpr std::array<Conv2dTile, 7> conv2d_tiles{{
    {{128, 128, 8, 8, 8, 4, 2}, 85, true, true, true, Fours::both},
    {{128, 96, 8, 8, 8, 8, 2}, 82, true, false, false, Fours::none},  // 96 maps: ZFNet's first layer
    {{128, 64, 8, 8, 8, 4, 3}, 78, true, true, false, Fours::none},
    {{64, 64, 8, 8, 4, 4, 4}, 65, true, true, true, Fours::none},
    {{128, 32, 8, 8, 4, 4, 4}, 58, true, true, false, Fours::none},
    {{256, 4, 8, 4, 4, 32, 7}, 30, true, false, true, Fours::rows},  // down to pixels
    {{8, 128, 16, 4, 4, 2, 8}, 35, true, false, true, Fours::both},  // linear layers of few images
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
  bool to_weights = false, of_float = true;
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
    if (wanted.tile >= 0 ? static_cast<int>(i) != wanted.tile
                         : !tile.serves(p.to_weights, p.of_float) || tile.wants > p.fours)
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
