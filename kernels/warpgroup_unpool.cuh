#pragma once

#include "common/warpgroup_loop.cuh"
#include "tuning/warpgroup.hpp"
#include "unpool_conv2d.cuh"

// Unpooling, rectifier and the convolution's pass back to the data in one kernel (unpool_conv2d.cuh) for
// compute capability 9.0, where two warpgroups multiply straight from shared memory while other warps unpool:
//
//    warp 0        one thread copies filters, tap after tap, into a ring of stages
//    warps 1-3,    unpool 128 bytes of maps of a patch's pixels into one of two patches
//     12-15          in shared memory, while the other one is multiplied
//    warps 4-11    two warpgroups: products of 8 x 8 places each, under every tap
//
// A patch is not swizzled: the products take eight neighbouring rows from eight 16-byte pieces in a row that
// begin anywhere, so a piece of all pixels lies together, and a tap is another address:
//
//    chunk 0 of maps: [pixel 0][pixel 1] ... [pixel 179] (pad)    rows of a group of eight: neighbours along
//    x chunk 1:         [pixel 0][pixel 1] ...                      from group to group: a line of pixels
//    ...                                                          32 bytes of depth: two chunks
//
// The pieces of a pixel are an odd number of 16 bytes apart, so that the eight threads that write one pixel
// go to different banks. Bytes and flops as there (docs/kernels/fusion.md).
namespace deconv::cuda {

/// The places of a tile: rows of eight, so that a group of eight rows of the product lies in a row.
inline constexpr int unpool_down = 16, unpool_across = 8;

/// Two patches stand beside these stages of filters.
template <int Columns, int Stages>
struct UnpoolTile : WarpgroupStages<Columns, Stages, Columns * 128> {
  static constexpr int threads = 512, unpooling = 32 * 7;
  static_assert(unpool_down * unpool_across == UnpoolTile::rows);
};

/// Bytes from a piece of a patch to the next.
[[nodiscard]] constexpr int piece_pitch(int lines) { return (lines | 1) * chunk_bytes; }
/// Bytes of a patch: 128 of each pixel.
[[nodiscard]] constexpr int unpooled_bytes(int lines) { return piece_pitch(lines) * line_chunks; }

/// Whether an entry of the table is compiled for unpooling: the sums of wider ones leave no registers.
[[nodiscard]] constexpr bool serves_unpooling(const tuning::WarpgroupTileShape& tile) {
  return tile.correlation && tile.columns <= 128;
}

template <class T>
struct WarpgroupUnpool {
  TensorMap filters;  ///< maps of a tap, taps, columns, phases
  MatrixCorrelation<T> c;
  UnpooledPlane<T> plane;
  PlacePatches cut;
  unsigned tiles = 0;
};

/// The patches of a correlation; no lines in them where warpgroups do not serve: several groups, places that
/// are not neighbours in the plane, no taps. Of the correlation shapes are enough.
template <class T>
[[nodiscard]] PlacePatches warpgroup_patches(const MatrixCorrelation<T>& c);
/// Whether entry `tile` of the warpgroups' table serves, and two patches of so many lines (more than none)
/// fit beside its stages.
[[nodiscard]] bool fits_unpooling(int tile, int lines);
/// Whether the filters are within the limits of tensor copies.
template <class T>
[[nodiscard]] bool copies_filters(const MatrixCorrelation<T>& c);
/// Launches entry `tile` of the warpgroups' table, where all three say yes. Throws DeviceError.
template <class T>
void start_warpgroup_unpool(const Context<Cuda>& context, const MatrixCorrelation<T>& c,
                            const UnpooledPlane<T>& plane, const PlacePatches& cut, int tile);

/// A patch of one image and phase x columns.
template <class T, class TileType>
struct UnpoolJob {
  using Tile = TileType;
  using Element = std::conditional_t<std::is_same_v<T, float>, Tf32, T>;

  const WarpgroupUnpool<T>& w;
  int first_column, place_x, place_y, phase, image;
  PhaseAxis y, x;
  int parts;  ///< of 128 bytes of maps

  __device__ UnpoolJob(const WarpgroupUnpool<T>& argument, unsigned tile)
      : UnpoolJob(argument, BlockNumber(tile)) {}

  /// Phases differ in their pixels.
  [[nodiscard]] __device__ bool empty() const { return place_y >= y.rows || place_x >= x.rows; }
  [[nodiscard]] __device__ PatchAxis down() const { return PatchAxis::over(y, place_y, unpool_down); }
  [[nodiscard]] __device__ PatchAxis across() const { return PatchAxis::over(x, place_x, unpool_across); }

  __device__ void place(int row, int lane, MatrixPlace<WarpStrip<Tile::columns>>& strip) const {
    if (lane == 0) {
      strip.first_column = first_column;
      strip.columns = w.c.columns - first_column;
      strip.split = 0;
    }
    for (int i = lane; i < 16; i += 32) {
      const int at_y = place_y + (row + i) / unpool_across, at_x = place_x + (row + i) % unpool_across;
      place_row(w.c, 0, first_column, y, x, image, at_y, at_x, at_y < y.rows && at_x < x.rows, i, strip);
    }
  }
  [[nodiscard]] __device__ const MatrixTarget<T>& target() const { return w.c.target; }

