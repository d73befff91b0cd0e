#include "warpgroup_correlation.cuh"

#include "matrix_choice.cuh"
#include "warpgroup_maps.cuh"

namespace deconv::cuda {

namespace {

template <class T, int Line, int Entry = 0>
void start(const Context<Cuda>& context, WarpgroupCorrelation<T>& w, Index rows, Index taps, int tile) {
  if constexpr (Entry < static_cast<int>(tuning::warpgroup_tiles.size())) {
    if (tile != Entry) return start<T, Line, Entry + 1>(context, w, rows, taps, tile);
    constexpr tuning::WarpgroupTileShape S = tuning::warpgroup_tiles[Entry];
    using Tile = WarpgroupTile<S.columns, S.stages, Line>;
    MatrixCorrelation<T>& c = w.c;
    const Index row_tiles = parts_of<Index>(rows, Tile::rows);
    c.column_tiles = static_cast<unsigned>(parts_of(c.columns, Tile::columns));
    w.tiles = blocks_of(c.column_tiles, row_tiles, 1, c.phases, c.splits).x;
    c.row_tiles = static_cast<unsigned>(row_tiles);
    w.filters = make_tiled_map(filters_of(c, taps, Tile::columns, Line));
    w.boxes = filled_bytes(c.src, Line) / Line;
    if (windows_are_pixels(c.src, c.only_x)) c.only_x.origin_step = 1;  // as the map counts them
    launch(context, &correlate_warpgroup<T, Tile>, staying_blocks(context, w.tiles), Tile::threads,
           Tile::shared_bytes, w);
  }
}

}  // namespace

bool has_warpgroup_units(int device) {
#ifdef DECONV_HAS_SM90A
  int major = 0, minor = 0;
  check(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device),
        "asking for the compute capability");
  check(cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, device),
        "asking for the compute capability");
  return major == 9 && minor == 0;
#else
  static_cast<void>(device);
  return false;
#endif
}

template <class T>
bool map_pixels(const MatrixCorrelation<T>& c, Index taps, WarpgroupCorrelation<T>& w) {
  if (c.groups != 1 || c.phases > most_mapped_phases || taps == 0 || c.src.chunks == 0) return false;
  const int line = line_for(c.src);
  if (!fits_tiled(filters_of(c, taps, 16, line))) return false;
  for (int phase = 0; phase < static_cast<int>(c.phases); ++phase) {
    if (c.phase_y(phase).rows == 0 || c.phase_x(phase).rows == 0) return false;
    const auto map = find_im2col_map(
        im2col_shape(c.src, c.images, c.phase_y(phase), c.phase_x(phase), line, tuning::warpgroup_rows));
    if (!map) return false;
    w.src[phase] = *map;
  }
  return true;
}

template <class T>
void start_warpgroup_correlation(const Context<Cuda>& context, WarpgroupCorrelation<T>& w,
                                 const MatrixCorrelation<T>& c, Index rows, Index taps, int tile) {
  w.c = c;
  if (line_for(c.src) == 128)
    start<T, 128>(context, w, rows, taps, tile);
  else
    start<T, 64>(context, w, rows, taps, tile);
}

#define DECONV_INSTANCE(T)                                                                     \
  template bool map_pixels<T>(const MatrixCorrelation<T>&, Index, WarpgroupCorrelation<T>&);   \
  template void start_warpgroup_correlation<T>(const Context<Cuda>&, WarpgroupCorrelation<T>&, \
                                               const MatrixCorrelation<T>&, Index, Index, int);
DECONV_INSTANCE(float)
DECONV_INSTANCE(half)
DECONV_INSTANCE(bfloat16)
#undef DECONV_INSTANCE

}  // namespace deconv::cuda
