#pragma once

#include "common/named_barrier.cuh"
#include "common/tile.cuh"
#include "conv2d_pool.cuh"
#include "tuning/warpgroup.hpp"
#include "warpgroup_correlation.cuh"

// Convolution, bias, rectifier and max-pooling in one kernel (conv2d_pool.cuh) for compute capability 9.0, on
// the main loop of warpgroup_loop.cuh. The pixels of a patch under one tap are one plain box; the finished
// values of a tile stand beside the stages, so that the next tile's copies go on while two warpgroups pool:
//
//    stages: one box of the patch under a tap, one of filters       values of a patch, as T
//    [121 lines | zeros | filters] [ ...           ] [ ... ]        128 lines of Columns + 8
//
// Pixels that a window's padding or overhang adds outside of the convolution's plane are computed from
// whatever the box holds, and pooled by nobody. Counted as there (docs/kernels/fusion.md).
namespace deconv::cuda {

/// Bytes of a tile's values.
[[nodiscard]] constexpr int patch_value_bytes(int columns, int element_bytes) {
  return tuning::warpgroup_rows * (columns + 8) * element_bytes;
}

/// Stages that fit beside them, no more than the table has.
[[nodiscard]] constexpr int patch_stages(const tuning::WarpgroupTileShape& tile, int element_bytes) {
  const int left = most_dynamic_bytes - 1024 - patch_value_bytes(tile.columns, element_bytes);
  const int fitting = left / ((tuning::warpgroup_rows + tile.columns) * 128);
  return fitting < tile.stages ? fitting : tile.stages;
}

/// Whether an entry of the table is compiled for patches: with less than three stages too little is on its
/// way.
[[nodiscard]] constexpr bool serves_patches(const tuning::WarpgroupTileShape& tile, int element_bytes) {
  return tile.correlation && tile.columns >= 64 && patch_stages(tile, element_bytes) >= 3;
}

template <class T>
struct WarpgroupPool {
  TensorMap src;      ///< patches under a tap: channels, pixels, rows, images
  TensorMap filters;  ///< channels of a tap, taps, columns, phases
  MatrixCorrelation<T> c;
  PooledTarget<T> pool;
  int boxes = 0;  ///< of a tap
  unsigned tiles = 0;
};

/// Maps a convolution's pixels and filters; false where warpgroups do not serve: several groups, strides
/// above 8, boxes beyond the limits of tensor copies.
template <class T>
[[nodiscard]] bool map_patches(const MatrixCorrelation<T>& c, const PooledTarget<T>& pool,
                               WarpgroupPool<T>& w);
/// Launches entry `tile` of the warpgroups' table, after map_patches. Throws DeviceError.
template <class T>
void start_warpgroup_pool(const Context<Cuda>& context, WarpgroupPool<T>& w, const MatrixCorrelation<T>& c,
                          const PooledTarget<T>& pool, int tile);

/// A patch of one image x columns, as run_warpgroups wants it.
template <class T, class TileType>
struct PatchJob {
  using Tile = TileType;
  using Element = std::conditional_t<std::is_same_v<T, float>, Tf32, T>;

  const WarpgroupPool<T>& w;
  int first_column, first_q, first_p, image;
  int boxes;  ///< of all taps
  DepthShare steps;

  __device__ PatchJob(const WarpgroupPool<T>& argument, unsigned tile)
      : PatchJob(argument, BlockNumber(tile)) {}

  [[nodiscard]] __device__ bool empty() const { return false; }
  [[nodiscard]] __device__ int boxes_of(int step) const {
    const int left = boxes - step * Tile::boxes;
    return left < Tile::boxes ? left : Tile::boxes;
  }

  static __device__ void prefetch(const WarpgroupPool<T>& w) {
    prefetch_map(&w.src);
    prefetch_map(&w.filters);
  }

  /// The lines behind a patch's, which no copy reaches and the products read.
  static __device__ void prepare(const WarpgroupPool<T>& w, unsigned char* memory) {
    constexpr int end = Tile::row_box / 16;
    const int first = w.pool.height * w.pool.width * (Tile::line / 16);
    for (int box = 0; box < Tile::stages * Tile::boxes; ++box)
      for (int chunk = first + static_cast<int>(threadIdx.x); chunk < end; chunk += Tile::threads)
        store_vector<4>(reinterpret_cast<float*>(memory + box * Tile::box_bytes) + chunk * 4,
                        zeros<float, 4>());
    publish_to_bulk();
  }

