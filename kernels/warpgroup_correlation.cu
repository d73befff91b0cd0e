#include "warpgroup_correlation.cuh"

#include "common/tensor_map.cuh"
#include "matrix_launch.cuh"
#include "tuning/warpgroup.hpp"

namespace deconv::cuda {

namespace {

template <class T>
inline constexpr MapElement element_of = std::is_same_v<T, float>  ? MapElement::tf32
                                         : std::is_same_v<T, half> ? MapElement::half
                                                                   : MapElement::bfloat16;

[[nodiscard]] constexpr std::uint64_t bytes(Index elements, std::size_t size) {
  return static_cast<std::uint64_t>(elements) * size;
}

/// The upper corner of a box in which `places` places lie, `step` apart from `first` on.
[[nodiscard]] inline int upper_corner(const BoxAxis& axis, int places, int extent) {
  return axis.first + (places - 1) * axis.step - (extent - 1);
}

/// Whether windows of merged taps are read as pixels of their own, wherever they begin.
[[nodiscard]] inline bool windows_are_pixels(const PhaseAxis& x) {
  return x.taps == 1 && x.origin == 0 && x.origin_step > 1;
}

/// The columns of pixels that a phase reads.
template <class T>
Im2colShape pixels_of(const MatrixCorrelation<T>& c, int phase, int line) {
  const PhaseAxis phase_y = c.phase_y(phase);
  PhaseAxis phase_x = c.phase_x(phase);
  int pitch = c.src.pitch, width = c.src.width;
  const int line_pitch = pitch * width;
  if (windows_are_pixels(phase_x)) {
    pitch *= phase_x.origin_step;
    width = phase_x.rows;
    phase_x.origin_step = 1;
  }
  const BoxAxis y(phase_y), x(phase_x);
  Im2colShape shape;
  shape.element = element_of<T>;
  shape.base = c.src.data;
  const int chunk_elements = chunk_of<T>;
  shape.channels = static_cast<std::uint64_t>((c.src.chunks - 1) * chunk_elements +
                                              c.src.last_bytes / static_cast<int>(sizeof(T)));
  shape.width = static_cast<std::uint64_t>(width);
  shape.height = static_cast<std::uint64_t>(c.src.height);
  shape.images = static_cast<std::uint64_t>(c.images);
  shape.pixel_stride = bytes(pitch, sizeof(T));
  shape.row_stride = bytes(line_pitch, sizeof(T));
  shape.image_stride = bytes(Index{1} * line_pitch * c.src.height, sizeof(T));
  shape.lower_w = x.first;
  shape.lower_h = y.first;
  shape.upper_w = upper_corner(x, phase_x.rows, width);
  shape.upper_h = upper_corner(y, phase_y.rows, c.src.height);
  shape.step_w = static_cast<unsigned>(x.step);
  shape.step_h = static_cast<unsigned>(y.step);
  shape.largest_offset_w = static_cast<unsigned>((std::max(phase_x.taps, 1) - 1) * x.tap_step);
  shape.largest_offset_h = static_cast<unsigned>((std::max(phase_y.taps, 1) - 1) * y.tap_step);
  shape.channels_per_pixel = static_cast<unsigned>(line / static_cast<int>(sizeof(T)));
  shape.pixels = tuning::warpgroup_rows;
  shape.swizzle = line == 128 ? Swizzle::span128 : Swizzle::span64;
  return shape;
}

/// The boxes of filters: channels of a tap, taps, columns, phases.
template <class T>
TiledShape filters_of(const MatrixCorrelation<T>& c, Index taps, int columns, int line) {
  const Index depth = c.src.chunks * chunk_of<T>;
  TiledShape shape;
  shape.element = element_of<T>;
  shape.base = c.filters;
  shape.rank = 4;
  const Index extents[4] = {depth, taps, c.columns, static_cast<Index>(c.phases)};
  const Index strides[3] = {depth, c.filter_pitch,
                            c.phases == 1 ? c.filter_pitch * c.columns : c.filter_phase};
  for (int i = 0; i < 4; ++i) shape.extents[i] = static_cast<std::uint64_t>(extents[i]);
  for (int i = 0; i < 3; ++i) shape.strides[i] = bytes(strides[i], sizeof(T));
  shape.box[0] = static_cast<unsigned>(line / static_cast<int>(sizeof(T)));
  shape.box[2] = static_cast<unsigned>(columns);
  shape.swizzle = line == 128 ? Swizzle::span128 : Swizzle::span64;
  return shape;
}

/// Bytes of a tap's channels, filled up to whole lines.
template <class T>
int filled_bytes(const MatrixCorrelation<T>& c, int line) {
  return parts_of(c.src.chunks * chunk_bytes, line) * line;
}

/// The line whose boxes waste less.
template <class T>
int line_for(const MatrixCorrelation<T>& c) {
  return filled_bytes(c, 64) < filled_bytes(c, 128) ? 64 : 128;
}

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
    for (int phase = 0; phase < static_cast<int>(c.phases); ++phase)
      w.src[phase] = make_im2col_map(pixels_of(c, phase, Line));
    w.filters = make_tiled_map(filters_of(c, taps, Tile::columns, Line));
    w.boxes = filled_bytes(c, Line) / Line;
    if (windows_are_pixels(c.only_x)) c.only_x.origin_step = 1;  // as the map counts them
    int processors = 0;
    check(cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, context.device()),
          "asking for the number of multiprocessors");
    const unsigned blocks = std::min(w.tiles, static_cast<unsigned>(processors));
    launch(context, &correlate_warpgroup<T, Tile>, blocks, Tile::threads, Tile::shared_bytes, w);
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
bool fits_warpgroup(const MatrixCorrelation<T>& c, Index taps) {
  if (c.groups != 1 || c.phases > most_mapped_phases || taps == 0 || c.src.chunks == 0) return false;
  const int line = line_for(c);
  for (int phase = 0; phase < static_cast<int>(c.phases); ++phase) {
    const PhaseAxis y = c.phase_y(phase), x = c.phase_x(phase);
    if (y.rows == 0 || x.rows == 0 || !fits_im2col(pixels_of(c, phase, line))) return false;
  }
  return fits_tiled(filters_of(c, taps, 16, line));
}

template <class T>
void start_warpgroup_correlation(const Context<Cuda>& context, const MatrixCorrelation<T>& c, Index rows,
                                 Index taps, int tile) {
  WarpgroupCorrelation<T> w;
  w.c = c;
  if (line_for(c) == 128)
    start<T, 128>(context, w, rows, taps, tile);
  else
    start<T, 64>(context, w, rows, taps, tile);
}

#define DECONV_INSTANCE(T)                                                                               \
  template bool fits_warpgroup<T>(const MatrixCorrelation<T>&, Index);                                   \
  template void start_warpgroup_correlation<T>(const Context<Cuda>&, const MatrixCorrelation<T>&, Index, \
                                               Index, int);
DECONV_INSTANCE(float)
DECONV_INSTANCE(half)
DECONV_INSTANCE(bfloat16)
#undef DECONV_INSTANCE

}  // namespace deconv::cuda
