#pragma once

#include "common/unpooled.cuh"
#include "matrix_correlation.cuh"

// Unpooling, rectifier and the convolution's pass back to the data in one kernel, on the matrix units. The
// pass is, phase by phase or over blocks of merged pixels, a correlation of few taps over the unpooled plane
// (matrix_correlation.cuh). Here a block's places are a patch of one image, and what its taps reach of the
// plane is unpooled straight into shared memory, 128 bytes of maps at a time:
//
//     plane under 8 x 16 places and 3 x 3 taps       lines of 128 bytes           tap (r, s)
//       +------------------------+
//       | . . . . . . . . . . .  |  signals and      line 0    [ 8 chunks ]       row i of the product is
//       | . +----------------+ . |  switches of      line 1    [ 8 chunks ]       the line of its place
//       | . | 128 places     | . |  the windows      ...                          + r lines of pixels + s:
//       | . +----------------+ . |  over a pixel     line 179  [ 8 chunks ]       only the address differs
//       | . . . . . . . . . . .  |
//       +------------------------+
//
// A line is made once and multiplied under every tap: ldmatrix takes rows from anywhere. Lines exchange their
// chunks by their own number, so eight neighbouring ones never meet in a bank. Filters come by cp.async as
// always, tap after tap. Sums run over (128 bytes of maps, tap row, tap column, map), another order than that
// of the separate kernels, whose taps come first.
//
// Bytes: signals and switches (a patch's rim by several blocks, from the cache), filters and diff_src; the
// unpooled plane is neither written nor read. Flops: the correlation's, and for each line some ten
// instructions an element and window over it.
namespace deconv::cuda {

/// The plane that is never written: what it is unpooled from, and its rectifier.
template <class T>
struct UnpooledPlane {
  const T* signals = nullptr;
  const std::uint8_t* switches = nullptr;
  Geometry g;              ///< from the plane to its windows
  int channels = 0;        ///< of a pixel, all groups
  bool last = false;       ///< of overlapping windows the last, else their sum
  bool few = false;        ///< at most two windows along either axis over a pixel, without dilation
  bool rectified = false;  ///< by the deconvnet's rule
  float negative_slope = 0.0f;
};

/// How the places of a phase are cut: down x across = a tile's rows, across a multiple of 8.
struct PlacePatches {
  int down = 1, across = 1;
  unsigned patches_down = 1, patches_across = 1;  ///< of the phase with the most
  int lines = 0;                                  ///< most that a block unpools
};

/// Columns of the product, 128 bytes of one tap's maps at a time: taps run first, then the parts of the maps.
template <class T, class Tile>
class TapFilters {
  static constexpr int together = Tile::threads / line_chunks;
  static constexpr int passes = (Tile::columns + together - 1) / together;
  static constexpr bool guarded = Tile::columns % together != 0;

 public:
  /// filters: the block's first filter, of which there are `left`, `pitch` elements apart, each of taps of
  /// `chunks`.
  __device__ TapFilters(const T* filters, int left, int chunks, Index pitch)
      : at_(filters + static_cast<Index>(line()) * pitch + chunk() * chunk_of<T>),
        left_(left - line()),
        rest_(chunks - chunk()),
        to_(panel_offset(line(), chunk())) {}

  /// What does not change comes anew each time, out of the registers: the taps, the chunks of one, the
  /// filters' pitch and any address of global memory.
  __device__ void start(unsigned char* panel, int taps, int chunks, Index pitch, const T* anywhere) {
#pragma unroll
    for (int pass = 0; pass < passes; ++pass) {
      if (guarded && line() + pass * together >= Tile::columns) continue;
      const bool there = pass * together < left_ && rest_ > 0;
      copy_async_or_zero<chunk_bytes>(panel + to_ + pass * together * line_bytes,
                                      there ? at_ + pass * together * pitch : anywhere, there);
    }
    at_ += chunks * chunk_of<T>;
    if (++tap_ < taps) return;
    tap_ = 0;
    at_ -= (taps * chunks - line_chunks) * chunk_of<T>;
    rest_ -= line_chunks;
  }

 private:
  __device__ static int line() { return static_cast<int>(threadIdx.x) / line_chunks; }
  __device__ static int chunk() { return static_cast<int>(threadIdx.x) % line_chunks; }

  const T* at_;
  int left_, rest_, to_, tap_ = 0;
};

/// Products of lines that lie anywhere in a patch with a panel of columns.
template <class T, class Tile, int Products>
class PatchUnit {
 public:
  using Sums = MatrixSums<T, Tile, Products>;

  /// Row i of the tile stands at line(i) under the first tap.
  template <class Line>
  __device__ explicit PatchUnit(const Line& line) {
    const int lane = static_cast<int>(threadIdx.x) % 32;
#pragma unroll
    for (int i = 0; i < Sums::down; ++i) lines_[i] = line(Tile::first_row() + i * 16 + lane % 16);
  }

