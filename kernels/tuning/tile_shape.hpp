#pragma once

namespace deconv::cuda {

/// A block's tile of a product: rows x columns sums, made in steps of `depth`, thread_rows x thread_columns
/// of them a thread, lane_rows threads of a warp one below the other. `resident` blocks must fit on a
/// multiprocessor, which bounds the registers of a thread.
struct TileShape {
  int rows, columns, depth;
  int thread_rows, thread_columns;
  int lane_rows;
  int resident;

  [[nodiscard]] constexpr int threads() const { return rows * columns / (thread_rows * thread_columns); }
};

}  // namespace deconv::cuda
