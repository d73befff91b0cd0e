#include "matrix_weights.cuh"

#include "matrix_choice.cuh"
#include "warpgroup_weights.cuh"

namespace deconv::cuda {

namespace {

template <int Entry, tuning::MatrixTileShape S = tuning::matrix_tiles[Entry]>
using MatrixTileOf = MatrixTile<S.rows, S.columns, S.warp_rows, S.warp_columns, S.stages, S.resident>;

template <class T, int Products, int Entry = 0>
void start(const Context<Cuda>& context, MatrixWeightGradient<T>& g, int tile) {
  if constexpr (Entry < static_cast<int>(tuning::matrix_tiles.size())) {
    if (tile != Entry) return start<T, Products, Entry + 1>(context, g, tile);
    if constexpr (tuning::matrix_tiles[Entry].reverse_weights) {
      using Tile = MatrixTileOf<Entry>;
      const Index row_tiles = parts_of(g.maps, Tile::rows), column_tiles = parts_of(g.columns, Tile::columns);
      const dim3 grid = blocks_of(column_tiles, row_tiles, g.groups, 1, g.splits);
      g.column_tiles = static_cast<unsigned>(column_tiles);
      g.row_tiles = static_cast<unsigned>(row_tiles);
      launch(context, &correlate_weights_matrix<T, Tile, Products>, grid, Tile::threads, Tile::shared_bytes,
             g);
    }
  }
}

}  // namespace

template <class T>
WeightParts<T> matrix_weight_parts(const Context<Cuda>& context, TensorView<const T, Cuda> src,
                                   TensorView<const T, Cuda> diff_dst, const Conv2dParams& params,
                                   Index count, TileChoice choice) {
  MatrixWeightGradient<T> g;
  std::tie(g.y, g.x) = correlation_axes(params, src.shape(), diff_dst.shape());
  g.groups = static_cast<int>(params.groups);
  g.maps = kernel_count(diff_dst[1], "maps") / g.groups;
  if (g.groups != 1 && !in_chunks(diff_dst.data(), g.maps)) return {};
  const auto source = window_source(context, src, g.x, g.groups);
  if (!source) return {};
  g.src = source->pixels;
  g.taps_x = g.x.kernel;
  g.filter = kernel_count(params.window.taps() * src[1] / params.groups, "a filter");
  if (source->taps_merged) {
    g.taps_x = 1;
    g.x.pad = 0;
  }
  const int depth = g.src.chunks * chunk_of<T>;
  g.columns = kernel_count(Index{1} * g.y.kernel * g.taps_x * depth, "a filter");
  if (!source->packed.empty())
    g.target.packed = {depth, source->wide, static_cast<int>(src[1]), source->taps_merged ? g.x.kernel : 1};
  Tensor<T, Cuda> signal;
  g.diff_dst = diff_dst.data();
  g.diff_pitch = kernel_count(diff_dst[1], "maps");
  if (!in_chunks(diff_dst.data(), g.maps)) {
    g.diff_pitch = static_cast<int>(rounded_up(g.maps, chunk_of<T>));
    signal =
        packed_pixels(context, diff_dst, 0, kernel_count(diff_dst[3], "a plane's columns"), g.diff_pitch);
    g.diff_dst = signal.data();
  }
  g.diff_group = g.maps;
  g.pixels = diff_dst[0] * diff_dst[2] * diff_dst[3];
  g.images = kernel_count(diff_dst[0], "images");
  tuning::MatrixProduct product = product_to<T>(context, count);
  product.rows = g.maps;
  product.columns = g.columns;
  product.depth = g.pixels;
  product.products = g.groups;
  product.to_weights = true;
  WarpgroupWeightGradient<T> groups;
  const auto fits = [&] {
    if constexpr (sizeof(T) == 2)
      return map_pixels(g, groups);
    else
      return false;
  };
  const TileChoice taken =
      choose_units(context, plain_pass(product, fits), choice,
                   {"conv2d reverse to weights",
                    "one group of channels, 16-bit numbers and planes within the limits of tensor copies",
                    "to be compiled for gradients of weights", "to be compiled for gradients of weights"});
  g.splits = static_cast<unsigned>(taken.splits);
  // Pixels are counted in 32 bits: those of a split in diff_dst, all of them in src.
  kernel_count(g.pixels / taken.splits + 256, "a sum");
  kernel_count(src[0] * src[2] * g.src.width, "a batch of pixels");
  WeightParts<T> parts{context.make<float>({taken.splits, count}), taken.splits};
  g.target.parts = parts.sums.data();
  g.target.count = count;
  g.target.vectors = g.target.packed.depth == 0 && g.filter % 8 == 0;
  if (taken.units == Units::warpgroup) {
    if constexpr (sizeof(T) == 2) start_warpgroup_gradient(context, groups, g, taken.tile);
  } else if (product.times == 3) {
    if constexpr (std::is_same_v<T, float>) start<T, 3>(context, g, taken.tile);
  } else {
    start<T, 1>(context, g, taken.tile);
  }
  return parts;
}

#define DECONV_INSTANCE(T)                                                                              \
  template WeightParts<T> matrix_weight_parts<T>(const Context<Cuda>&, TensorView<const T, Cuda>,       \
                                                 TensorView<const T, Cuda>, const Conv2dParams&, Index, \
                                                 TileChoice);
DECONV_INSTANCE(float)
DECONV_INSTANCE(half)
DECONV_INSTANCE(bfloat16)
#undef DECONV_INSTANCE

}  // namespace deconv::cuda