  /// sums += the product of the lines `ahead` of those of the first tap and of a panel.
  __device__ void multiply(const unsigned char* lines, int ahead, const unsigned char* columns) {
    const int lane = static_cast<int>(threadIdx.x) % 32, row_half = lane / 16;
    const int column = Tile::first_column() + lane % 8 + lane / 16 * 8, column_half = lane / 8 % 2;
#pragma unroll
    for (int step = 0; step < line_chunks / 2; ++step) {
      std::uint32_t a[Sums::down][4], b[Sums::across][2];
#pragma unroll
      for (int i = 0; i < Sums::down; ++i)
        load_matrices<4>(a[i], lines + panel_offset(lines_[i] + ahead, step * 2 + row_half));
#pragma unroll
      for (int j = 0; j < Sums::across; j += 2) {
        std::uint32_t two[4];
        load_matrices<4>(two, columns + j * 8 * line_bytes + panel_offset(column, step * 2 + column_half));
        b[j][0] = two[0];
        b[j][1] = two[1];
        b[j + 1][0] = two[2];
        b[j + 1][1] = two[3];
      }
      sums.add(a, b);
    }
  }

  Sums sums;

 private:
  int lines_[Sums::down];
};

/// One axis of a patch: the pixels under its places and taps.
struct PatchAxis {
  int first, extent;    ///< the first pixel, and how many
  int place_step;       ///< pixels from a place to the next
  int first_tap, step;  ///< pixels from the first to that of the first place's first tap, and from tap to tap
  int taps;

