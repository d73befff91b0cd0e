#pragma once

#include <type_traits>

#include "common/bulk_copy.cuh"
#include "common/mbarrier.cuh"
#include "common/shared_memory.cuh"
#include "common/strip_store.cuh"
#include "common/warpgroup.cuh"
#include "matrix_correlation.cuh"

// The product of matrix_correlation.cuh for compute capability 9.0: one thread orders copies of whole tiles
// (im2col boxes of pixels, boxes of filters), which arrive on barriers; two warpgroups multiply what has
// arrived straight from shared memory and store their sums while the next tile's copies are on their way
// (docs/kernels/warpgroup.md). Blocks stay and take tile after tile.
namespace deconv::cuda {

/// A tile of 128 places x Columns, in stages of 128 bytes of depth: `boxes` boxes of Line bytes. A box
/// belongs to one tap, so short lines waste less where the channels do not fill long ones.
template <int Columns, int Stages, int Line>
struct WarpgroupTile {
  static constexpr int rows = 128, group_rows = 64, columns = Columns, stages = Stages, line = Line;
  static constexpr int consumers = rows / group_rows, threads = 128 * (consumers + 1);
  static constexpr int boxes = 128 / Line;
  static constexpr int row_box = rows * Line, column_box = Columns * Line, box_bytes = row_box + column_box;
  static constexpr int stage_bytes = boxes * box_bytes;
  static constexpr int pass = Columns < 32 ? Columns : 32;  ///< columns that a warp stages at a time
  static constexpr int strip_floats = 16 * strip_line<pass>;
  static constexpr int warps = rows / 16;
  /// Dynamic shared memory, which begins anywhere: stages want multiples of 1024.
  static constexpr int shared_bytes = 1024 + Stages * stage_bytes + warps * strip_floats * 4;
  static constexpr MatrixSwizzle swizzle = Line == 128 ? MatrixSwizzle::bytes128 : MatrixSwizzle::bytes64;
  static_assert(Line == 128 || Line == 64);
  static_assert(column_box % 1024 == 0 && row_box % 1024 == 0);
  static_assert(shared_bytes <= 227 * 1024 - 4096);
};

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

/// What a block does of a tile, the same for its producer and its consumers.
template <class T, class Tile>
struct WarpgroupWork {
  MatrixBlock block;
  PhaseAxis y, x;
  int boxes;  ///< of all taps
  DepthShare steps;

