#pragma once

#include "common/matrix_unit.cuh"

namespace deconv::cuda {

/// A panel whose lines are steps of the depth: blocks of 128 bytes of the extent side by side, `lines` steps
/// each. It has as many bytes as one whose lines are rows.
template <class T, class Tile>
struct DeepPanel {
  static constexpr int lines = line_bytes / static_cast<int>(sizeof(T));  ///< depth of a tile
  static constexpr int block_bytes = lines * line_bytes;
  __device__ static constexpr int offset(int line, int chunk) {
    const int block = chunk / line_chunks * block_bytes;
    if constexpr (sizeof(T) == 4) return block + panel_offset_of_floats(line, chunk % line_chunks);
    return block + panel_offset(line, chunk % line_chunks);
  }
};

/// Products of panels whose lines are steps of the depth, as the sum over pixels wants them: 16-bit elements
/// are turned by ldmatrix on their way, floats read one by one.
template <class T, class Tile, int Products>
class DeepUnit {
  using Panel = DeepPanel<T, Tile>;

 public:
  using Sums = MatrixSums<T, Tile, Products>;

  /// sums += the product of two panels.
  __device__ void multiply(const unsigned char* rows, const unsigned char* columns) {
    constexpr int steps = 4;
#pragma unroll
    for (int step = 0; step < steps; ++step) {
      std::uint32_t a[Sums::down][4], b[Sums::across][2];
      if constexpr (sizeof(T) == 2)
        load_turned(rows, columns, step * 16, a, b);
      else
        load_floats(rows, columns, step * 8, a, b);
      sums.add(a, b);
    }
  }

  Sums sums;

 private:
  __device__ static __forceinline__ void load_turned(const unsigned char* rows, const unsigned char* columns,
                                                     int depth, std::uint32_t (&a)[Sums::down][4],
                                                     std::uint32_t (&b)[Sums::across][2]) {
    const int lane = static_cast<int>(threadIdx.x) % 32;
    const int eight = lane % 8, odd = lane / 8 % 2, upper = lane / 16;
#pragma unroll
    for (int i = 0; i < Sums::down; ++i)
      load_matrices_transposed<4>(
          a[i], rows + Panel::offset(depth + eight + upper * 8, (Tile::first_row() + i * 16) / 8 + odd));
#pragma unroll
    for (int j = 0; j < Sums::across; j += 2) {
      std::uint32_t two[4];
      load_matrices_transposed<4>(
          two, columns + Panel::offset(depth + eight + odd * 8, (Tile::first_column() + j * 8) / 8 + upper));
      b[j][0] = two[0];
      b[j][1] = two[1];
      b[j + 1][0] = two[2];
      b[j + 1][1] = two[3];
    }
  }

  /// A lane's float of every fragment lies at one of four places in a line, whatever the fragment: those of
  /// chunks 0, 2, 4 and 6 of the block, exchanged as the lane's line has it.
  struct LanePlaces {
    int at[4];
    __device__ LanePlaces() {
      const int lane = static_cast<int>(threadIdx.x) % 32, line = lane % 4, across = lane / 4;
#pragma unroll
      for (int pair = 0; pair < 4; ++pair)
        at[pair] = Panel::offset(line, pair * 2 + across / 4) + across % 4 * 4;
    }
    /// `further` (a multiple of 8) along the extent, `deeper` (a multiple of 4) along the depth.
    [[nodiscard]] __device__ __forceinline__ std::uint32_t load(const unsigned char* panel, int further,
                                                                int deeper) const {
      return *reinterpret_cast<const std::uint32_t*>(panel + further / 32 * Panel::block_bytes +
                                                     deeper * line_bytes + at[further % 32 / 8]);
    }
  };

  __device__ static __forceinline__ void load_floats(const unsigned char* rows, const unsigned char* columns,
                                                     int depth, std::uint32_t (&a)[Sums::down][4],
                                                     std::uint32_t (&b)[Sums::across][2]) {
    static_assert(Tile::warp_rows % 32 == 0 && Tile::warp_columns % 32 == 0);
    const LanePlaces places;
    rows += Tile::first_row() / 32 * Panel::block_bytes;
    columns += Tile::first_column() / 32 * Panel::block_bytes;
#pragma unroll
    for (int i = 0; i < Sums::down; ++i)
#pragma unroll
      for (int e = 0; e < 4; ++e) a[i][e] = places.load(rows, i * 16 + e % 2 * 8, depth + e / 2 * 4);
#pragma unroll
    for (int j = 0; j < Sums::across; ++j)
#pragma unroll
      for (int e = 0; e < 2; ++e) b[j][e] = places.load(columns, j * 8, depth + e * 4);
  }
};

}  // namespace deconv::cuda
