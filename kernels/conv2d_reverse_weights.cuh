#pragma once

#include "common/fma_unit.cuh"
#include "common/product_loop.cuh"
#include "common/tile_store.cuh"
#include "conv2d_loaders.cuh"

// The weights' gradient as a product, whose depth is long and whose result is small:
//
//   sums[filter][tap, channel] = sum over (image, output pixel) of diff_dst[pixel][filter] *
//                                src[pixel under the tap][channel]
//
// The depth is split over blocks; each split's sums go to memory of their own and are added in order
// (ordered_sums.cuh), so that reruns give the same bits. Flops: the forward pass's.
namespace deconv::cuda {

template <class T>
struct WeightGradient {
  const T* src;
  const T* diff_dst;
  TileTarget<T> target;
  CorrelationAxis y, x;
  Index pixels;  ///< of diff_dst: N * P * Q
  int images;
  int src_channels, dst_channels;    ///< of all groups
  int src_group, dst_group, groups;  ///< of one group
  unsigned column_tiles, row_tiles, splits;
};

/// One block: a tile of filters x (tap, channel) of one group and split.
template <class T, class Block, int RowWidth, int ColumnWidth>
__global__ void __launch_bounds__(Block::threads, (RowWidth == 1 ? Block::fewer : Block::resident))
    correlate_weights(const WeightGradient<T> g) {
  using Unit = FmaUnit<Block>;
  alignas(16) __shared__ float memory[ProductMemory<Unit>::count];
  __shared__ TilePlace<Block> tile;

  BlockNumber number(blockIdx.x);
  const int column_tile = number.digit(g.column_tiles), row_tile = number.digit(g.row_tiles);
  const int group = number.digit(static_cast<unsigned>(g.groups)), split = number.rest();

  const int filter = g.y.kernel * g.x.kernel * g.src_group;
  const int first_row = row_tile * Block::rows, first_column = column_tile * Block::columns;
  const int rows_left = g.dst_group - first_row;
  if (threadIdx.x == 0) {
    tile.first_column = 0;
    tile.columns = filter - first_column;
    tile.split = split;
  }
  for (int row = static_cast<int>(threadIdx.x); row < Block::rows; row += Block::threads)
    tile.rows[row] = row < rows_left
                         ? (static_cast<Index>(group) * g.dst_group + first_row + row) * filter + first_column
                         : -1;

  const Index steps = (g.pixels + Block::depth - 1) / Block::depth;
  const Index share = (steps + g.splits - 1) / g.splits;
  const Index first_step = split * share < steps ? split * share : steps;
  const auto my_steps = static_cast<int>(steps - first_step < share ? steps - first_step : share);
  const Index first_pixel = first_step * Block::depth, pixels_left = g.pixels - first_pixel;
  const int my_pixels = pixels_left < static_cast<Index>(my_steps) * Block::depth
                            ? static_cast<int>(pixels_left)
                            : my_steps * Block::depth;

  Unit unit;
  if (my_steps > 0) {
    SignalColumns<T, Block, RowWidth> rows(
        g.diff_dst + first_pixel * g.dst_channels + group * g.dst_group + first_row, g.dst_channels,
        my_pixels, rows_left);
    PixelTaps<T, Block, ColumnWidth> columns(g.src + group * g.src_group, g.src_channels, g.src_group, g.y,
                                             g.x, first_column, filter, first_pixel, g.images);
    multiply_tiles(my_steps, rows, columns, memory, unit);
  }
  __syncthreads();
  store_tile(g.target, tile, unit);
}

}  // namespace deconv::cuda
