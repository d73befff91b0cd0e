#include "warpgroup_weights.cuh"

#include "matrix_choice.cuh"
#include "warpgroup_maps.cuh"

namespace deconv::cuda {

namespace {

constexpr int stage_pixels = WarpgroupWeightTile<64, 1, 128>::pixels;

/// The windows' axis, along which the taps of a row may be merged.
template <class T>
PhaseAxis windows_of(const MatrixWeightGradient<T>& g) {
  PhaseAxis x = forward_axis(g.x);
  x.taps = g.taps_x;
  return x;
}

/// The boxes of signals: maps, pixels.
template <class T>
TiledShape signals_of(const MatrixWeightGradient<T>& g) {
  TiledShape shape;
  shape.element = map_element<T>;
  shape.base = g.diff_dst;
  shape.extents[0] = static_cast<std::uint64_t>(g.maps);
  shape.extents[1] = static_cast<std::uint64_t>(g.pixels);
  shape.strides[0] = static_cast<std::uint64_t>(g.diff_pitch) * sizeof(T);
  shape.box[0] = elements_of<T>(128);
  shape.box[1] = stage_pixels;
  shape.swizzle = Swizzle::span128;
  return shape;
}

template <class T, int Line, int Entry = 0>
void start(const Context<Cuda>& context, WarpgroupWeightGradient<T>& w, int tile) {
  if constexpr (Entry < static_cast<int>(tuning::warpgroup_tiles.size())) {
    if (tile != Entry) return start<T, Line, Entry + 1>(context, w, tile);
    constexpr tuning::WarpgroupTileShape S = tuning::warpgroup_tiles[Entry];
    if constexpr (S.reverse_weights) {
      using Tile = WarpgroupWeightTile<S.columns, S.stages, Line>;
      MatrixWeightGradient<T>& g = w.g;
      const Index row_tiles = parts_of<Index>(g.maps, Tile::rows);
      const Index column_tiles = parts_of<Index>(g.columns, Tile::columns);
      w.tiles = blocks_of(column_tiles, row_tiles, 1, 1, g.splits).x;
      g.column_tiles = static_cast<unsigned>(column_tiles);
      g.row_tiles = static_cast<unsigned>(row_tiles);
      launch(context, &correlate_weights_warpgroup<T, Tile>, staying_blocks(context, w.tiles), Tile::threads,
             Tile::shared_bytes, w);
    }
  }
}

}  // namespace

template <class T>
bool map_pixels(const MatrixWeightGradient<T>& g, WarpgroupWeightGradient<T>& w) {
  if (g.groups != 1 || g.pixels == 0 || g.pixels > 0x7fffffff || g.src.chunks == 0) return false;
  if (!fits_tiled(signals_of(g))) return false;
  const auto map = find_im2col_map(
      im2col_shape(g.src, g.images, forward_axis(g.y), windows_of(g), line_for(g.src), stage_pixels));
  if (map) w.src = *map;
  return map.has_value();
}

template <class T>
void start_warpgroup_gradient(const Context<Cuda>& context, WarpgroupWeightGradient<T>& w,
                              const MatrixWeightGradient<T>& g, int tile) {
  w.g = g;
  w.diff_dst = make_tiled_map(signals_of(g));
  if (windows_are_pixels(g.src, windows_of(g))) w.g.x.stride = 1;  // as the map counts them
  const int line = line_for(g.src), depth = filled_bytes(g.src, line) / static_cast<int>(sizeof(T));
  w.tap_boxes = filled_bytes(g.src, line) / line;
  // The columns behind a tap's channels belong nowhere.
  const int values = g.src.chunks * chunk_of<T>;
  if (depth != values || g.target.packed.depth != 0) {
    w.g.target.vectors = false;
    if (g.target.packed.depth == 0) w.g.target.packed = {depth, depth, g.filter / (g.y.kernel * g.taps_x), 1};
    w.g.target.packed.depth = depth;
  }
  w.g.columns = kernel_count(Index{1} * g.y.kernel * g.taps_x * depth, "a filter");
  if (line == 128)
    start<T, 128>(context, w, tile);
  else
    start<T, 64>(context, w, tile);
}

#define DECONV_INSTANCE(T)                                                                     \
  template bool map_pixels<T>(const MatrixWeightGradient<T>&, WarpgroupWeightGradient<T>&);    \
  template void start_warpgroup_gradient<T>(const Context<Cuda>&, WarpgroupWeightGradient<T>&, \
                                            const MatrixWeightGradient<T>&, int);
DECONV_INSTANCE(half)
DECONV_INSTANCE(bfloat16)
#undef DECONV_INSTANCE

}  // namespace deconv::cuda
