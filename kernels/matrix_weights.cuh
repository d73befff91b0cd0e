#pragma once

#include "common/deep_unit.cuh"
#include "common/shared_memory.cuh"
#include "common/staged_loop.cuh"
#include "common/strip_store.cuh"
#include "common/tile_store.cuh"
#include "matrix_loaders.cuh"

// The weights' gradient on the matrix units, as conv2d_reverse_weights.cuh has it:
//
//   sums[filter][tap, channel] = sum over (image, output pixel) of diff_dst[pixel][filter] *
//                                src[pixel under the tap][channel]
//
// Both operands run along the extents in memory, so that lines of shared memory are pixels. Split over blocks
// and added in order. Flops: the forward pass's; bytes: a block reads (rows + columns) * pixels elements.
namespace deconv::cuda {

template <class T>
struct MatrixWeightGradient {
  PixelSource<T> src;
  const T* diff_dst = nullptr;
  int diff_pitch = 0, diff_group = 0;  ///< elements from pixel to pixel and from group to group
  MatrixTarget<T> target;
  CorrelationAxis y, x;
  int taps_x = 1;    ///< of a row: 1 where they are merged
  Index pixels = 0;  ///< of diff_dst: N P Q
  int images = 0;
  int maps = 0, columns = 0, groups = 1;  ///< of a group; columns: taps times chunks, in elements
  int filter = 0;                         ///< values of a filter in the target
  unsigned column_tiles = 1, row_tiles = 1, splits = 1;
};

/// Chunks of a deep panel that a thread copies: always the same place of the extent, `passes` lines.
template <class T, class Tile, int Extent>
struct DeepItems {
  static constexpr int across = Extent / chunk_of<T>, together = Tile::threads / across;
  static constexpr int passes = DeepPanel<T, Tile>::lines / together;
  static_assert(Tile::threads % across == 0 && DeepPanel<T, Tile>::lines % together == 0 &&
                together % 8 == 0);
  __device__ static int chunk() { return static_cast<int>(threadIdx.x) % across; }
  __device__ static int line(int pass) { return static_cast<int>(threadIdx.x) / across + pass * together; }
  /// Lines a multiple of 8 apart exchange their chunks alike.
  __device__ static int first_offset() { return DeepPanel<T, Tile>::offset(line(0), chunk()); }
  static constexpr int pass_bytes = together * line_bytes;
};

/// Rows: filters, along the pixels.
template <class T, class Tile>
class SignalChunks {
  using Items = DeepItems<T, Tile, Tile::rows>;

 public:
  /// diff_dst: the split's first pixel at the block's first filter; `pixels` and `filters` left.
  __device__ SignalChunks(const MatrixWeightGradient<T>& g, const T* diff_dst, int pixels, int filters)
      : data_(g.diff_dst),
        at_(diff_dst + static_cast<Index>(Items::line(0)) * g.diff_pitch + Items::chunk() * chunk_of<T>),
        pitch_(g.diff_pitch),
        left_(Items::chunk() * chunk_of<T> < filters ? pixels - Items::line(0) : 0),
        to_(Items::first_offset()) {}

  __device__ void start(unsigned char* panel) {
#pragma unroll
    for (int pass = 0; pass < Items::passes; ++pass) {
      const bool there = pass * Items::together < left_;
      copy_async_or_zero<chunk_bytes>(
          panel + to_ + pass * Items::pass_bytes,
          there ? at_ + static_cast<Index>(pass * Items::together) * pitch_ : data_, there);
    }
    at_ += static_cast<Index>(DeepPanel<T, Tile>::lines) * pitch_;
    left_ -= DeepPanel<T, Tile>::lines;
  }

 private:
  const T *data_, *at_;
  int pitch_, left_, to_;
};

/// Columns: values of a filter (tap row, tap column, chunk), along the output pixels, read where the tap
/// looks.
template <class T, class Tile>
class TapSourceChunks {
  using Items = DeepItems<T, Tile, Tile::columns>;

