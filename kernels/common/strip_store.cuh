#pragma once

#include <cuda_runtime.h>

#include "common/element.cuh"
#include "common/matrix_tile.cuh"
#include "relu.cuh"

namespace deconv::cuda {

/// Columns that are rows of taps filled up to whole chunks, `depth` values each: `taps` of `wide` values, of
/// which `channels` are wanted. They go where they belong in a plain filter.
struct PackedColumns {
  int depth = 0;  ///< 0: columns lie as they are numbered
  int wide = 1, channels = 1, taps = 1;
  /// Where column `at` goes, or -1.
  [[nodiscard]] __device__ int place(int at) const {
    const int row = at / depth, along = at - row * depth, tap = along / wide, channel = along - tap * wide;
    return tap < taps && channel < channels ? (row * taps + tap) * channels + channel : -1;
  }
};

/// Where the sums of a product on the matrix units go. A row of the product writes `lines` runs of `strip`
/// columns, one below the other: one run of all columns, except where neighbouring pixels were merged into
/// one row.
template <class T>
struct MatrixTarget {
  T* dst = nullptr;
  float* parts = nullptr;   ///< not null: each split's raw sums, laid out like dst, one split after the other
  Index count = 0;          ///< values in dst
  const T* bias = nullptr;  ///< null, or a value for each of `channels`
  int channels = 1;         ///< of a pixel of dst
  bool rectified = false;
  float negative_slope = 0.0f;
  bool vectors = false;  ///< every run begins at a multiple of 16 bytes and has a multiple of 16 bytes
  int strip = 0;         ///< columns in a run; 0: all
  Index line_pitch = 0;  ///< from a run to the next
  PackedColumns packed;  ///< of filters' gradients; then there are no strips
};

/// Where a block's tile goes, in shared memory.
template <class Tile>
struct MatrixPlace {
  Index rows[Tile::rows];  ///< index in dst of a row's first column (of all, where there are strips or packed
                           ///< columns), or -1
  int strip_left[Tile::rows];  ///< columns of a run that are there
  int lines_left[Tile::rows];  ///< runs that are there
  int first_column;            ///< of all groups
  int columns;                 ///< that are there from the first
  int split;
};

/// A sum with bias and rectifier, rounded.
template <class T>
__device__ __forceinline__ T finished(const MatrixTarget<T>& target, float sum, int column) {
  if (target.bias != nullptr) sum += to_float(target.bias[column % target.channels]);
  return from_float<T>(target.rectified ? RectifyForward{target.negative_slope}(sum, 0.0f) : sum);
}

/// Floats of a warp's staging memory for strips of 16 rows x `Columns`. Lines are 8 floats longer, so that
/// the pairs of a fragment go to different banks.
template <int Columns>
inline constexpr int strip_line = Columns + 8;

/// Lays a strip of fragments (16 x Columns, in registers as matrix_units.cuh has them) into the warp's
/// staging memory.
template <int Columns>
__device__ __forceinline__ void stage_strip(const float (&sums)[Columns / 8][4], float* staging) {
  const int lane = static_cast<int>(threadIdx.x) % 32, row = lane / 4, column = lane % 4 * 2;
#pragma unroll
  for (int j = 0; j < Columns / 8; ++j)
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      Vector<float, 2> pair;
      pair.at[0] = sums[j][half * 2];
      pair.at[1] = sums[j][half * 2 + 1];
      store_vector<2>(staging + (row + half * 8) * strip_line<Columns> + j * 8 + column, pair);
    }
}

/// Stores a staged strip: rows first_row.. of the tile, columns first_column.. of it, 16 bytes at a time
/// where the target takes them. The stores are not waited for, and the next strip's products overlap them.
template <int Columns, class T, class Tile>
__device__ inline void store_strip(const MatrixTarget<T>& target, const MatrixPlace<Tile>& place,
                                   int first_row, int first_column, const float* staging) {
  constexpr int width = 4;  // floats read at a time
  const int lane = static_cast<int>(threadIdx.x) % 32;
  float* const parts = target.parts == nullptr ? nullptr : target.parts + place.split * target.count;
  constexpr int run = vector_width<T>;  // elements to a lane
  constexpr int across = Columns / run;
  static_assert(Columns % run == 0 && run % width == 0);
#pragma unroll 1
  for (int item = lane; item < 16 * across; item += 32) {
    const int i = item / across, row = first_row + i, column = first_column + item % across * run;
    const Index start = place.rows[row];
    if (start < 0 || column >= place.columns) continue;
    float sums[run];
#pragma unroll
    for (int piece = 0; piece < run / width; ++piece) {
      const Vector<float, width> four =
          load_vector<width>(staging + i * strip_line<Columns> + item % across * run + piece * width);
#pragma unroll
      for (int e = 0; e < width; ++e) sums[piece * width + e] = four.at[e];
    }
    if (target.vectors) {
      const Index at = start + column;
      if (parts != nullptr) {
#pragma unroll
        for (int piece = 0; piece < run / width; ++piece) {
          Vector<float, width> four;
#pragma unroll
          for (int e = 0; e < width; ++e) four.at[e] = sums[piece * width + e];
          store_vector<width>(parts + at + piece * width, four);
        }
      } else {
        Vector<T, run> values;
#pragma unroll
        for (int e = 0; e < run; ++e)
          values.at[e] = finished(target, sums[e], place.first_column + column + e);
        store_vector<run>(target.dst + at, values);
      }
      continue;
    }
#pragma unroll
    for (int e = 0; e < run; ++e) {
      if (column + e >= place.columns) continue;
      Index at = start + column + e;
      if (target.strip != 0) {
        // Runs are counted from the first column of all.
        const int whole = place.first_column + column + e, line = whole / target.strip,
                  along = whole - line * target.strip;
        if (line >= place.lines_left[row] || along >= place.strip_left[row]) continue;
        at = start + line * target.line_pitch + along;
      } else if (target.packed.depth != 0) {
        const int to = target.packed.place(place.first_column + column + e);
        if (to < 0) continue;
        at = start + to;
      }
      if (parts != nullptr)
        parts[at] = sums[e];
      else
        target.dst[at] = finished(target, sums[e], place.first_column + column + e);
    }
  }
}

/// The epilogue of a tile: every warp its own part, through `memory` (shared, which nobody reads any more).
template <class T, class Tile, class Sums>
__device__ inline void store_sums(const MatrixTarget<T>& target, const MatrixPlace<Tile>& place,
                                  const Sums& sums, unsigned char* memory) {
  constexpr int columns = Tile::warp_columns, count = 16 * strip_line<columns>;
  static_assert(Tile::threads / 32 * count * 4 <= Tile::shared_bytes);
  float* const staging = reinterpret_cast<float*>(memory) + static_cast<int>(threadIdx.x) / 32 * count;
#pragma unroll
  for (int i = 0; i < Tile::warp_rows / 16; ++i) {
    stage_strip<columns>(sums.at[i], staging);
    __syncwarp();
    store_strip<columns>(target, place, Tile::first_row() + i * 16, Tile::first_column(), staging);
    __syncwarp();
  }
}

}  // namespace deconv::cuda
