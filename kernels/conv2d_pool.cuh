#pragma once

#include "common/leaders.cuh"
#include "matrix_correlation.cuh"

// A convolution with bias and rectifier and the max-pooling behind it in one kernel, on the matrix units. A
// block makes the convolution's outputs under a patch of pooled outputs, puts them into shared memory instead
// of memory, and pools them there:
//
//    rows of the product: a patch           shared memory                  pooled outputs
//    11 x 11 of 128 rows
//      y0 . . . . . . . . . . .            pixel 0:   128 maps             5 x 5 of 3x3 windows
//         . . . . . . . . . . .     ->     pixel 1:   128 maps     ->      two apart, and their
//         . . . (121 pixels). .            ...                             switches
//         . . . . . . . . . . .            pixel 120: 128 maps
//
// Neighbouring patches overlap where windows do (11 x 11 pixels for 10 x 10 of its own); 2x2 windows two
// apart take 8 x 16 pixels that no other block needs, all 128 rows. Values are rounded before they are
// pooled, exactly as the convolution stores them, and their sums are made in the same order: maxima and
// switches have the bits of the separate kernels. Bytes: the convolution's operands, pooled outputs and
// switches; the plane of the convolution is neither written nor read. Flops: the convolution's times 128 over
// the pixels of a patch that no other has.
namespace deconv::cuda {

/// Where the pooled values go, and how the plane is cut into patches.
template <class T>
struct PooledTarget {
  T* dst = nullptr;
  std::uint8_t* switches = nullptr;  ///< or null: not wanted. A patch has at most 128 taps
  Geometry g;                        ///< from the convolution's plane to the pooled one
  bool vectors = false;              ///< dst, switches and a group's maps take 16 bytes of T at a time
  int down = 1, across = 1;          ///< pooled outputs of a patch
  int height = 1, width = 1;         ///< pixels under them
  unsigned patches_down = 1, patches_across = 1;
};

/// The pixels of a patch as rows of a product. Where windows hang over the plane, its nearest pixels stand in
/// for those outside, which nobody pools: loaders may rely on what a pixel of the plane reads.
class PatchRows {
 public:
  struct Place {
    int image;  ///< counted from image()
    int y, x;
  };

  /// A patch of height x width pixels from (top, left) on.
  __device__ PatchRows(const Geometry& g, Index image, int top, int left, int height, int width)
      : image_(image),
        top_(top),
        left_(left),
        width_(width),
        count_(height * width),
        last_y_(g.y.extent - 1),
        last_x_(g.x.extent - 1) {}
  [[nodiscard]] __device__ int left() const { return count_; }
  [[nodiscard]] __device__ Index image() const { return image_; }
  [[nodiscard]] __device__ Place operator[](int i) const {
    const int down = i / width_, y = top_ + down, x = left_ + i - down * width_;
    return {0, max(0, min(y, last_y_)), max(0, min(x, last_x_))};
  }

 private:
  Index image_;
  int top_, left_, width_, count_, last_y_, last_x_;
};

/// Elements from a pixel's values in shared memory to the next pixel's: so many more than there are columns
/// that the fragments of eight rows go to different banks.
template <int Columns>
inline constexpr int patch_line = Columns + 8;

/// Where a tile's patch goes.
struct PatchPlace {
  Index at;                      ///< in dst, of the tile's first map in its image's first output
  int first_p, first_q;          ///< the patch's first output
  int first_map, columns, step;  ///< of the convolution's, those that are there, and all of a pixel
};

/// The place of the maps from `first_column` of a group on.
template <class T>
__device__ inline PatchPlace place_patch(const MatrixCorrelation<T>& c, const PooledTarget<T>& pool,
                                         Index image, int group, int first_p, int first_q, int first_column) {
  const int map = group * c.columns + first_column;
  return {image * pool.g.y.outputs * pool.g.x.outputs * c.dst_channels + map,
          first_p,
          first_q,
          map,
          c.columns - first_column,
          c.dst_channels};
}

/// Lays a thread's sums into shared memory as the convolution's outputs: the first two at (row, column) of a
/// tile of `Columns`, sum(i, j, e) of a fragment 16 i rows and 8 j columns further, and of those the ones
/// from e = 2 on 8 rows further.
template <int Columns, int Down, int Across, class T, class Sum>
__device__ inline void lay_values(const MatrixTarget<T>& target, const PatchPlace& place, int row, int column,
                                  const Sum& sum, T* memory) {
  T* const corner = memory + row * patch_line<Columns> + column;
#pragma unroll
  for (int j = 0; j < Across; ++j) {
    float bias[2] = {};
#pragma unroll
    for (int e = 0; e < 2; ++e)
      if (target.bias != nullptr && column + j * 8 + e < place.columns)
        bias[e] = to_float(target.bias[place.first_map + column + j * 8 + e]);
#pragma unroll
    for (int i = 0; i < Down; ++i)
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        Vector<T, 2> pair;
#pragma unroll
        for (int e = 0; e < 2; ++e) {
          float value = sum(i, j, half * 2 + e);
          if (target.bias != nullptr) value += bias[e];
          pair.at[e] =
              from_float<T>(target.rectified ? RectifyForward{target.negative_slope}(value, 0.0f) : value);
        }
        store_vector<2>(corner + (i * 16 + half * 8) * patch_line<Columns> + j * 8, pair);
      }
  }
}

