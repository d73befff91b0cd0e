#pragma once

#include "common/tile.cuh"
#include "relu.cuh"

namespace deconv::cuda {

/// Where the sums of a product go.
template <class T>
struct TileTarget {
  T* dst = nullptr;
  float* parts = nullptr;   ///< not null: each split's raw sums, laid out like dst, one split after the other
  Index count = 0;          ///< values in dst
  const T* bias = nullptr;  ///< null, or a value for each column of all groups
  bool rectified = false;
  float negative_slope = 0.0f;
  bool fours = false;  ///< dst and its columns take vectors of 4
};

/// Where a block's tile goes: worked out before the main loop and kept in shared memory, out of its
/// registers.
template <class Block>
struct TilePlace {
  Index rows[Block::rows];  ///< index in dst of a row's first column, or -1
  int first_column;         ///< of all groups
  int columns;              ///< that are there from the first
  int split;
};

/// The epilogue: bias, rectifier and rounding, or a split's raw sums. Each thread stores what its unit
/// summed, 4 columns at a time.
template <class T, class Block, class Unit>
__device__ inline void store_tile(const TileTarget<T>& target, const TilePlace<Block>& place,
                                  const Unit& unit) {
  const int first_row = Block::first_row(), first_column = Block::first_column();
  float* const parts = target.parts == nullptr ? nullptr : target.parts + place.split * target.count;
  const auto finished = [&](float sum, int column) {
    if (target.bias != nullptr && column < place.columns)
      sum += to_float(target.bias[place.first_column + column]);
    return from_float<T>(target.rectified ? RectifyForward{target.negative_slope}(sum, 0.0f) : sum);
  };
#pragma unroll
  for (int i = 0; i < Block::thread_rows; ++i) {
    const Index row = place.rows[first_row + Block::row_step(i)];
    if (row < 0) continue;
#pragma unroll
    for (int piece = 0; piece < Block::thread_columns / 4; ++piece) {
      const int column = first_column + Block::column_step(piece * 4);
      const Index at = row + column;
      if (target.fours) {
        if (column >= place.columns) continue;
        Vector<float, 4> sums;
        Vector<T, 4> result;
#pragma unroll
        for (int j = 0; j < 4; ++j) {
          sums.at[j] = unit.sum(i, piece * 4 + j);
          result.at[j] = finished(sums.at[j], column + j);
        }
        if (parts != nullptr)
          store_vector<4>(parts + at, sums);
        else
          store_vector<4>(target.dst + at, result);
      } else {
#pragma unroll
        for (int j = 0; j < 4; ++j) {
          if (column + j >= place.columns) continue;
          const float sum = unit.sum(i, piece * 4 + j);
          if (parts != nullptr)
            parts[at + j] = sum;
          else
            target.dst[at + j] = finished(sum, column + j);
        }
      }
    }
  }
}

/// Takes digits off a block's number, the fastest first.
class BlockNumber {
 public:
  explicit __device__ BlockNumber(unsigned number) : rest_(number) {}
  __device__ int digit(unsigned radix) {
    const unsigned rest = rest_ / radix, value = rest_ - rest * radix;
    rest_ = rest;
    return static_cast<int>(value);
  }
  [[nodiscard]] __device__ int rest() const { return static_cast<int>(rest_); }

 private:
  unsigned rest_;
};

}  // namespace deconv::cuda
