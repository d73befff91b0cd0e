#pragma once

#include "common/fma_unit.cuh"
#include "common/product_loop.cuh"
#include "common/tile_store.cuh"
#include "conv2d_loaders.cuh"

// The forward pass and the pass back to the data as products (docs/kernels/convolution.md):
//
//   sums[pixel][map] = sum over (tap row, tap column, channel) of src[pixel under the tap][channel] *
//                      weights[map][tap][channel]
//
// Neither im2col's matrix nor the zeros between strides are ever written or multiplied: the loaders gather
// what a tile needs. Flops: 2 N K P Q R S C/groups, plus what overhangs the last tiles; bytes: a block reads
// (rows + columns) * depth elements for rows * columns * depth multiply-adds, most of them from the cache.
namespace deconv::cuda {

template <class T>
struct Correlation {
  const T* src;
  const T* weights;
  TileTarget<T> target;
  CorrelationAxis y, x;
  Index images;
  int src_channels, dst_channels;    ///< of all groups
  int src_group, dst_group, groups;  ///< of one group
  unsigned column_tiles, row_tiles, phases, splits;
};

/// One block: a tile of pixels x maps of one group, phase and split.
template <class T, class Block, bool Reverse, int RowWidth, int ColumnWidth>
__global__ void __launch_bounds__(Block::threads, (Reverse && RowWidth == 1 ? Block::fewer : Block::resident))
    correlate(const Correlation<T> c) {
  using Unit = FmaUnit<Block>;
  alignas(16) __shared__ float memory[ProductMemory<Unit>::count];
  __shared__ TilePlace<Block> tile;

  // Neighbouring blocks share their pixels, then their maps.
  BlockNumber number(blockIdx.x);
  const int column_tile = number.digit(c.column_tiles), row_tile = number.digit(c.row_tiles);
  const int group = number.digit(static_cast<unsigned>(c.groups)), phase = number.digit(c.phases);
  const int split = number.rest();

  const PhaseAxis y = Reverse ? reverse_axis(c.y, phase / phases_of(c.x)) : forward_axis(c.y);
  const PhaseAxis x = Reverse ? reverse_axis(c.x, phase % phases_of(c.x)) : forward_axis(c.x);
  const PixelRows pixels(c.images, y.rows, x.rows, static_cast<Index>(row_tile) * Block::rows);
  if (pixels.left() <= 0) return;  // the whole block: phases differ in their pixels

  const int first_column = column_tile * Block::columns, left = c.dst_group - first_column;
  if (threadIdx.x == 0) {
    tile.first_column = group * c.dst_group + first_column;
    tile.columns = left;
    tile.split = split;
  }
  for (int row = static_cast<int>(threadIdx.x); row < Block::rows; row += Block::threads) {
    Index start = -1;
    if (row < pixels.left()) {
      const auto place = pixels[row];
      const Index line =
          (pixels.image() + place.image) * c.y.write + (y.first_pixel + place.y * y.pixel_step);
      start = (line * c.x.write + (x.first_pixel + place.x * x.pixel_step)) * c.dst_channels +
              group * c.dst_group + first_column;
    }
    tile.rows[row] = start;
  }

  const int depth = y.taps * x.taps * c.src_group;
  const int steps = (depth + Block::depth - 1) / Block::depth;
  const int share = (steps + static_cast<int>(c.splits) - 1) / static_cast<int>(c.splits);
  const int first_step = split * share < steps ? split * share : steps;
  const int my_steps = steps - first_step < share ? steps - first_step : share;
  const int first_depth = first_step * Block::depth;

  Unit unit;
  if (my_steps > 0) {
    TapGather<T, Block, RowWidth> rows(c.src + group * c.src_group, c.src_channels, c.src_group, c.y, c.x, y,
                                       x, pixels, first_depth);
    if constexpr (Reverse) {
      const Index filter = static_cast<Index>(c.y.kernel) * c.x.kernel * c.dst_group;
      FilterTaps<T, Block, ColumnWidth> columns(c.weights + group * c.src_group * filter + first_column, left,
                                                c.src_group, c.y.kernel, c.x.kernel, c.dst_group, y, x,
                                                first_depth);
      multiply_tiles(my_steps, rows, columns, memory, unit);
    } else {
      FilterRows<T, Block, ColumnWidth> columns(
          c.weights + (static_cast<Index>(group) * c.dst_group + first_column) * depth, left, depth,
          first_depth);
      multiply_tiles(my_steps, rows, columns, memory, unit);
    }
  }
  __syncthreads();
  store_tile(c.target, tile, unit);
}

}  // namespace deconv::cuda
