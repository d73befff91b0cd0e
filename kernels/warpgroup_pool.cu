#include "warpgroup_pool.cuh"

#include "matrix_launch.cuh"
#include "warpgroup_maps.cuh"

namespace deconv::cuda {

namespace {

template <class T>
Index taps_of(const MatrixCorrelation<T>& c) {
  return Index{1} * c.only_y.taps * c.only_x.taps;
}

template <class T, int Line, int Entry = 0>
void start(const Context<Cuda>& context, WarpgroupPool<T>& w, int tile) {
  if constexpr (Entry < static_cast<int>(tuning::warpgroup_tiles.size())) {
    if (tile != Entry) return start<T, Line, Entry + 1>(context, w, tile);
    constexpr tuning::WarpgroupTileShape S = tuning::warpgroup_tiles[Entry];
    constexpr int bytes = static_cast<int>(sizeof(T));
    if constexpr (serves_patches(S, bytes)) {
      using Tile =
          WarpgroupTile<S.columns, patch_stages(S, bytes), Line, patch_value_bytes(S.columns, bytes)>;
      MatrixCorrelation<T>& c = w.c;
      c.column_tiles = static_cast<unsigned>(parts_of(c.columns, Tile::columns));
      w.tiles =
          blocks_of(c.column_tiles, Index{w.pool.patches_down} * w.pool.patches_across, 1, c.images, 1).x;
      w.filters = make_tiled_map(filters_of(c, taps_of(c), Tile::columns, Line));
      w.boxes = filled_bytes(c.src, Line) / Line;
      if (windows_are_pixels(c.src, c.only_x)) c.only_x.origin_step = 1;  // as the map counts them
      launch(context, &correlate_and_pool_warpgroup<T, Tile>, staying_blocks(context, w.tiles), Tile::threads,
             Tile::shared_bytes, w);
    }
  }
}

}  // namespace

template <class T>
bool map_patches(const MatrixCorrelation<T>& c, const PooledTarget<T>& pool, WarpgroupPool<T>& w) {
  if (c.groups != 1 || c.phases != 1 || taps_of(c) == 0 || c.src.chunks == 0) return false;
  const int line = line_for(c.src);
  if (!fits_tiled(filters_of(c, taps_of(c), 16, line))) return false;
  const auto map =
      find_tiled_map(patches_of(c.src, c.images, c.only_y, c.only_x, line, pool.height, pool.width));
  if (map) w.src = *map;
  return map.has_value();
}

template <class T>
void start_warpgroup_pool(const Context<Cuda>& context, WarpgroupPool<T>& w, const MatrixCorrelation<T>& c,
                          const PooledTarget<T>& pool, int tile) {
  w.c = c;
  w.pool = pool;
  if (line_for(c.src) == 128)
    start<T, 128>(context, w, tile);
  else
    start<T, 64>(context, w, tile);
}

#define DECONV_INSTANCE(T)                                                                              \
  template bool map_patches<T>(const MatrixCorrelation<T>&, const PooledTarget<T>&, WarpgroupPool<T>&); \
  template void start_warpgroup_pool<T>(const Context<Cuda>&, WarpgroupPool<T>&,                        \
                                        const MatrixCorrelation<T>&, const PooledTarget<T>&, int);
DECONV_INSTANCE(float)
DECONV_INSTANCE(half)
DECONV_INSTANCE(bfloat16)
#undef DECONV_INSTANCE

}  // namespace deconv::cuda
