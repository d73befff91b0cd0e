#pragma once

#include "common/divide.cuh"
#include "common/element.cuh"
#include "common/in_flight.cuh"

// Layout conversion: a batch of matrices, R x S becomes S x R (nchw to nhwc: R channels, S pixels). Bytes:
// src and dst once; no flops. Both ways through shared memory, so that global memory is read and written
// along its own rows:
//
//        src, rows of S                shared tile              dst, rows of R
//     r  ======----------             +---------+            s  ====------
//        ======----------    ---->    | r x s   |   ---->       ====------
//        ----------------             +---------+               ----------
//
// Matrices with few rows or few columns (three colours, small planes) take the second kernel, whose tile
// holds all of the few, so that its part of the woven side is one unbroken run.
namespace deconv::cuda {

inline constexpr int layout_threads = 256;
inline constexpr int layout_tile = 64;
/// Elements of a tile, and the most rows or columns that count as few.
inline constexpr int layout_elements = layout_tile * layout_tile, layout_few = 32;

/// Where element (row, column) of a tile stands: its column's 64 rows together, in pieces of 16 bytes whose
/// order differs from column to column. So pieces can be read whole, down a column, and no more than two
/// (four, for single elements) of the threads that write along a row meet in one bank.
template <class B>
__device__ inline int tile_slot(int row, int column) {
  constexpr int piece = vector_width<B>, pieces = layout_tile / piece;
  return column * layout_tile + (row / piece ^ (column / piece + column) % pieces) * piece + row % piece;
}

/// Tiles of 64 x 64, one a block: block = (image * row_tiles + tile row) * column_tiles + tile column. Reads
/// `R` elements at once along the columns, writes `W` along the rows; the extents are multiples of these.
template <class B, int R, int W>
__global__ void __launch_bounds__(layout_threads)
    transpose_tiles(const B* __restrict__ src, B* __restrict__ dst, Index rows, Index columns,
                    unsigned row_tiles, unsigned column_tiles) {
  alignas(16) __shared__ B tile[layout_elements];
  const unsigned line = blockIdx.x / column_tiles;
  const Index image = static_cast<Index>(line / row_tiles) * rows * columns;
  const Index first_row = static_cast<Index>(line % row_tiles) * layout_tile;
  const Index first_column = static_cast<Index>(blockIdx.x % column_tiles) * layout_tile;
  const B* from = src + image + first_row * columns + first_column;
  B* to = dst + image + first_column * rows + first_row;
  const int there_rows = static_cast<int>(rows - first_row < layout_tile ? rows - first_row : layout_tile);
  const int there_columns =
      static_cast<int>(columns - first_column < layout_tile ? columns - first_column : layout_tile);
  // Past the end of a short tile there is nothing.
  const auto read_place = [](unsigned v) {
    return int2{static_cast<int>(v % (layout_tile / R) * R), static_cast<int>(v / (layout_tile / R))};
  };
  const auto write_place = [](unsigned v) {
    return int2{static_cast<int>(v / (layout_tile / W)), static_cast<int>(v % (layout_tile / W) * W)};
  };
  constexpr int at_once = layout_elements / R / layout_threads < 8 ? layout_elements / R / layout_threads : 8;
  block_with_loads_in_flight<at_once>(
      layout_elements / R,
      [&](int v) {
        const int2 at = read_place(static_cast<unsigned>(v));
        return at.y < there_rows && at.x < there_columns ? load_vector<R>(from + at.y * columns + at.x)
                                                         : Vector<B, R>{};
      },
      [&](int v, const Vector<B, R>& value) {
        const int2 at = read_place(static_cast<unsigned>(v));
#pragma unroll
        for (int j = 0; j < R; ++j) tile[tile_slot<B>(at.y, at.x + j)] = value.at[j];
      });
  __syncthreads();
#pragma unroll
  for (unsigned i = 0; i < layout_elements / W; i += layout_threads) {
    const int2 at = write_place(i + threadIdx.x);
    if (at.y < there_rows && at.x < there_columns) {
      const B* stands = tile + tile_slot<B>(at.y, at.x);
      if constexpr (W == vector_width<B>)
        copy_sixteen_bytes(stands, to + at.x * rows + at.y);
      else
        to[at.x * rows + at.y] = *stands;
    }
  }
}

/// `few` planes of `many` elements beside `many` groups of `few` (woven). A block takes the same `span`
/// elements of every plane: block = image * spans + span.
struct WeaveShape {
  Index few = 0, many = 0;
  unsigned spans = 1;
  int span = 0, stride = 0;  ///< elements of a tile's plane, and from one to the next
  Divider by_few, by_vectors_of_span;
};

/// Elements of the tile: those of layout_elements and 16 bytes of padding a plane.
template <class B>
inline constexpr int weave_tile = layout_elements + layout_few* vector_width<B>;

/// Moves `P` elements of a plane and `W` woven ones at once.
template <class B, int P, int W, bool ToWoven>
__global__ void __launch_bounds__(layout_threads) weave(const B* src, B* dst, WeaveShape shape) {
  alignas(16) __shared__ B tile[weave_tile<B>];
  const int few = static_cast<int>(shape.few);
  const Index image = static_cast<Index>(blockIdx.x / shape.spans) * shape.few * shape.many;
  const Index first = static_cast<Index>(blockIdx.x % shape.spans) * shape.span;
  const int there = static_cast<int>(shape.many - first < shape.span ? shape.many - first : shape.span);
  const int plane_vectors = few * (shape.span / P), woven_vectors = there * few / W;
  const Index planes = image + first, woven = image + first * shape.few;

  // The planes' side: vector v is plane v / (span / P). Past the end of a short span there is nothing.
  struct Place {
    int row, column;
  };
  const auto plane_place = [&](int v) {
    const auto at = shape.by_vectors_of_span(static_cast<std::uint32_t>(v));
    return Place{static_cast<int>(at.quotient), static_cast<int>(at.remainder) * P};
  };
  // The woven side: element k of the run is element k / few of plane k % few.
  const auto woven_place = [&](int v) {
    const auto at = shape.by_few(static_cast<std::uint32_t>(v * W));
    return Place{static_cast<int>(at.remainder), static_cast<int>(at.quotient)};
  };
  const auto next = [&](Place& at) {
    if (++at.row == few) at = {0, at.column + 1};
  };
  if constexpr (ToWoven) {
    block_with_loads_in_flight<loads_in_flight>(
        plane_vectors,
        [&](int v) {
          const Place at = plane_place(v);
          return at.column < there ? load_vector<P>(src + planes + at.row * shape.many + at.column)
                                   : Vector<B, P>{};
        },
        [&](int v, const Vector<B, P>& value) {
          const Place at = plane_place(v);
          store_vector<P>(tile + at.row * shape.stride + at.column, value);
        });
    __syncthreads();
    for (int v = static_cast<int>(threadIdx.x); v < woven_vectors; v += layout_threads) {
      Place at = woven_place(v);
      Vector<B, W> value;
#pragma unroll
      for (int j = 0; j < W; ++j) {
        value.at[j] = tile[at.row * shape.stride + at.column];
        next(at);
      }
      store_vector<W>(dst + woven + v * W, value);
    }
  } else {
    block_with_loads_in_flight<loads_in_flight>(
        woven_vectors, [&](int v) { return load_vector<W>(src + woven + v * W); },
        [&](int v, const Vector<B, W>& value) {
          Place at = woven_place(v);
#pragma unroll
          for (int j = 0; j < W; ++j) {
            tile[at.row * shape.stride + at.column] = value.at[j];
            next(at);
          }
        });
    __syncthreads();
    for (int v = static_cast<int>(threadIdx.x); v < plane_vectors; v += layout_threads) {
      const Place at = plane_place(v);
      if (at.column < there)
        store_vector<P>(dst + planes + at.row * shape.many + at.column,
                        load_vector<P>(tile + at.row * shape.stride + at.column));
    }
  }
}

}  // namespace deconv::cuda
