#pragma once

#include "common/warpgroup_loop.cuh"
#include "matrix_weights.cuh"
#include "warpgroup_correlation.cuh"

// The product of matrix_weights.cuh for compute capability 9.0, for 16-bit elements: both operands run along
// their extents in memory, which the units read as it is for no others (docs/kernels/warpgroup.md). The
// signals come as plain boxes of pixels x maps, the pixels under a tap as im2col boxes.
namespace deconv::cuda {

/// A tile of 128 maps x Columns, in stages of 64 pixels. The columns are boxes of Line bytes of channels
/// under a tap.
template <int Columns, int Stages, int Line>
struct WarpgroupWeightTile : WarpgroupStages<Columns, Stages, (128 + Columns) * 128> {
  static constexpr int line = Line, pixels = 64;
  static constexpr int box_columns = Line / 2, boxes = Columns / box_columns;
  static constexpr int row_box = pixels * 128, column_box = pixels * Line;  ///< a consumer's maps; a tap's
  static_assert(Columns % box_columns == 0);
};

template <class T>
struct WarpgroupWeightGradient {
  TensorMap src, diff_dst;
  MatrixWeightGradient<T> g;
  int tap_boxes = 0;  ///< of a tap
  unsigned tiles = 0;
};

/// A tile of one split, as run_warpgroups wants it.
template <class T, class TileType>
struct WeightGradientJob {
  using Tile = TileType;

  const WarpgroupWeightGradient<T>& w;
  int column_tile, row_tile, split;
  DepthShare steps;

  __device__ WeightGradientJob(const WarpgroupWeightGradient<T>& argument, unsigned tile)
      : WeightGradientJob(argument, BlockNumber(tile)) {}

  [[nodiscard]] __device__ bool empty() const { return false; }

  static __device__ void prefetch(const WarpgroupWeightGradient<T>& w) {
    prefetch_map(&w.src);
    prefetch_map(&w.diff_dst);
  }

  class Copies {
   public:
    __device__ explicit Copies(const WeightGradientJob& job)
        : w_(job.w),
          pixels_(w_.g.y.write, w_.g.x.write),
          boxes_(w_.g.taps_x, w_.tap_boxes),
          at_(pixels_.digits(static_cast<unsigned>(job.steps.first * Tile::pixels))),
          step_(pixels_.digits(Tile::pixels)),
          first_map_(job.row_tile * Tile::rows),
          first_box_(job.column_tile * Tile::boxes) {}

    __device__ void start(int step, unsigned char* stage, Mbarrier* barrier) {
      mbarrier_arrive_expecting(barrier, Tile::stage_bytes);
#pragma unroll
      for (int group = 0; group < Tile::consumers; ++group)
        bulk_load(stage + group * Tile::row_box, &w_.diff_dst, barrier, first_map_ + group * Tile::group_rows,
                  step * Tile::pixels);
      const int last = w_.g.y.kernel * w_.g.taps_x * w_.tap_boxes - 1;
      for (int i = 0; i < Tile::boxes; ++i) {
        // What overhangs the filters is read as the last box and stored nowhere.
        const int box = first_box_ + i < last ? first_box_ + i : last;
        const Digits tap = boxes_.digits(static_cast<unsigned>(box));
        bulk_load_im2col(stage + Tile::consumers * Tile::row_box + i * Tile::column_box, &w_.src, barrier,
                         tap.low * Tile::box_columns, at_.low * w_.g.x.stride - w_.g.x.pad,
                         at_.middle * w_.g.y.stride - w_.g.y.pad, at_.high,
                         static_cast<std::uint16_t>(tap.middle * w_.g.x.dilation),
                         static_cast<std::uint16_t>(tap.high * w_.g.y.dilation));
      }
      pixels_.add(at_, step_);
    }

   private:
    const WarpgroupWeightGradient<T>& w_;
    Radix pixels_, boxes_;
    Digits at_, step_;
    int first_map_, first_box_;
  };

  __device__ void multiply(float (&d)[Tile::columns / 2], const unsigned char* stage, int group, int) const {
    const SharedMatrix a =
        shared_matrix(stage + group * Tile::row_box, MatrixSwizzle::bytes128, Tile::row_box, 8 * 128);
    const SharedMatrix b = shared_matrix(stage + Tile::consumers * Tile::row_box, matrix_swizzle(Tile::line),
                                         Tile::column_box, 8 * Tile::line);
#pragma unroll
    for (unsigned pixel = 0; pixel < Tile::pixels; pixel += 16)
      multiply_add_group<T, Tile::columns, true, true>(d, advanced(a, pixel * 128),
                                                       advanced(b, pixel * Tile::line));
  }

  __device__ void place(int row, int lane, MatrixPlace<WarpStrip<Tile::columns>>& strip) const {
    const int first_row = row_tile * Tile::rows + row, first_column = column_tile * Tile::columns;
    if (lane == 0) {
      strip.first_column = first_column;
      strip.columns = w.g.columns - first_column;
      strip.split = split;
    }
    for (int i = lane; i < 16; i += 32)
      strip.rows[i] = first_row + i < w.g.maps ? static_cast<Index>(first_row + i) * w.g.filter +
                                                     (w.g.target.packed.depth == 0 ? first_column : 0)
                                               : -1;
  }
  __device__ void store(const float (&d)[Tile::columns / 2], unsigned char* scratch) const {
    store_strips<WeightGradientJob, Tile::columns>(*this, d, scratch);
  }
  [[nodiscard]] __device__ const MatrixTarget<T>& target() const { return w.g.target; }

 private:
  __device__ WeightGradientJob(const WarpgroupWeightGradient<T>& argument, BlockNumber number)
      : w(argument),
        column_tile(number.digit(w.g.column_tiles)),
        row_tile(number.digit(w.g.row_tiles)),
        split(number.rest()),
        steps(static_cast<int>((w.g.pixels + Tile::pixels - 1) / Tile::pixels), split, w.g.splits) {}
};

/// One block: tiles of all (maps, columns, split).
template <class T, class Tile>
__global__ void __launch_bounds__(Tile::threads, 1)
    correlate_weights_warpgroup(const __grid_constant__ WarpgroupWeightGradient<T> w) {
#if !defined(__CUDA_ARCH__) || defined(__CUDA_ARCH_FEAT_SM90_ALL)
  run_warpgroups<WeightGradientJob<T, Tile>>(w);
#endif
}

}  // namespace deconv::cuda
