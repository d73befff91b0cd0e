#pragma once

#include "common/warpgroup_loop.cuh"
#include "matrix_correlation.cuh"

// The product of matrix_correlation.cuh for compute capability 9.0: pixels come as im2col boxes, filters as
// boxes of their own (docs/kernels/warpgroup.md).
namespace deconv::cuda {

/// A tile of 128 places x Columns, in stages of 128 bytes of depth: `boxes` boxes of Line bytes. A box
/// belongs to one tap, so short lines waste less where the channels do not fill long ones.
template <int Columns, int Stages, int Line, int ScratchBytes = strips_bytes<Columns>>
struct WarpgroupTile : WarpgroupStages<Columns, Stages, (128 + Columns) * 128, ScratchBytes> {
  static constexpr int line = Line, boxes = 128 / Line;
  static constexpr int row_box = 128 * Line, column_box = Columns * Line, box_bytes = row_box + column_box;
  static_assert(Line == 128 || Line == 64);
  static_assert(column_box % 1024 == 0);
};

/// Starts the products of a warpgroup's 64 rows with the first `boxes` boxes of a stage, one or more.
template <class Element, class Tile>
__device__ __forceinline__ void multiply_boxes(float (&d)[Tile::columns / 2], const unsigned char* stage,
                                               int group, int boxes) {
#pragma unroll
  for (int box = 0; box < Tile::boxes; ++box) {
    if (box > 0 && box >= boxes) break;
    const unsigned char* const rows = stage + box * Tile::box_bytes + group * (Tile::group_rows * Tile::line);
    const SharedMatrix a = shared_matrix(rows, matrix_swizzle(Tile::line), 16, 8 * Tile::line);
    const SharedMatrix b = shared_matrix(stage + box * Tile::box_bytes + Tile::row_box,
                                         matrix_swizzle(Tile::line), 16, 8 * Tile::line);
#pragma unroll
    for (unsigned depth = 0; depth < Tile::line; depth += 32)
      multiply_add_group<Element, Tile::columns>(d, advanced(a, depth), advanced(b, depth));
  }
}

/// The most phases whose boxes have maps of their own.
inline constexpr int most_mapped_phases = 16;

/// How the boxes of one phase lie along an axis: place i stands at first + i * step, and tap j looks
/// offset(j) further on.
struct BoxAxis {
  int first, step, last_tap, tap_step;
  /// Offsets are never negative: taps that look backwards are counted from the last.
  __host__ __device__ explicit BoxAxis(const PhaseAxis& axis)
      : first(axis.origin), step(axis.origin_step), last_tap(0), tap_step(axis.read_step) {
    if (axis.read_step < 0 && axis.taps > 0) {
      last_tap = axis.taps - 1;
      tap_step = -axis.read_step;
      first += last_tap * axis.read_step;
    }
  }
  [[nodiscard]] __host__ __device__ int offset(int tap) const {
    return (last_tap > 0 ? last_tap - tap : tap) * tap_step;
  }
};

template <class T>
struct WarpgroupCorrelation {
  TensorMap src[most_mapped_phases];
  TensorMap filters;  ///< channels of a tap, taps, columns, phases
  MatrixCorrelation<T> c;
  int boxes = 0;  ///< of a tap
  unsigned tiles = 0;
};

/// A tile of one phase and split, as run_warpgroups wants it.
template <class T, class TileType>
struct CorrelationJob {
  using Tile = TileType;
  using Element = std::conditional_t<std::is_same_v<T, float>, Tf32, T>;

  const WarpgroupCorrelation<T>& w;
  MatrixBlock block;
  PhaseAxis y, x;
  int boxes;  ///< of all taps
  DepthShare steps;

  __device__ CorrelationJob(const WarpgroupCorrelation<T>& argument, unsigned tile)
      : w(argument),
        block(w.c, tile),
        y(w.c.phase_y(block.phase)),
        x(w.c.phase_x(block.phase)),
        boxes(y.taps * x.taps * w.boxes),
        steps((boxes + Tile::boxes - 1) / Tile::boxes, block.split, w.c.splits) {}

  [[nodiscard]] __device__ Index first_row() const { return static_cast<Index>(block.row_tile) * Tile::rows; }
  /// Phases differ in their pixels.
  [[nodiscard]] __device__ bool empty() const { return first_row() >= w.c.images * y.rows * x.rows; }
  [[nodiscard]] __device__ int boxes_of(int step) const {
    const int left = boxes - step * Tile::boxes;
    return left < Tile::boxes ? left : Tile::boxes;
  }

  static __device__ void prefetch(const WarpgroupCorrelation<T>& w) {
    for (unsigned phase = 0; phase < w.c.phases; ++phase) prefetch_map(&w.src[phase]);
    prefetch_map(&w.filters);
  }

  class Copies {
    static constexpr int channels = Tile::line / static_cast<int>(sizeof(T));

   public:
    __device__ explicit Copies(const CorrelationJob& job)
        : job_(job), x_(job.x), y_(job.y), radix_(job.x.taps, job.w.boxes), one_(radix_.digits(1)) {
      const PixelRows places(job.w.c.images, job.y.rows, job.x.rows, job.first_row());
      const auto first = places[0];
      image_ = static_cast<int>(places.image());
      down_ = y_.first + first.y * y_.step;
      across_ = x_.first + first.x * x_.step;
      box_ = radix_.digits(static_cast<unsigned>(job.steps.first * Tile::boxes));
    }
    __device__ void start(int step, unsigned char* stage, Mbarrier* barrier) {
      const int here = job_.boxes_of(step);
      mbarrier_arrive_expecting(barrier, static_cast<unsigned>(here * Tile::box_bytes));
      for (int i = 0; i < here; ++i) {
        unsigned char* const to = stage + i * Tile::box_bytes;
        bulk_load_im2col(to, &job_.w.src[job_.block.phase], barrier, box_.low * channels, across_, down_,
                         image_, static_cast<std::uint16_t>(x_.offset(box_.middle)),
                         static_cast<std::uint16_t>(y_.offset(box_.high)));
        bulk_load(to + Tile::row_box, &job_.w.filters, barrier, box_.low * channels,
                  box_.high * job_.x.taps + box_.middle, job_.block.column_tile * Tile::columns,
                  job_.block.phase);
        radix_.add(box_, one_);
      }
    }

   private:
    const CorrelationJob& job_;
    BoxAxis x_, y_;
    Radix radix_;
    Digits one_, box_;
    int image_, down_, across_;
  };

  __device__ void multiply(float (&d)[Tile::columns / 2], const unsigned char* stage, int group,
                           int step) const {
    multiply_boxes<Element, Tile>(d, stage, group, boxes_of(step));
  }

  __device__ void place(int row, int lane, MatrixPlace<WarpStrip<Tile::columns>>& strip) const {
    const PixelRows places(w.c.images, y.rows, x.rows, first_row() + row);
    place_tile(w.c, block, y, x, places, lane, 32, strip);
  }
  __device__ void store(const float (&d)[Tile::columns / 2], unsigned char* scratch) const {
    store_strips<CorrelationJob, Tile::columns>(*this, d, scratch);
  }
  [[nodiscard]] __device__ const MatrixTarget<T>& target() const { return w.c.target; }
};

template <class T, class Tile>
__global__ void __launch_bounds__(Tile::threads, 1)
    correlate_warpgroup(const __grid_constant__ WarpgroupCorrelation<T> w) {
#if !defined(__CUDA_ARCH__) || defined(__CUDA_ARCH_FEAT_SM90_ALL)
  run_warpgroups<CorrelationJob<T, Tile>>(w);
#endif
}

}  // namespace deconv::cuda