 private:
  // Neighbouring tiles share their pixels, then their maps.
  __device__ UnpoolJob(const WarpgroupUnpool<T>& argument, BlockNumber number)
      : w(argument),
        first_column(number.digit(w.c.column_tiles) * Tile::columns),
        place_x(number.digit(w.cut.patches_across) * unpool_across),
        place_y(number.digit(w.cut.patches_down) * unpool_down),
        phase(number.digit(w.c.phases)),
        image(number.rest()),
        y(w.c.phase_y(phase)),
        x(w.c.phase_x(phase)),
        parts(y.taps * x.taps == 0 ? 0 : (w.c.src.chunks + line_chunks - 1) / line_chunks) {}
};

/// What a block's warps hand to and fro.
template <class Tile>
struct UnpoolBarriers {
  Mbarrier filters_full[Tile::stages], filters_empty[Tile::stages];
  Mbarrier patch_full[2], patch_empty[2];

  /// By one thread. Of the warps that multiply every one speaks for itself.
  __device__ void set_up() {
    for (int stage = 0; stage < Tile::stages; ++stage) {
      mbarrier_init(filters_full + stage, 1);
      mbarrier_init(filters_empty + stage, Tile::consumers * 4);
    }
    for (int patch = 0; patch < 2; ++patch) {
      mbarrier_init(patch_full + patch, Tile::unpooling);
      mbarrier_init(patch_empty + patch, Tile::consumers * 4);
    }
    publish_mbarriers();
  }
};

/// One thread: the filters of all tiles, taps first, then parts.
template <class T, class Tile>
__device__ inline void copy_filters(const WarpgroupUnpool<T>& w, unsigned char* stages,
                                    UnpoolBarriers<Tile>& barriers) {
  StageCounter<Tile::stages> at;
  for (unsigned tile = blockIdx.x; tile < w.tiles; tile += gridDim.x) {
    const UnpoolJob<T, Tile> job(w, tile);
    if (job.empty()) continue;
    for (int part = 0; part < job.parts; ++part)
      for (int tap = 0; tap < job.y.taps * job.x.taps; ++tap, at.step()) {
        mbarrier_wait(barriers.filters_empty + at.stage, at.parity ^ 1);
        mbarrier_arrive_expecting(barriers.filters_full + at.stage, Tile::stage_bytes);
        bulk_load(stages + at.stage * Tile::stage_bytes, &w.filters, barriers.filters_full + at.stage,
                  part * line_chunks * chunk_of<T>, tap, job.first_column, job.phase);
      }
  }
}

/// What the products take for a pixel's values: they look at ten bits of a float's mantissa, and copies
/// round.
template <class T, int N>
__device__ inline Vector<T, N> as_factors(Vector<T, N> values) {
  if constexpr (std::is_same_v<T, float>)
#pragma unroll
    for (int i = 0; i < N; ++i) values.at[i] = __uint_as_float(to_tf32(values.at[i]));
  return values;
}

/// Unpooling thread `thread`: its share of all patches, as far ahead as there are two.
template <class T, class Tile>
__device__ inline void unpool_tiles(const WarpgroupUnpool<T>& w, unsigned char* patches, int thread,
                                    UnpoolBarriers<Tile>& barriers) {
  constexpr int N = chunk_of<T>, together = Tile::unpooling / line_chunks;
  const int pitch = piece_pitch(w.cut.lines), chunk = thread % line_chunks;
  StageCounter<2> at;
  for (unsigned tile = blockIdx.x; tile < w.tiles; tile += gridDim.x) {
    const UnpoolJob<T, Tile> job(w, tile);
    if (job.empty()) continue;
    const PatchAxis down = job.down(), across = job.across();
    const Index image = static_cast<Index>(job.image) * w.plane.g.y.outputs * w.plane.g.x.outputs;
    for (int part = 0; part < job.parts; ++part, at.step()) {
      unsigned char* const to = patches + at.stage * (pitch * line_chunks) + chunk * pitch;
      const int number = part * line_chunks + chunk;
      const bool there = number < w.c.src.chunks;
      const int lines = down.extent * across.extent;
      const Index first = image * w.plane.channels + number * N;
      int line = thread / line_chunks, row = line / across.extent, column = line - row * across.extent;
      mbarrier_wait(barriers.patch_empty + at.stage, at.parity ^ 1);
#pragma unroll 1
      for (; line < lines; line += together) {
        Vector<T, N> values{};
        if (there)
          values = as_factors(
              unpooled_and_rectified<N, true>(w.plane, down.first + row, across.first + column, first));
        store_vector<N>(reinterpret_cast<T*>(to + line * chunk_bytes), values);
        column += together;
        while (column >= across.extent) {
          column -= across.extent;
          ++row;
        }
      }
      publish_to_bulk();
      mbarrier_arrive(barriers.patch_full + at.stage);
    }
  }
}

/// A warpgroup: multiplies its eight rows of places of every tile, and stores the sums.
template <class T, class Tile>
__device__ inline void multiply_unpooled(const WarpgroupUnpool<T>& w, unsigned char* stages,
                                         unsigned char* patches, UnpoolBarriers<Tile>& barriers) {
  using Job = UnpoolJob<T, Tile>;
  const int lane = static_cast<int>(threadIdx.x) % 32, group = static_cast<int>(threadIdx.x) / 128 - 1;
  const int pitch = piece_pitch(w.cut.lines);
  StageCounter<Tile::stages> at;
  StageCounter<2> patch;
  float d[Tile::columns / 2];
  for (unsigned tile = blockIdx.x; tile < w.tiles; tile += gridDim.x) {
    const Job job(w, tile);
    if (job.empty()) continue;
    const PatchAxis down = job.down(), across = job.across();
    const int corner =
        (down.first_tap + group * (unpool_down / Tile::consumers)) * across.extent + across.first_tap;
#pragma unroll
    for (int i = 0; i < Tile::columns / 2; ++i) d[i] = 0.0f;
    const int taps = down.taps * across.taps, steps = job.parts * taps;
    int before = 0;  // the stage that the products before these read
    int tap = 0, column = 0, ahead = corner;
#pragma unroll 1
    for (int step = 0; step < steps; ++step) {
      if (tap == 0) mbarrier_wait(barriers.patch_full + patch.stage, patch.parity);
      mbarrier_wait(barriers.filters_full + at.stage, at.parity);
      const SharedMatrix a = shared_matrix(
          patches + patch.stage * (pitch * line_chunks) + ahead * chunk_bytes, MatrixSwizzle::none,
          static_cast<unsigned>(pitch), static_cast<unsigned>(across.extent * chunk_bytes));
      const SharedMatrix b =
          shared_matrix(stages + at.stage * Tile::stage_bytes, MatrixSwizzle::bytes128, 16, 1024);
      if (step == 0) hold(d);
      begin_products();
      // Always four, though the last part may have less: with a branch between them, or descriptors worked
      // out here, the compiler would have each product wait for the one before it.
#pragma unroll
      for (int pair = 0; pair < line_chunks / 2; ++pair) {
        multiply_add_group<typename Job::Element, Tile::columns>(
            d, advanced(a, static_cast<unsigned>(pair * 2 * pitch)), advanced(b, pair * 32u));
      }
      close_products();
      if (step > 0) {
        // One group of products stays under way; what the one before it read may be written again: its
        // filters, and behind the last tap its patch, which is the other one.
        wait_for_products<1>();
        if (lane == 0) {
          mbarrier_arrive(barriers.filters_empty + before);
          if (tap == 0) mbarrier_arrive(barriers.patch_empty + (1 - patch.stage));
        }
      }
      before = at.stage;
      at.step();
      ahead += across.step;
      if (++column == across.taps) {
        column = 0;
        ahead += down.step * across.extent - across.taps * across.step;
      }
      if (++tap == taps) {
        tap = 0;
        ahead = corner;
        patch.step();
      }
    }
    wait_for_products<0>(d);
    if (steps > 0 && lane == 0) {
      mbarrier_arrive(barriers.filters_empty + before);
      mbarrier_arrive(barriers.patch_empty + (1 - patch.stage));
    }
    store_strips<Job, Tile::columns>(job, d, stages + Tile::stages * Tile::stage_bytes);
  }
}

/// One block: tiles of all (columns, patches, phases, images).
template <class T, class Tile>
__global__ void __launch_bounds__(Tile::threads, 1)
    correlate_unpooled_warpgroup(const __grid_constant__ WarpgroupUnpool<T> w) {
#if !defined(__CUDA_ARCH__) || defined(__CUDA_ARCH_FEAT_SM90_ALL)
  __shared__ UnpoolBarriers<Tile> barriers;
  unsigned char* memory = dynamic_shared<unsigned char>();
  memory += (1024 - __cvta_generic_to_shared(memory) % 1024) % 1024;
  unsigned char* const patches = memory + (Tile::shared_bytes - 1024);
  if (threadIdx.x == 0) {
    barriers.set_up();
    prefetch_map(&w.filters);
  }
  __syncthreads();
  const int group = static_cast<int>(threadIdx.x) / 128;
  if (group == 1 || group == 2) {
    multiply_unpooled<T, Tile>(w, memory, patches, barriers);
  } else if (threadIdx.x >= 32) {
    unpool_tiles<T, Tile>(w, patches, static_cast<int>(threadIdx.x) - (group == 0 ? 32 : 288), barriers);
  } else if (threadIdx.x == 0) {
    copy_filters<T, Tile>(w, memory, barriers);
  }
#endif
}

}  // namespace deconv::cuda