  __device__ WarpgroupWork(const WarpgroupCorrelation<T>& w, unsigned tile)
      : block(w.c, tile),
        y(w.c.phase_y(block.phase)),
        x(w.c.phase_x(block.phase)),
        boxes(y.taps * x.taps * w.boxes),
        steps((boxes + Tile::boxes - 1) / Tile::boxes, block.split, w.c.splits) {}
  [[nodiscard]] __device__ Index first_row() const { return static_cast<Index>(block.row_tile) * Tile::rows; }
  /// Phases differ in their pixels.
  [[nodiscard]] __device__ bool empty(Index images) const { return first_row() >= images * y.rows * x.rows; }
  [[nodiscard]] __device__ int boxes_of(int step) const {
    const int left = boxes - step * Tile::boxes;
    return left < Tile::boxes ? left : Tile::boxes;
  }
};

/// A stage, and the parity of its use.
template <int Stages>
struct StageCounter {
  int stage = 0;
  unsigned parity = 0;
  __device__ void step() {
    if (++stage == Stages) {
      stage = 0;
      parity ^= 1;
    }
  }
};

/// One thread: copies every tile that the consumers will multiply, as far ahead as there are stages.
template <class T, class Tile>
__device__ inline void produce_tiles(const WarpgroupCorrelation<T>& w, unsigned char* memory, Mbarrier* full,
                                     Mbarrier* empty) {
  constexpr int channels = Tile::line / static_cast<int>(sizeof(T));
  StageCounter<Tile::stages> at;
  for (unsigned tile = blockIdx.x; tile < w.tiles; tile += gridDim.x) {
    const WarpgroupWork<T, Tile> work(w, tile);
    if (work.empty(w.c.images)) continue;
    const PixelRows places(w.c.images, work.y.rows, work.x.rows, work.first_row());
    const auto first = places[0];
    const BoxAxis y(work.y), x(work.x);
    const auto n = static_cast<int>(places.image());
    const int down = y.first + first.y * y.step, across = x.first + first.x * x.step;
    const Radix radix(work.x.taps, w.boxes);
    const Digits one = radix.digits(1);
    Digits box = radix.digits(static_cast<unsigned>(work.steps.first * Tile::boxes));
    for (int step = work.steps.first; step < work.steps.first + work.steps.count; ++step, at.step()) {
      mbarrier_wait(empty + at.stage, at.parity ^ 1);
      const int here = work.boxes_of(step);
      mbarrier_arrive_expecting(full + at.stage, static_cast<unsigned>(here * Tile::box_bytes));
      unsigned char* const stage = memory + at.stage * Tile::stage_bytes;
      for (int i = 0; i < here; ++i) {
        unsigned char* const to = stage + i * Tile::box_bytes;
        bulk_load_im2col(to, &w.src[work.block.phase], full + at.stage, box.low * channels, across, down, n,
                         static_cast<std::uint16_t>(x.offset(box.middle)),
                         static_cast<std::uint16_t>(y.offset(box.high)));
        bulk_load(to + Tile::row_box, &w.filters, full + at.stage, box.low * channels,
                  box.high * work.x.taps + box.middle, work.block.column_tile * Tile::columns,
                  work.block.phase);
        radix.add(box, one);
      }
    }
  }
}

/// 16 rows of a tile, which one warp stores.
template <class Tile>
struct WarpStrip {
  static constexpr int rows = 16, columns = Tile::columns;
};

/// A warpgroup: multiplies its 64 rows of every tile, and stores them.
template <class T, class Tile>
__device__ inline void consume_tiles(const WarpgroupCorrelation<T>& w, unsigned char* memory, Mbarrier* full,
                                     Mbarrier* empty, MatrixPlace<WarpStrip<Tile>>* strips) {
  using Element = std::conditional_t<std::is_same_v<T, float>, Tf32, T>;
  const int thread = static_cast<int>(threadIdx.x) % 128, warp = static_cast<int>(threadIdx.x) / 32 - 4;
  const int group = warp / 4;
  float* const staging =
      reinterpret_cast<float*>(memory + Tile::stages * Tile::stage_bytes) + warp * Tile::strip_floats;
  MatrixPlace<WarpStrip<Tile>>& strip = strips[warp];
  StageCounter<Tile::stages> at;
  float d[Tile::columns / 2];
  for (unsigned tile = blockIdx.x; tile < w.tiles; tile += gridDim.x) {
    const WarpgroupWork<T, Tile> work(w, tile);
    if (work.empty(w.c.images)) continue;
#pragma unroll
    for (int i = 0; i < Tile::columns / 2; ++i) d[i] = 0.0f;
    int before = 0;  // the stage that the products before these read
#pragma unroll 1
    for (int step = 0; step < work.steps.count; ++step) {
      mbarrier_wait(full + at.stage, at.parity);
      const int here = work.boxes_of(work.steps.first + step);
      const unsigned char* const stage = memory + at.stage * Tile::stage_bytes;
      if (step == 0) hold(d);
      begin_products();
#pragma unroll
      for (int box = 0; box < Tile::boxes; ++box) {
        if (box > 0 && box >= here) break;
        const unsigned char* const rows =
            stage + box * Tile::box_bytes + group * (Tile::group_rows * Tile::line);
        const SharedMatrix a = shared_matrix(rows, Tile::swizzle, 16, 8 * Tile::line);
        const SharedMatrix b =
            shared_matrix(stage + box * Tile::box_bytes + Tile::row_box, Tile::swizzle, 16, 8 * Tile::line);
#pragma unroll
        for (unsigned depth = 0; depth < Tile::line; depth += 32)
          multiply_add_group<Element, Tile::columns>(d, advanced(a, depth), advanced(b, depth));
      }
      close_products();
      if (step > 0) {
        // One group of products stays under way; what the one before it read may be written again.
        wait_for_products<1>();
        if (thread == 0) mbarrier_arrive(empty + before);
      }
      before = at.stage;
      at.step();
    }
    wait_for_products<0>(d);
    if (work.steps.count > 0 && thread == 0) mbarrier_arrive(empty + before);

    const PixelRows places(w.c.images, work.y.rows, work.x.rows, work.first_row() + warp * 16);
    __syncwarp();
    place_tile(w.c, work.block, work.y, work.x, places, thread % 32, 32, strip);
    __syncwarp();
#pragma unroll
    for (int first = 0; first < Tile::columns; first += Tile::pass) {
      float part[Tile::pass / 8][4];
#pragma unroll
      for (int i = 0; i < Tile::pass / 2; ++i) part[i / 4][i % 4] = d[first / 2 + i];
      stage_strip<Tile::pass>(part, staging);
      __syncwarp();
      store_strip<Tile::pass>(w.c.target, strip, 0, first, staging);
      __syncwarp();
    }
  }
}

/// One block: tiles blockIdx.x, blockIdx.x + gridDim.x, ... of all (phase, split, places, columns).
template <class T, class Tile>
__global__ void __launch_bounds__(Tile::threads, 1)
    correlate_warpgroup(const __grid_constant__ WarpgroupCorrelation<T> w) {
#if !defined(__CUDA_ARCH__) || defined(__CUDA_ARCH_FEAT_SM90_ALL)
  __shared__ Mbarrier full[Tile::stages], empty[Tile::stages];
  __shared__ MatrixPlace<WarpStrip<Tile>> strips[Tile::warps];
  unsigned char* memory = dynamic_shared<unsigned char>();
  memory += (1024 - __cvta_generic_to_shared(memory) % 1024) % 1024;
  if (threadIdx.x == 0) {
    for (int stage = 0; stage < Tile::stages; ++stage) {
      mbarrier_init(full + stage, 1);
      mbarrier_init(empty + stage, Tile::consumers);
    }
    publish_mbarriers();
    for (unsigned phase = 0; phase < w.c.phases; ++phase) prefetch_map(&w.src[phase]);
    prefetch_map(&w.filters);
  }
  __syncthreads();
  if (threadIdx.x < 128) {
    give_registers<40>();
    if (threadIdx.x == 0) produce_tiles<T, Tile>(w, memory, full, empty);
  } else {
    take_registers<232>();
    consume_tiles<T, Tile>(w, memory, full, empty, strips);
  }
#endif
}

}  // namespace deconv::cuda
