#pragma once

#include "common/matrix_panel.cuh"

namespace deconv::cuda {

/// A block's tile of a product on the matrix units: Rows x Columns sums in warps of WarpRows x WarpColumns,
/// and Stages tiles of 128 bytes of depth on their way at a time.
template <int Rows, int Columns, int WarpRows, int WarpColumns, int Stages, int Resident>
struct MatrixTile {
  static constexpr int rows = Rows, columns = Columns;
  static constexpr int warp_rows = WarpRows, warp_columns = WarpColumns;
  static constexpr int warps_down = Rows / WarpRows, warps_across = Columns / WarpColumns;
  static constexpr int threads = 32 * warps_down * warps_across;
  static constexpr int stages = Stages;
  /// Blocks to a multiprocessor. Three products of split floats want more registers than one more block
  /// leaves.
  static constexpr int resident(int products) { return products == 3 ? Resident - 1 : Resident; }
  static constexpr int row_bytes = Rows * line_bytes, column_bytes = Columns * line_bytes;
  static constexpr int stage_bytes = row_bytes + column_bytes;
  static constexpr int shared_bytes = stage_bytes * Stages;

  static_assert(Rows % WarpRows == 0 && Columns % WarpColumns == 0);
  static_assert(WarpRows % 16 == 0 && WarpColumns % 16 == 0);

  /// The tile's row and column of this warp's first sum.
  __device__ static int first_row() { return static_cast<int>(threadIdx.x) / 32 / warps_across * warp_rows; }
  __device__ static int first_column() {
    return static_cast<int>(threadIdx.x) / 32 % warps_across * warp_columns;
  }
};

}  // namespace deconv::cuda
