#pragma once

#include <cuda_runtime.h>

#include "common/element.cuh"

// How a block of threads shares the tile of a product that it computes. See docs/kernels/convolution.md for
// the picture.
namespace deconv::cuda {

/// The threads of a block over a tile of Rows x Columns sums, made in steps of Depth: warps side by side, in
/// each warp LaneRows x 32 / LaneRows threads, and each thread with pieces of 4 x 4 sums, `piece_rows` rows
/// and `piece_columns` columns apart, so that the lanes of a warp read lines of shared memory without
/// conflicts. `Resident` blocks are to fit on a multiprocessor, which bounds a thread's registers.
template <int Rows, int Columns, int Depth, int ThreadRows, int ThreadColumns, int LaneRows, int Resident>
struct Tile {
  static constexpr int rows = Rows, columns = Columns, depth = Depth;
  static constexpr int thread_rows = ThreadRows, thread_columns = ThreadColumns;
  static constexpr int lane_rows = LaneRows, lane_columns = 32 / LaneRows;
  static constexpr int piece_rows = lane_rows * 4, piece_columns = lane_columns * 4;
  static constexpr int warp_rows = lane_rows * thread_rows, warp_columns = lane_columns * thread_columns;
  static constexpr int warps_down = rows / warp_rows, warps_across = columns / warp_columns;
  static constexpr int threads = 32 * warps_down * warps_across;
  /// Blocks to a multiprocessor; `fewer` where loaders read single elements, which takes more registers.
  static constexpr int resident = Resident, fewer = Resident > 1 ? Resident - 1 : 1;

  static_assert(32 % lane_rows == 0 && thread_rows % 4 == 0 && thread_columns % 4 == 0);
  static_assert(rows % warp_rows == 0 && columns % warp_columns == 0);

  /// The tile's row of this thread's first sum; its i-th is i / 4 * piece_rows + i % 4 further down.
  __device__ static int first_row() {
    const int warp = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32;
    return warp / warps_across * warp_rows + lane / lane_columns * 4;
  }
  __device__ static int first_column() {
    const int warp = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32;
    return warp % warps_across * warp_columns + lane % lane_columns * 4;
  }
  __device__ static constexpr int row_step(int i) { return i / 4 * piece_rows + i % 4; }
  __device__ static constexpr int column_step(int i) { return i / 4 * piece_columns + i % 4; }
};

/// One operand's share of a tile in shared memory: `Depth` lines of `Extent` floats. Lines are 4 floats
/// longer, which turns the stores of loaders that read along the depth to other banks.
template <int Extent, int Depth>
struct Panel {
  static constexpr int line = Extent + 4;
  static constexpr int count = line * Depth;
};

/// Which elements of a panel a thread fills when neighbours in memory are neighbours along the depth: `Width`
/// of them in one access. Lanes take `low` accesses along the depth, then go down the extent, so that a
/// warp's reads share sectors and its stores have a bank each. An item is one access; `slot` numbers the
/// depths that a thread meets and `place_index` its places along the extent.
template <class Tile, int Extent, int Width>
struct DepthItems {
  static constexpr int low = Width == 4 ? 2 : 8;
  static constexpr int span = low * Extent;  ///< accesses in one slab of low * Width depths
  static constexpr int total = Extent * Tile::depth / Width, slabs = total / span;
  static constexpr int items = (total + Tile::threads - 1) / Tile::threads;
  static constexpr bool guarded = total % Tile::threads != 0;
  static constexpr bool one_place = Tile::threads % span == 0;
  static constexpr int per_slab = one_place || slabs == 1 ? items : span / Tile::threads;
  static constexpr int slots = slabs == 1 ? 1 : one_place ? items : slabs;
  static constexpr int places = one_place ? 1 : per_slab;
  static_assert(Tile::depth % (low * Width) == 0);
  static_assert(slabs == 1 || one_place || span % Tile::threads == 0);

  __device__ static constexpr int slot(int item) {
    return slabs == 1 ? 0 : one_place ? item : item / per_slab;
  }
  __device__ static constexpr int place_index(int item) { return one_place ? 0 : item % per_slab; }
  __device__ static int access(int item) { return static_cast<int>(threadIdx.x) + item * Tile::threads; }
  /// Places from a thread's first item to another.
  __device__ static constexpr int further(int item) { return place_index(item) * (Tile::threads / low); }
  __device__ static int place(int item) {
    return static_cast<int>(threadIdx.x) / low % Extent + further(item);
  }
  /// Depths from a thread's first item to another.
  __device__ static constexpr int deeper(int item) {
    return (slabs == 1 ? 0 : one_place ? item * (Tile::threads / span) : item / per_slab) * (low * Width);
  }
  __device__ static int depth(int item) {
    const int slab = slabs == 1 ? 0 : static_cast<int>(threadIdx.x) / span;
    return slab * (low * Width) + static_cast<int>(threadIdx.x) % low * Width + deeper(item);
  }
  __device__ static bool active(int item) { return !guarded || access(item) < total; }

  template <class T>
  __device__ static void put(float* panel, int item, const Vector<T, Width>& value) {
    float* to = panel + depth(item) * Panel<Extent, Tile::depth>::line + place(item);
#pragma unroll
    for (int i = 0; i < Width; ++i) to[i * Panel<Extent, Tile::depth>::line] = to_float(value.at[i]);
  }
};

/// The same when neighbours in memory are neighbours along the extent.
template <class Tile, int Extent, int Width>
struct ExtentItems {
  static constexpr int span = Extent / Width;  ///< accesses of one depth
  static constexpr int total = span * Tile::depth;
  static constexpr int items = (total + Tile::threads - 1) / Tile::threads;
  static constexpr bool guarded = total % Tile::threads != 0;
  static_assert(Tile::threads % span == 0);  // so that a thread has one place

  __device__ static int place() { return static_cast<int>(threadIdx.x) % span * Width; }
  /// Depths from a thread's first item to another.
  __device__ static constexpr int deeper(int item) { return item * (Tile::threads / span); }
  __device__ static int depth(int item) { return static_cast<int>(threadIdx.x) / span + deeper(item); }
  __device__ static bool active(int item) { return !guarded || depth(item) < Tile::depth; }

  template <class T>
  __device__ static void put(float* panel, int item, const Vector<T, Width>& value) {
    Vector<float, Width> wide;
#pragma unroll
    for (int i = 0; i < Width; ++i) wide.at[i] = to_float(value.at[i]);
    store_vector<Width>(panel + depth(item) * Panel<Extent, Tile::depth>::line + place(), wide);
  }
};

/// Stores what a thread fetched of a panel: a value for each of its items.
template <class Items, class T, int Width>
__device__ inline void put_items(float* panel, const Vector<T, Width> (&values)[Items::items]) {
#pragma unroll
  for (int item = 0; item < Items::items; ++item)
    if (Items::active(item)) Items::put(panel, item, values[item]);
}

/// `Width` zeros.
template <class T, int Width>
__device__ inline Vector<T, Width> zeros() {
  Vector<T, Width> value;
#pragma unroll
  for (int i = 0; i < Width; ++i) value.at[i] = from_float<T>(0.0f);
  return value;
}

}  // namespace deconv::cuda