  /// `places` of them from `first_place` on.
  __device__ static PatchAxis over(const PhaseAxis& axis, int first_place, int places) {
    const int reach = (axis.taps - 1) * axis.read_step, first_tap = reach < 0 ? -reach : 0;
    return {axis.origin + first_place * axis.origin_step - first_tap,
            (places - 1) * axis.origin_step + (reach < 0 ? -reach : reach) + 1,
            axis.origin_step,
            first_tap,
            axis.read_step,
            axis.taps};
  }
};

/// What a block needs once in a while, in shared memory and out of its registers.
struct BlockPatch {
  PatchAxis y, x;
  int taps;
  Index outputs;  ///< the first of the group's maps in the image's first output
};

/// N maps of pixel (y, x), from windows of which the first in the image has them at `first`; zeros outside of
/// the plane.
template <int N, bool FourAtOnce, class T>
__device__ inline Vector<T, N> unpooled_and_rectified(const UnpooledPlane<T>& plane, int y, int x,
                                                      Index first) {
  Vector<T, N> values{};
  if (static_cast<unsigned>(y) >= static_cast<unsigned>(plane.g.y.extent) ||
      static_cast<unsigned>(x) >= static_cast<unsigned>(plane.g.x.extent))
    return values;
  const T* const from = plane.signals + first;
  const std::uint8_t* const taps = plane.switches + first;
  values = FourAtOnce && plane.few
               ? unpooled_from_four<N>(plane.g, y, x, plane.channels, plane.last, from, taps)
               : unpooled<N>(plane.g, y, x, plane.channels, plane.last, from, taps);
  if (plane.rectified)
#pragma unroll
    for (int i = 0; i < N; ++i) {
      const float signal = to_float(values.at[i]);
      values.at[i] = from_float<T>(rectified(signal, signal, plane.negative_slope));
    }
  return values;
}

/// Unpools 128 bytes of maps of a patch's pixels into lines of shared memory: part `part` of a group's maps,
/// which are `chunks`.
template <class T, class Tile>
__device__ inline void unpool_lines(const UnpooledPlane<T>& plane, const BlockPatch& patch, int part,
                                    int chunks, unsigned char* lines) {
  // Half a chunk a thread, and with many columns one window at a time: the sums of the product stay in
  // registers meanwhile.
  constexpr bool four_at_once = Tile::threads <= 128;
  constexpr int N = chunk_of<T> / 2, pieces = line_chunks * 2, together = Tile::threads / pieces;
  const int piece = static_cast<int>(threadIdx.x) % pieces;
  const int width = patch.x.extent, count = patch.y.extent * width;
  int line = static_cast<int>(threadIdx.x) / pieces, down = line / width, across = line - down * width;
#pragma unroll 1
  for (; line < count; line += together) {
    Vector<T, N> values{};
    if (part * line_chunks + piece / 2 < chunks)
      values = unpooled_and_rectified<N, four_at_once>(plane, patch.y.first + down, patch.x.first + across,
                                                       patch.outputs + (part * pieces + piece) * N);
    store_vector<N>(reinterpret_cast<T*>(lines + panel_offset(line, piece / 2)) + piece % 2 * N, values);
    across += together;
    while (across >= width) {
      across -= width;
      ++down;
    }
  }
}

/// Bytes of shared memory for `lines` of a patch and the stages of columns, or for the epilogue.
template <class Tile>
[[nodiscard]] constexpr int patch_bytes(int lines) {
  const int loop =
      (lines + line_chunks - 1) / line_chunks * line_chunks * line_bytes + Tile::stages * Tile::column_bytes;
  const int epilogue = Tile::threads / 32 * 16 * strip_line<Tile::warp_columns> * 4;
  return loop > epilogue ? loop : epilogue;
}

/// Blocks to a multiprocessor: three products of split floats beside the unpooling want more registers.
template <class Tile, int Products>
inline constexpr int patch_resident = Products == 3 && Tile::threads <= 128 ? 2 : Tile::resident(Products);

/// One block: a patch of places of one image and phase x columns of one group.
template <class T, class Tile, int Products>
__global__ void __launch_bounds__(Tile::threads, patch_resident<Tile, Products>)
    correlate_unpooled(const MatrixCorrelation<T> c, const UnpooledPlane<T> plane, const PlacePatches cut) {
  __shared__ MatrixPlace<Tile> tile;
  __shared__ BlockPatch patch;
  unsigned char* const lines = dynamic_shared<unsigned char>();
  unsigned char* const panels =
      lines + (cut.lines + line_chunks - 1) / line_chunks * line_chunks * line_bytes;

  BlockNumber rest(blockIdx.x);
  const int first_column = rest.digit(c.column_tiles) * Tile::columns;
  const int place_x = rest.digit(cut.patches_across) * cut.across;
  const int place_y = rest.digit(cut.patches_down) * cut.down;
  const int group = rest.digit(static_cast<unsigned>(c.groups)), phase = rest.digit(c.phases);
  const Index image = rest.rest();
  const PhaseAxis phase_y = c.phase_y(phase), phase_x = c.phase_x(phase);
  if (place_y >= phase_y.rows || place_x >= phase_x.rows) return;  // the whole block: phases differ
  if (threadIdx.x == 0) {
    tile.first_column = group * c.columns + first_column;
    tile.columns = c.columns - first_column;
    tile.split = 0;
    patch.y = PatchAxis::over(phase_y, place_y, cut.down);
    patch.x = PatchAxis::over(phase_x, place_x, cut.across);
    patch.taps = phase_y.taps * phase_x.taps;
    patch.outputs = image * plane.g.y.outputs * plane.g.x.outputs * plane.channels +
                    static_cast<Index>(group) * c.src.group;
  }
  for (int row = static_cast<int>(threadIdx.x); row < Tile::rows; row += Tile::threads) {
    const int down = place_y + row / cut.across, across = place_x + row % cut.across;
    place_row(c, group, first_column, phase_y, phase_x, image, down, across,
              down < phase_y.rows && across < phase_x.rows, row, tile);
  }

  __syncthreads();

  PatchUnit<T, Tile, Products> unit([&](int row) {
    return (row / cut.across * patch.y.place_step + patch.y.first_tap) * patch.x.extent +
           row % cut.across * patch.x.place_step + patch.x.first_tap;
  });
  TapFilters<T, Tile> filters(
      c.filters + phase * c.filter_phase + group * c.filter_group + first_column * c.filter_pitch,
      c.columns - first_column, c.src.chunks, c.filter_pitch);
  const int parts = patch.taps == 0 ? 0 : (c.src.chunks + line_chunks - 1) / line_chunks;
  int to_start = patch.taps * parts;
  const auto start = [&](int stage) {
    if (to_start-- > 0)
      filters.start(panels + stage * Tile::column_bytes, patch.taps, c.src.chunks, c.filter_pitch, c.filters);
    close_copy_group();
  };
#pragma unroll
  for (int stage = 0; stage < Tile::stages - 1; ++stage) start(stage);
  int here = 0;
#pragma unroll 1
  for (int part = 0; part < parts; ++part) {
    __syncthreads();  // the lines have been read
    unpool_lines<T, Tile>(plane, patch, part, c.src.chunks, lines);
#pragma unroll 1
    for (int row = 0; row < patch.y.taps; ++row)
#pragma unroll 1
      for (int column = 0; column < patch.x.taps; ++column) {
        wait_for_copy_groups<Tile::stages - 2>();
        __syncthreads();
        start(here == 0 ? Tile::stages - 1 : here - 1);
        unit.multiply(lines, row * patch.y.step * patch.x.extent + column * patch.x.step,
                      panels + here * Tile::column_bytes);
        here = here + 1 == Tile::stages ? 0 : here + 1;
      }
  }
  __syncthreads();
  store_sums(c.target, tile, unit.sums, lines);
}

}  // namespace deconv::cuda