  class Copies {
    static constexpr int channels = Tile::line / static_cast<int>(sizeof(T));

   public:
    __device__ explicit Copies(const PatchJob& job)
        : job_(job),
          radix_(job.w.c.only_x.taps, job.w.boxes),
          one_(radix_.digits(1)),
          box_(radix_.digits(0)),
          down_(corner(job.w.c.only_y, job.w.pool.g.y.start(job.first_p))),
          across_(corner(job.w.c.only_x, job.w.pool.g.x.start(job.first_q))),
          row_bytes_(job.w.pool.height * job.w.pool.width * Tile::line) {}

    __device__ void start(int step, unsigned char* stage, Mbarrier* barrier) {
      const PhaseAxis &y = job_.w.c.only_y, &x = job_.w.c.only_x;
      const int here = job_.boxes_of(step);
      mbarrier_arrive_expecting(barrier, static_cast<unsigned>(here * (row_bytes_ + Tile::column_box)));
      for (int i = 0; i < here; ++i) {
        unsigned char* const to = stage + i * Tile::box_bytes;
        bulk_load(to, &job_.w.src, barrier, box_.low * channels, across_ + box_.middle * x.read_step,
                  down_ + box_.high * y.read_step, job_.image);
        bulk_load(to + Tile::row_box, &job_.w.filters, barrier, box_.low * channels,
                  box_.high * x.taps + box_.middle, job_.first_column, 0);
        radix_.add(box_, one_);
      }
    }

   private:
    __device__ static int corner(const PhaseAxis& axis, int place) {
      return axis.origin + place * axis.origin_step;
    }

    const PatchJob& job_;
    Radix radix_;
    Digits one_, box_;
    int down_, across_, row_bytes_;
  };

  __device__ void multiply(float (&d)[Tile::columns / 2], const unsigned char* stage, int group,
                           int step) const {
    multiply_boxes<Element, Tile>(d, stage, group, boxes_of(step));
  }

  __device__ void store(const float (&d)[Tile::columns / 2], unsigned char* scratch) const {
    constexpr int threads = Tile::consumers * 128, barrier = 1;
    T* const values = reinterpret_cast<T*>(scratch);
    const int thread = static_cast<int>(threadIdx.x) - 128, lane = thread % 32;
    const PatchPlace place = place_patch(w.c, w.pool, image, 0, first_p, first_q, first_column);
    named_barrier_sync(barrier, threads);  // the tile before has been pooled
    lay_values<Tile::columns, 1, Tile::columns / 8>(
        w.c.target, place, thread / 32 * 16 + lane / 4, lane % 4 * 2,
        [&](int, int j, int e) { return d[j * 4 + e]; }, values);
    named_barrier_sync(barrier, threads);
    pool_values<Tile::columns>(w.c.target, w.pool, place, values, thread, threads);
  }

 private:
  // Neighbouring tiles share their pixels, then their maps.
  __device__ PatchJob(const WarpgroupPool<T>& argument, BlockNumber number)
      : w(argument),
        first_column(number.digit(w.c.column_tiles) * Tile::columns),
        first_q(number.digit(w.pool.patches_across) * w.pool.across),
        first_p(number.digit(w.pool.patches_down) * w.pool.down),
        image(number.rest()),
        boxes(w.c.only_y.taps * w.c.only_x.taps * w.boxes),
        steps((boxes + Tile::boxes - 1) / Tile::boxes, 0, 1) {}
};

/// One block: tiles of all (columns, patches, images).
template <class T, class Tile>
__global__ void __launch_bounds__(Tile::threads, 1)
    correlate_and_pool_warpgroup(const __grid_constant__ WarpgroupPool<T> w) {
#if !defined(__CUDA_ARCH__) || defined(__CUDA_ARCH_FEAT_SM90_ALL)
  run_warpgroups<PatchJob<T, Tile>>(w);
#endif
}

}  // namespace deconv::cuda
