#pragma once

#include "common/matrix_unit.cuh"
#include "common/shared_memory.cuh"
#include "common/staged_loop.cuh"
#include "common/strip_store.cuh"
#include "common/tile_store.cuh"
#include "matrix_loaders.cuh"

// The forward pass and the pass back to the data on the matrix units, the same kernel for both
// (docs/kernels/matrix.md):
//
//   sums[place][column] = sum over (tap row, tap column, channel) of src[pixel under the tap][channel] *
//                         filters[phase][column][tap][channel]
//
// Forward, a place is an output pixel and the columns are maps; back to the data, a place is a pixel of one
// phase, the columns are channels and the filters were packed beforehand (matrix_filters.cuh); with merged
// pixels a place is a block of pixels and the columns all their values. Flops: 2 N K P Q R S C/groups, plus
// what overhangs the last tiles; bytes: a block reads (rows + columns) * depth elements for rows * columns *
// depth multiply-adds, most of them from the cache.
namespace deconv::cuda {

template <class T>
struct MatrixCorrelation {
  PixelSource<T> src;
  const T* filters = nullptr;
  Index filter_pitch = 0, filter_group = 0, filter_phase = 0;  ///< elements from one to the next
  MatrixTarget<T> target;
  CorrelationAxis y, x;      ///< of all phases, where there are several
  PhaseAxis only_y, only_x;  ///< of the only phase
  Index images = 0;
  int dst_height = 0, dst_width = 0, dst_channels = 0;
  int columns = 0, groups = 1;  ///< columns: of one group
  int merged = 0;               ///< not 0: a place is a block of merged x merged pixels
  unsigned column_tiles = 1, row_tiles = 1, phases = 1, splits = 1;

  [[nodiscard]] __host__ __device__ PhaseAxis phase_y(int phase) const {
    return phases == 1 ? only_y : reverse_axis(y, phase / phases_of(x));
  }
  [[nodiscard]] __host__ __device__ PhaseAxis phase_x(int phase) const {
    return phases == 1 ? only_x : reverse_axis(x, phase % phases_of(x));
  }
};

/// Which part of a correlation a block does.
struct MatrixBlock {
  int column_tile, row_tile, group, phase, split;

  template <class T>
  __device__ MatrixBlock(const MatrixCorrelation<T>& c, unsigned number) {
    // Neighbouring blocks share their pixels, then their maps.
    BlockNumber rest(number);
    column_tile = rest.digit(c.column_tiles);
    row_tile = rest.digit(c.row_tiles);
    group = rest.digit(static_cast<unsigned>(c.groups));
    phase = rest.digit(c.phases);
    split = rest.rest();
  }
};

/// Says where the sums of a tile's row go: those of the place (image, y, x), where `there`.
template <class T, class Tile>
__device__ inline void place_row(const MatrixCorrelation<T>& c, int group, int first_column,
                                 const PhaseAxis& y, const PhaseAxis& x, Index image, int place_y,
                                 int place_x, bool there, int row, MatrixPlace<Tile>& tile) {
  Index start = -1;
  int lines = 1, strip = c.columns;
  if (there) {
    const int down = y.first_pixel + place_y * y.pixel_step, across = x.first_pixel + place_x * x.pixel_step;
    start = ((image * c.dst_height + down) * c.dst_width + across) * c.dst_channels + group * c.columns +
            (c.merged != 0 ? 0 : first_column);
    if (c.merged != 0) {
      lines = c.dst_height - down;
      strip = (c.dst_width - across) * c.dst_channels;
      if (strip > c.merged * c.dst_channels) strip = c.merged * c.dst_channels;
    }
  }
  tile.rows[row] = start;
  tile.lines_left[row] = lines;
  tile.strip_left[row] = strip;
}

/// Works out where a block's sums go; `thread` of `threads` do it, who must meet before it is read.
template <class T, class Tile, class Places>
__device__ inline void place_tile(const MatrixCorrelation<T>& c, const MatrixBlock& block, const PhaseAxis& y,
                                  const PhaseAxis& x, const Places& places, int thread, int threads,
                                  MatrixPlace<Tile>& tile) {
  const int first_column = block.column_tile * Tile::columns;
  if (thread == 0) {
    tile.first_column = block.group * c.columns + first_column;
    tile.columns = c.columns - first_column;
    tile.split = block.split;
  }
  for (int row = thread; row < Tile::rows; row += threads) {
    const bool there = row < places.left();
    auto place = decltype(places[0]){};
    if (there) place = places[row];
    place_row(c, block.group, first_column, y, x, places.image() + place.image, place.y, place.x, there, row,
              tile);
  }
}

/// The tiles of depth that a split does: [first, first + count).
struct DepthShare {
  int first, count;
  __device__ DepthShare(int steps, int split, unsigned splits) {
    const int share = (steps + static_cast<int>(splits) - 1) / static_cast<int>(splits);
    first = split * share < steps ? split * share : steps;
    count = steps - first < share ? steps - first : share;
  }
};

/// One block: a tile of places x columns of one group, phase and split.
template <class T, class Tile, int Products>
__global__ void __launch_bounds__(Tile::threads, Tile::resident(Products))
    correlate_matrix(const MatrixCorrelation<T> c) {
  __shared__ MatrixPlace<Tile> tile;
  unsigned char* const memory = dynamic_shared<unsigned char>();

  const MatrixBlock block(c, blockIdx.x);
  const PhaseAxis y = c.phase_y(block.phase), x = c.phase_x(block.phase);
  const PixelRows places(c.images, y.rows, x.rows, static_cast<Index>(block.row_tile) * Tile::rows);
  if (places.left() <= 0) return;  // the whole block: phases differ in their pixels
  place_tile(c, block, y, x, places, static_cast<int>(threadIdx.x), Tile::threads, tile);

  const int chunks = y.taps * x.taps * c.src.chunks;
  const DepthShare mine((chunks + line_chunks - 1) / line_chunks, block.split, c.splits);
  MatrixUnit<T, Tile, Products> unit;
  if (mine.count > 0) {
    const int first_column = block.column_tile * Tile::columns, first_chunk = mine.first * line_chunks;
    TapChunks<T, Tile> rows(c.src, block.group, y, x, places, first_chunk);
    FilterChunks<T, Tile> columns(c.filters + block.phase * c.filter_phase + block.group * c.filter_group +
                                      first_column * c.filter_pitch,
                                  c.columns - first_column, chunks, c.filter_pitch, first_chunk);
    multiply_staged<Tile>(mine.count, rows, columns, memory, unit);
  }
  __syncthreads();
  store_sums(c.target, tile, unit.sums, memory);
}

}  // namespace deconv::cuda
