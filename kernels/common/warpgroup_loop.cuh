#pragma once

#include <type_traits>

#include "common/bulk_copy.cuh"
#include "common/mbarrier.cuh"
#include "common/shared_memory.cuh"
#include "common/strip_store.cuh"
#include "common/warpgroup.cuh"

// The main loop of products on compute capability 9.0 (docs/kernels/warpgroup.md): one thread orders copies
// of whole stages, which arrive on barriers; two warpgroups multiply what has arrived straight from shared
// memory and store their sums while the next tile's copies are on their way. Blocks stay and take tile after
// tile.
namespace deconv::cuda {

/// 16 rows of a tile, which one warp stores.
template <int Columns>
struct WarpStrip {
  static constexpr int rows = 16, columns = Columns;
};

/// A warp's shared memory for storing its sums, `pass` columns at a time.
template <int Columns>
struct alignas(16) StripScratch {
  static constexpr int pass = Columns < 32 ? Columns : 32;
  float sums[16 * strip_line<pass>];
  MatrixPlace<WarpStrip<Columns>> place;
};

/// The scratch of store_strips.
template <int Columns>
inline constexpr int strips_bytes = 8 * int{sizeof(StripScratch<Columns>)};

/// Dynamic shared memory that a block may take, beside the barriers.
inline constexpr int most_dynamic_bytes = 227 * 1024 - 1024;

/// What the tiles have in common: 128 rows, `Columns` sums a row, `Stages` stages of `StageBytes`, and memory
/// for storing the sums.
template <int Columns, int Stages, int StageBytes, int ScratchBytes = strips_bytes<Columns>>
struct WarpgroupStages {
  static constexpr int rows = 128, group_rows = 64, columns = Columns, stages = Stages;
  static constexpr int consumers = rows / group_rows, threads = 128 * (consumers + 1);
  static constexpr int stage_bytes = StageBytes;
  /// Dynamic shared memory, which begins anywhere: stages want multiples of 1024.
  static constexpr int shared_bytes = 1024 + Stages * StageBytes + ScratchBytes;
  static_assert(StageBytes % 1024 == 0);
  static_assert(shared_bytes <= most_dynamic_bytes);
};

/// A swizzle by the bytes of its lines.
[[nodiscard]] constexpr MatrixSwizzle matrix_swizzle(int line) {
  return line == 128 ? MatrixSwizzle::bytes128 : MatrixSwizzle::bytes64;
}

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
template <class Job, class Argument>
__device__ inline void produce_tiles(const Argument& argument, unsigned char* memory, Mbarrier* full,
                                     Mbarrier* empty) {
  using Tile = typename Job::Tile;
  StageCounter<Tile::stages> at;
  for (unsigned tile = blockIdx.x; tile < argument.tiles; tile += gridDim.x) {
    const Job job(argument, tile);
    if (job.empty()) continue;
    typename Job::Copies copies(job);
    for (int step = 0; step < job.steps.count; ++step, at.step()) {
      mbarrier_wait(empty + at.stage, at.parity ^ 1);
      copies.start(job.steps.first + step, memory + at.stage * Tile::stage_bytes, full + at.stage);
    }
  }
}

/// The usual Job::store: every warp its 16 rows, as job.place(first_row, lane, place) and job.target() say.
template <class Job, int Columns>
__device__ inline void store_strips(const Job& job, const float (&d)[Columns / 2], unsigned char* scratch) {
  using Scratch = StripScratch<Columns>;
  const int warp = static_cast<int>(threadIdx.x) / 32 - 4;
  Scratch& mine = reinterpret_cast<Scratch*>(scratch)[warp];
  __syncwarp();
  job.place(warp * 16, static_cast<int>(threadIdx.x) % 32, mine.place);
  __syncwarp();
#pragma unroll
  for (int first = 0; first < Columns; first += Scratch::pass) {
    float part[Scratch::pass / 8][4];
#pragma unroll
    for (int i = 0; i < Scratch::pass / 2; ++i) part[i / 4][i % 4] = d[first / 2 + i];
    stage_strip<Scratch::pass>(part, mine.sums);
    __syncwarp();
    store_strip<Scratch::pass>(job.target(), mine.place, 0, first, mine.sums);
    __syncwarp();
  }
}

/// A warpgroup: multiplies its 64 rows of every tile, and stores them.
template <class Job, class Argument>
__device__ inline void consume_tiles(const Argument& argument, unsigned char* memory, Mbarrier* full,
                                     Mbarrier* empty) {
  using Tile = typename Job::Tile;
  const int lane = static_cast<int>(threadIdx.x) % 32, group = static_cast<int>(threadIdx.x) / 128 - 1;
  StageCounter<Tile::stages> at;
  float d[Tile::columns / 2];
  for (unsigned tile = blockIdx.x; tile < argument.tiles; tile += gridDim.x) {
    const Job job(argument, tile);
    if (job.empty()) continue;
#pragma unroll
    for (int i = 0; i < Tile::columns / 2; ++i) d[i] = 0.0f;
    int before = 0;  // the stage that the products before these read
#pragma unroll 1
    for (int step = 0; step < job.steps.count; ++step) {
      mbarrier_wait(full + at.stage, at.parity);
      if (step == 0) hold(d);
      begin_products();
      job.multiply(d, memory + at.stage * Tile::stage_bytes, group, job.steps.first + step);
      close_products();
      if (step > 0) {
        // One group of products stays under way; what the one before it read may be written again.
        wait_for_products<1>();
        if (lane == 0) mbarrier_arrive(empty + before);
      }
      before = at.stage;
      at.step();
    }
    wait_for_products<0>(d);
    if (job.steps.count > 0 && lane == 0) mbarrier_arrive(empty + before);
    job.store(d, memory + Tile::stages * Tile::stage_bytes);
  }
}

/// A block's work: tiles blockIdx.x, blockIdx.x + gridDim.x, ... below argument.tiles. A Job is one tile:
///   Job(argument, tile)   the same for the producer and the consumers
///   empty()               nothing is written of it
///   steps                 {first, count}: the stages that its sums run over
///   Copies(job)           the producer's: start(step, stage, barrier) announces the stage's bytes on the
///                         barrier and starts its copies; steps come in order
///   multiply(d, stage, group, step)   starts the products of 64 rows with a stage
///   store(d, scratch)                 what a consumer's thread does with its sums, with all of the scratch
/// and, where it has it, prepare(argument, memory): what all threads do to the stages beforehand.
/// Every thread of the block calls it.
template <class Job, class Argument>
__device__ inline void run_warpgroups(const Argument& argument) {
  using Tile = typename Job::Tile;
  __shared__ Mbarrier full[Tile::stages], empty[Tile::stages];
  unsigned char* memory = dynamic_shared<unsigned char>();
  memory += (1024 - __cvta_generic_to_shared(memory) % 1024) % 1024;
  if (threadIdx.x == 0) {
    for (int stage = 0; stage < Tile::stages; ++stage) {
      mbarrier_init(full + stage, 1);
      mbarrier_init(empty + stage, Tile::consumers * 4);  // every warp speaks for itself
    }
    publish_mbarriers();
    Job::prefetch(argument);
  }
  if constexpr (requires { Job::prepare(argument, memory); }) Job::prepare(argument, memory);
  __syncthreads();
  if (threadIdx.x < 128) {
    give_registers<40>();
    if (threadIdx.x == 0) produce_tiles<Job>(argument, memory, full, empty);
  } else {
    take_registers<232>();
    consume_tiles<Job>(argument, memory, full, empty);
  }
}

}  // namespace deconv::cuda
