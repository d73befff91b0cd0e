#pragma once

#include <type_traits>

#include "common/matrix_tile.cuh"
#include "common/matrix_units.cuh"

namespace deconv::cuda {

/// A float as one factor of the tensor cores, or as the sum of two: `rest` is what rounding left, itself
/// rounded, so that both together have 22 bits of mantissa.
struct SplitFloat {
  std::uint32_t rounded, rest;
};
__device__ __forceinline__ SplitFloat split_float(std::uint32_t bits) {
  const float value = __uint_as_float(bits);
  const std::uint32_t rounded = to_tf32(value);
  return {rounded, to_tf32(value - __uint_as_float(rounded))};
}

/// The fragments of a warp's part of a product, and their multiplication: 16-bit elements as they are, floats
/// rounded to TF32 (Products 1) or in two parts and three products (Products 3: the fourth, of both rests, is
/// below float's last bit). Sums: fragment (i, j), 16 x 8, as matrix_units.cuh has it.
template <class T, class Tile, int Products>
class MatrixSums {
 public:
  static constexpr int down = Tile::warp_rows / 16, across = Tile::warp_columns / 8;
  static_assert(Products == 1 || (Products == 3 && std::is_same_v<T, float>));

  __device__ MatrixSums() {
#pragma unroll
    for (int i = 0; i < down; ++i)
#pragma unroll
      for (int j = 0; j < across; ++j)
#pragma unroll
        for (int e = 0; e < 4; ++e) at[i][j][e] = 0.0f;
  }

  /// at += a b, for a step of 32 bytes of depth. Floats come as they lie in memory.
  __device__ __forceinline__ void add(std::uint32_t (&a)[down][4], std::uint32_t (&b)[across][2]) {
    if constexpr (Products == 3) {
      std::uint32_t rest_a[down][4];
#pragma unroll
      for (int i = 0; i < down; ++i) split(a[i], rest_a[i]);
        // A column of fragments at a time, whose rests live no longer; the small products first.
#pragma unroll
      for (int j = 0; j < across; ++j) {
        std::uint32_t rest_b[2];
        split(b[j], rest_b);
        multiply_column(j, rest_a, b[j]);
        multiply_column(j, a, rest_b);
        multiply_column(j, a, b[j]);
      }
    } else {
      if constexpr (std::is_same_v<T, float>) {
#pragma unroll
        for (int i = 0; i < down; ++i) round(a[i]);
#pragma unroll
        for (int j = 0; j < across; ++j) round(b[j]);
      }
#pragma unroll
      for (int j = 0; j < across; ++j) multiply_column(j, a, b[j]);
    }
  }

  float at[down][across][4];

 private:
  template <int N>
  __device__ static __forceinline__ void split(std::uint32_t (&values)[N], std::uint32_t (&rests)[N]) {
#pragma unroll
    for (int e = 0; e < N; ++e) {
      const SplitFloat parts = split_float(values[e]);
      values[e] = parts.rounded;
      rests[e] = parts.rest;
    }
  }
  template <int N>
  __device__ static __forceinline__ void round(std::uint32_t (&values)[N]) {
#pragma unroll
    for (int e = 0; e < N; ++e) values[e] = to_tf32(__uint_as_float(values[e]));
  }
  __device__ __forceinline__ void multiply_column(int j, const std::uint32_t (&a)[down][4],
                                                  const std::uint32_t (&b)[2]) {
#pragma unroll
    for (int i = 0; i < down; ++i)
      if constexpr (std::is_same_v<T, float>)
        multiply_add_tf32(at[i][j], a[i], b);
      else
        multiply_add<T>(at[i][j], a[i], b);
  }
};

/// Products of panels whose lines are rows and columns of the product and run along the depth.
template <class T, class Tile, int Products>
class MatrixUnit {
 public:
  using Sums = MatrixSums<T, Tile, Products>;

  /// sums += the product of two panels.
  __device__ void multiply(const unsigned char* rows, const unsigned char* columns) {
    const int lane = static_cast<int>(threadIdx.x) % 32;
    // Row fragments: lanes 0-15 give the rows' first half of a step, 16-31 the second; columns: lanes 0-7 and
    // 8-15 the two halves of eight columns, the others of the next eight.
    const int row = Tile::first_row() + lane % 16, row_half = lane / 16;
    const int column = Tile::first_column() + lane % 8 + lane / 16 * 8, column_half = lane / 8 % 2;
#pragma unroll
    for (int step = 0; step < line_chunks / 2; ++step) {
      std::uint32_t a[Sums::down][4], b[Sums::across][2];
#pragma unroll
      for (int i = 0; i < Sums::down; ++i)
        load_matrices<4>(a[i], rows + i * 16 * line_bytes + panel_offset(row, step * 2 + row_half));
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
};

}  // namespace deconv::cuda