 public:
  /// `first_column` in elements; `first` is the split's first output pixel, after which come `pixels`.
  __device__ TapSourceChunks(const MatrixWeightGradient<T>& g, int group, int first_column, Index first,
                             int pixels)
      : radix_(g.y.write, g.x.write),
        pitch_(g.src.pitch),
        height_(g.src.height),
        width_(g.src.width),
        stride_y_(g.y.stride),
        stride_x_(g.x.stride),
        left_(pixels - Items::line(0)),
        to_(Items::first_offset()) {
    const int column = first_column / chunk_of<T> + Items::chunk(), columns = g.columns / chunk_of<T>;
    const int tap = column / g.src.chunks, chunk = column - tap * g.src.chunks, tap_y = tap / g.taps_x;
    y_ = tap_y * g.y.dilation - g.y.pad;
    x_ = (tap - tap_y * g.taps_x) * g.x.dilation - g.x.pad;
    bytes_ = column < columns ? chunk + 1 == g.src.chunks ? g.src.last_bytes : chunk_bytes : 0;
    const Index plane = static_cast<Index>(g.y.write) * g.x.write, image = first / plane;
    from_ = g.src.data + group * g.src.group + image * g.src.image() + chunk * chunk_of<T>;
    if (bytes_ == 0) left_ = 0;
    const auto rest = static_cast<unsigned>(first - image * plane);
    at_ = radix_.digits(rest + static_cast<unsigned>(Items::line(0)));
    step_ = radix_.digits(Items::together);
  }

  __device__ void start(unsigned char* panel) {
#pragma unroll 2  // all at once they want more registers than there are
    for (int pass = 0; pass < Items::passes; ++pass) {
      const int y = at_.middle * stride_y_ + y_, x = at_.low * stride_x_ + x_;
      const bool there = pass * Items::together < left_ &&
                         static_cast<unsigned>(y) < static_cast<unsigned>(height_) &&
                         static_cast<unsigned>(x) < static_cast<unsigned>(width_);
      const T* const from =
          there ? from_ + static_cast<Index>((at_.high * height_ + y) * width_ + x) * pitch_ : from_;
      copy_async_first(panel + to_ + pass * Items::pass_bytes, from, there ? bytes_ : 0);
      radix_.add(at_, step_);  // the last pass' is the next tile's first
    }
    left_ -= DeepPanel<T, Tile>::lines;
  }

 private:
  Radix radix_;
  const T* from_;  ///< in the image of the split's first pixel, from which images count
  int pitch_, height_, width_, stride_y_, stride_x_, left_, to_;
  int y_, x_, bytes_;
  Digits at_, step_;
};

/// One block: a tile of filters x (tap, channel) of one group and split.
template <class T, class Tile, int Products>
__global__ void __launch_bounds__(Tile::threads, Tile::resident(Products))
    correlate_weights_matrix(const MatrixWeightGradient<T> g) {
  __shared__ MatrixPlace<Tile> tile;
  unsigned char* const memory = dynamic_shared<unsigned char>();

  BlockNumber number(blockIdx.x);
  const int column_tile = number.digit(g.column_tiles), row_tile = number.digit(g.row_tiles);
  const int group = number.digit(static_cast<unsigned>(g.groups)), split = number.rest();
  const int first_row = row_tile * Tile::rows, first_column = column_tile * Tile::columns;
  if (threadIdx.x == 0) {
    tile.first_column = first_column;
    tile.columns = g.columns - first_column;
    tile.split = split;
  }
  for (int row = static_cast<int>(threadIdx.x); row < Tile::rows; row += Tile::threads)
    tile.rows[row] = first_row + row < g.maps
                         ? (static_cast<Index>(group) * g.maps + first_row + row) * g.filter +
                               (g.target.packed.depth == 0 ? first_column : 0)
                         : -1;

  constexpr int lines = DeepPanel<T, Tile>::lines;
  const Index steps = (g.pixels + lines - 1) / lines, share = (steps + g.splits - 1) / g.splits;
  const Index first_step = split * share < steps ? split * share : steps;
  const auto my_steps = static_cast<int>(steps - first_step < share ? steps - first_step : share);
  const Index first_pixel = first_step * lines, left = g.pixels - first_pixel;
  const int my_pixels =
      left < static_cast<Index>(my_steps) * lines ? static_cast<int>(left) : my_steps * lines;

  DeepUnit<T, Tile, Products> unit;
  if (my_steps > 0) {
    SignalChunks<T, Tile> rows(g, g.diff_dst + first_pixel * g.diff_pitch + group * g.diff_group + first_row,
                               my_pixels, g.maps - first_row);
    TapSourceChunks<T, Tile> columns(g, group, first_column, first_pixel, my_pixels);
    multiply_staged<Tile>(my_steps, rows, columns, memory, unit);
  }
  __syncthreads();
  store_sums(g.target, tile, unit.sums, memory);
}

}  // namespace deconv::cuda