/// One of `threads` that pool a patch in shared memory, N maps of one output a thread and round.
template <int N, template <int> class Leading, int Columns, class T>
__device__ inline void pool_patch(const PooledTarget<T>& pool, const PatchPlace& place, const T* memory,
                                  int thread, int threads) {
  constexpr int vectors = Columns / N;
  const int top = pool.g.y.start(place.first_p), left = pool.g.x.start(place.first_q);
  const int items = pool.down * pool.across * vectors;
#pragma unroll 1
  for (int item = thread; item < items; item += threads) {
    const int output = item / vectors, column = (item - output * vectors) * N;
    const int down = output / pool.across;
    const int p = place.first_p + down, q = place.first_q + output - down * pool.across;
    if (p >= pool.g.y.outputs || q >= pool.g.x.outputs || column >= place.columns) continue;
    const auto leaders = leaders_of_window<N, Leading>(
        pool.g, p, q, pool.g.x.dilation * patch_line<Columns>, [&](int y, int x) {
          return memory + ((y - top) * pool.width + x - left) * patch_line<Columns> + column;
        });
    const Index to = place.at + (static_cast<Index>(p) * pool.g.x.outputs + q) * place.step + column;
    if (pool.switches != nullptr)
      leaders.store(pool.dst, pool.switches, to);
    else
      leaders.store(pool.dst, static_cast<void*>(nullptr), to);
  }
}

/// The same in the largest accesses and by the shortest comparison that the operands allow.
template <int Columns, class T>
__device__ inline void pool_values(const MatrixTarget<T>& target, const PooledTarget<T>& pool,
                                   const PatchPlace& place, const T* values, int thread, int threads) {
  if constexpr (sizeof(T) == 2)
    if (pool.vectors && target.rectified && target.negative_slope == 0.0f)
      return pool_patch<vector_width<T>, RectifiedLeaders, Columns>(pool, place, values, thread, threads);
  if (pool.vectors)
    pool_patch<vector_width<T>, Leaders, Columns>(pool, place, values, thread, threads);
  else
    pool_patch<1, Leaders, Columns>(pool, place, values, thread, threads);
}

/// One block: a patch of one image x columns of one group.
template <class T, class Tile, int Products>
__global__ void __launch_bounds__(Tile::threads, Tile::resident(Products))
    correlate_and_pool(const MatrixCorrelation<T> c, const PooledTarget<T> pool) {
  static_assert(Tile::rows * patch_line<Tile::columns> * static_cast<int>(sizeof(T)) <= Tile::shared_bytes);
  // Worked out before the main loop and kept out of its registers.
  __shared__ PatchPlace place;
  unsigned char* const memory = dynamic_shared<unsigned char>();
  // Neighbouring blocks share their pixels, then their maps.
  BlockNumber rest(blockIdx.x);
  const int first_column = rest.digit(c.column_tiles) * Tile::columns;
  const int first_q = rest.digit(pool.patches_across) * pool.across;
  const int first_p = rest.digit(pool.patches_down) * pool.down;
  const int group = rest.digit(static_cast<unsigned>(c.groups));
  const Index image = rest.rest();
  if (threadIdx.x == 0) place = place_patch(c, pool, image, group, first_p, first_q, first_column);

  const PatchRows rows(pool.g, image, pool.g.y.start(first_p), pool.g.x.start(first_q), pool.height,
                       pool.width);
  const int chunks = c.only_y.taps * c.only_x.taps * c.src.chunks;
  MatrixUnit<T, Tile, Products> unit;
  TapChunks<T, Tile> pixels(c.src, group, c.only_y, c.only_x, rows, 0);
  FilterChunks<T, Tile> filters(c.filters + group * c.filter_group + first_column * c.filter_pitch,
                                c.columns - first_column, chunks, c.filter_pitch, 0);
  multiply_staged<Tile>((chunks + line_chunks - 1) / line_chunks, pixels, filters, memory, unit);
  __syncthreads();

  T* const values = reinterpret_cast<T*>(memory);
  using Sums = decltype(unit.sums);
  const int lane = static_cast<int>(threadIdx.x) % 32;
  lay_values<Tile::columns, Sums::down, Sums::across>(
      c.target, place, Tile::first_row() + lane / 4, Tile::first_column() + lane % 4 * 2,
      [&](int i, int j, int e) { return unit.sums.at[i][j][e]; }, values);
  __syncthreads();
  pool_values<Tile::columns>(c.target, pool, place, values, static_cast<int>(threadIdx.x), Tile::threads);
}

}  // namespace deconv::cuda
