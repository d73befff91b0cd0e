#include "warpgroup_unpool.cuh"

#include "matrix_launch.cuh"
#include "unpool_patches.cuh"
#include "warpgroup_maps.cuh"

namespace deconv::cuda {

namespace {

template <class T, int Entry = 0>
void start(const Context<Cuda>& context, WarpgroupUnpool<T>& w, int tile) {
  if constexpr (Entry < static_cast<int>(tuning::warpgroup_tiles.size())) {
    if (tile != Entry) return start<T, Entry + 1>(context, w, tile);
    constexpr tuning::WarpgroupTileShape S = tuning::warpgroup_tiles[Entry];
    if constexpr (serves_unpooling(S)) {
      using Tile = UnpoolTile<S.columns, S.stages>;
      MatrixCorrelation<T>& c = w.c;
      c.column_tiles = static_cast<unsigned>(parts_of(c.columns, Tile::columns));
      w.tiles =
          blocks_of(c.column_tiles, Index{w.cut.patches_down} * w.cut.patches_across, 1, c.phases, c.images)
              .x;
      w.filters = make_tiled_map(filters_of(c, extremes_of(c).taps, Tile::columns, line_bytes));
      launch(context, &correlate_unpooled_warpgroup<T, Tile>, staying_blocks(context, w.tiles), Tile::threads,
             static_cast<std::size_t>(Tile::shared_bytes + 2 * unpooled_bytes(w.cut.lines)), w);
    }
  }
}

/// What the stages and the epilogue leave, by the table's entry.
template <int Entry = 0>
int bytes_left(int tile) {
  if constexpr (Entry < static_cast<int>(tuning::warpgroup_tiles.size())) {
    if (tile != Entry) return bytes_left<Entry + 1>(tile);
    constexpr tuning::WarpgroupTileShape S = tuning::warpgroup_tiles[Entry];
    if constexpr (serves_unpooling(S))
      return most_dynamic_bytes - UnpoolTile<S.columns, S.stages>::shared_bytes;
  }
  return 0;
}

}  // namespace

template <class T>
PlacePatches warpgroup_patches(const MatrixCorrelation<T>& c) {
  const Extremes most = extremes_of(c);
  if (c.groups != 1 || most.taps == 0) return {};
  for (int phase = 0; phase < static_cast<int>(c.phases); ++phase)
    if (c.phase_y(phase).origin_step != 1 || c.phase_x(phase).origin_step != 1) return {};
  const Index lines = lines_under(c, unpool_down, unpool_across);
  if (lines > most_dynamic_bytes / (2 * line_bytes)) return {};
  return {unpool_down, unpool_across, static_cast<unsigned>(parts_of(most.rows, unpool_down)),
          static_cast<unsigned>(parts_of(most.columns, unpool_across)), static_cast<int>(lines)};
}

bool fits_unpooling(int tile, int lines) {
  return lines > 0 && 2 * unpooled_bytes(lines) <= bytes_left(tile);
}

template <class T>
bool copies_filters(const MatrixCorrelation<T>& c) {
  return fits_tiled(filters_of(c, extremes_of(c).taps, 16, line_bytes));
}

template <class T>
void start_warpgroup_unpool(const Context<Cuda>& context, const MatrixCorrelation<T>& c,
                            const UnpooledPlane<T>& plane, const PlacePatches& cut, int tile) {
  WarpgroupUnpool<T> w;
  w.c = c;
  w.plane = plane;
  w.cut = cut;
  start(context, w, tile);
}

#define DECONV_INSTANCE(T)                                                                   \
  template PlacePatches warpgroup_patches<T>(const MatrixCorrelation<T>&);                   \
  template bool copies_filters<T>(const MatrixCorrelation<T>&);                              \
  template void start_warpgroup_unpool<T>(const Context<Cuda>&, const MatrixCorrelation<T>&, \
                                          const UnpooledPlane<T>&, const PlacePatches&, int);
DECONV_INSTANCE(float)
DECONV_INSTANCE(half)
DECONV_INSTANCE(bfloat16)
#undef DECONV_INSTANCE

}  // namespace deconv::cuda
