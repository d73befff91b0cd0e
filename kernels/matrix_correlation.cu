#include "matrix_correlation.cuh"

#include "matrix_choice.cuh"
#include "ordered_sums.hpp"
#include "warpgroup_correlation.cuh"

namespace deconv::cuda {

namespace {

/// An entry of the tuning table.
template <int Entry, tuning::MatrixTileShape S = tuning::matrix_tiles[Entry]>
using MatrixTileOf = MatrixTile<S.rows, S.columns, S.warp_rows, S.warp_columns, S.stages, S.resident>;

/// The most taps and rows of a phase.
struct LargestPhase {
  Index taps = 0, rows = 0;
};

template <class T>
LargestPhase largest_phase(const MatrixCorrelation<T>& c) {
  LargestPhase largest;
  for (int phase = 0; phase < static_cast<int>(c.phases); ++phase) {
    const PhaseAxis y = c.phase_y(phase), x = c.phase_x(phase);
    largest.taps = std::max(largest.taps, Index{1} * y.taps * x.taps);
    largest.rows = std::max(largest.rows, c.images * y.rows * x.rows);
  }
  return largest;
}

template <class T, int Products, int Entry = 0>
void start(const Context<Cuda>& context, MatrixCorrelation<T>& c, const LargestPhase& size, int tile) {
  if constexpr (Entry < static_cast<int>(tuning::matrix_tiles.size())) {
    if (tile != Entry) return start<T, Products, Entry + 1>(context, c, size, tile);
    using Tile = MatrixTileOf<Entry>;
    const Index row_tiles = parts_of<Index>(size.rows, Tile::rows);
    c.column_tiles = static_cast<unsigned>(parts_of(c.columns, Tile::columns));
    const dim3 grid = blocks_of(c.column_tiles, row_tiles, c.groups, c.phases, c.splits);
    c.row_tiles = static_cast<unsigned>(row_tiles);
    launch(context, &correlate_matrix<T, Tile, Products>, grid, Tile::threads, Tile::shared_bytes, c);
  }
}

}  // namespace

template <class T>
void run_matrix_correlation(const Context<Cuda>& context, MatrixCorrelation<T> c, TileChoice wanted) {
  const LargestPhase size = largest_phase(c);
  // The images that a block's rows touch, whose pixels it counts in 32 bits.
  const Index plane = std::max<Index>(1, size.rows / std::max<Index>(1, c.images));
  const Index touched = std::min<Index>(c.images, 256 / plane + 2);
  kernel_count(touched * c.src.height * c.src.width, "pixels of neighbouring images");
  tuning::MatrixProduct product = product_to<T>(context, c.target.count);
  product.rows = size.rows;
  product.columns = c.columns;
  product.depth = kernel_count(size.taps * c.src.chunks * chunk_of<T>, "a sum");
  product.products = c.groups * Index{c.phases};
  WarpgroupCorrelation<T> groups;
  const TileChoice choice = choose_units(
      context, plain_pass(product, [&] { return map_pixels(c, size.taps, groups); }), wanted,
      {"conv2d", "one group of channels, single products and planes within the limits of tensor copies",
       "to be in the table", "to be in the table"});
  c.splits = static_cast<unsigned>(choice.splits);
  Tensor<float, Cuda> parts;
  if (choice.splits > 1) {
    parts = context.make<float>({choice.splits, c.target.count});
    c.target.parts = parts.data();
  }
  if (choice.units == Units::warpgroup) {
    start_warpgroup_correlation(context, groups, c, size.rows, size.taps, choice.tile);
  } else if (product.times == 3) {
    if constexpr (std::is_same_v<T, float>) start<T, 3>(context, c, size, choice.tile);
  } else {
    start<T, 1>(context, c, size, choice.tile);
  }
  if (choice.splits == 1) return;
  SumsTarget<T> sums;
  sums.dst = c.target.dst;
  sums.bias = c.target.bias;
  sums.channels = c.dst_channels;
  sums.rectified = c.target.rectified;
  sums.negative_slope = c.target.negative_slope;
  add_parts<T>(context, parts.data(), choice.splits, c.target.count, sums);
}

#define DECONV_INSTANCE(T) \
  template void run_matrix_correlation<T>(const Context<Cuda>&, MatrixCorrelation<T>, TileChoice);
DECONV_INSTANCE(float)
DECONV_INSTANCE(half)
DECONV_INSTANCE(bfloat16)
#undef DECONV_INSTANCE

}  // namespace deconv::cuda
