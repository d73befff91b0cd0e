#pragma once

#include "common/tile.cuh"

namespace deconv::cuda {

/// The multiply-accumulate unit in float32: each thread holds thread_rows x thread_columns sums in registers
/// and, for every depth of the tile, reads that many values of each panel, 4 at a time: an 8 x 8 thread does
/// 64 multiply-adds for 4 reads of 16 bytes. A unit has `sum(i, j)`, for row Tile::first_row() + row_step(i)
/// and column likewise, and `multiply`; whatever else fits a panel may take its place.
template <class Tile>
class FmaUnit {
 public:
  using RowPanel = Panel<Tile::rows, Tile::depth>;
  using ColumnPanel = Panel<Tile::columns, Tile::depth>;

  __device__ FmaUnit() {
#pragma unroll
    for (int i = 0; i < Tile::thread_rows; ++i)
#pragma unroll
      for (int j = 0; j < Tile::thread_columns; ++j) sums_[i][j] = 0.0f;
  }
  [[nodiscard]] __device__ float sum(int i, int j) const { return sums_[i][j]; }

  /// sums += the panels' product.
  __device__ void multiply(const float* row_panel, const float* column_panel) {
    row_panel += Tile::first_row();
    column_panel += Tile::first_column();
#pragma unroll
    for (int d = 0; d < Tile::depth; ++d) {
      float a[Tile::thread_rows], b[Tile::thread_columns];
      read<Tile::thread_rows, Tile::piece_rows>(row_panel + d * RowPanel::line, a);
      read<Tile::thread_columns, Tile::piece_columns>(column_panel + d * ColumnPanel::line, b);
#pragma unroll
      for (int i = 0; i < Tile::thread_rows; ++i)
#pragma unroll
        for (int j = 0; j < Tile::thread_columns; ++j) sums_[i][j] += a[i] * b[j];
    }
  }

 private:
  template <int Count, int Step>
  __device__ static void read(const float* from, float (&values)[Count]) {
#pragma unroll
    for (int piece = 0; piece < Count / 4; ++piece) {
      const Vector<float, 4> four = load_vector<4>(from + piece * Step);
#pragma unroll
      for (int i = 0; i < 4; ++i) values[piece * 4 + i] = four.at[i];
    }
  }

  float sums_[Tile::thread_rows][Tile::thread_columns];
};

}  // namespace deconv::cuda
