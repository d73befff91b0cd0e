// A ring of stages in shared memory that one warp fills by bulk copies and others empty, over several tiles
// of the result, each of which is stored by a bulk copy while the next one is worked on.

#include <cstdint>
#include <vector>

#include "common/bulk_copy.cuh"
#include "common/named_barrier.cuh"
#include "primitives_bulk.hpp"
#include "support/catch.hpp"

using namespace primitives;
using namespace deconv::cuda;

namespace {

constexpr int panel_rows = 32, panel_columns = 32;  // floats: 128 bytes a row
constexpr unsigned panel_bytes = panel_rows * panel_columns * 4;

// Element (row, column) of a panel in shared memory.
__device__ float at(const float* panel, int row, int column) {
  return panel[row * panel_columns + ((column / 4) ^ (row % 8)) * 4 + column % 4];
}

// sums (rows of a) x (rows of b) of the products a_row . b_row, by blocks of 32 x 32 results; the products'
// axis in steps of 32. A block takes the tiles blockIdx.x, + gridDim.x, ... Each consumer warp has eight
// columns of a tile; with `each_arrives` all its threads tell the producer that a stage is free, else one for
// all.
template <int Stages, bool each_arrives>
__global__ void products(const __grid_constant__ TensorMap a, const __grid_constant__ TensorMap b,
                         const __grid_constant__ TensorMap out, int tiles_across, int tiles, int steps) {
  constexpr int consumers = 4;
  auto* const memory = swizzled_shared<float>();
  const auto a_panel = [&](int stage) { return memory + stage * 2 * (panel_bytes / 4); };
  const auto b_panel = [&](int stage) { return memory + (stage * 2 + 1) * (panel_bytes / 4); };
  float* const result = memory + Stages * 2 * (panel_bytes / 4);  // unswizzled
  __shared__ Mbarrier full[Stages], empty[Stages];
  if (threadIdx.x == 0) {
    for (int stage = 0; stage < Stages; ++stage) {
      mbarrier_init(&full[stage], 1);
      mbarrier_init(&empty[stage], each_arrives ? consumers * 32 : consumers);
    }
    publish_mbarriers();
  }
  __syncthreads();
  const int first_tile = static_cast<int>(blockIdx.x), tile_step = static_cast<int>(gridDim.x);
  const int warp = static_cast<int>(threadIdx.x / 32), lane = static_cast<int>(threadIdx.x % 32);
  if (warp == consumers) {
    if (lane == 0) {
      int use = 0;
      for (int tile = first_tile; tile < tiles; tile += tile_step) {
        for (int step = 0; step < steps; ++step, ++use) {
          const int stage = use % Stages;
          mbarrier_wait(&empty[stage], (use / Stages + 1) % 2);
          mbarrier_arrive_expecting(&full[stage], 2 * panel_bytes);
          bulk_load(a_panel(stage), &a, &full[stage], step * panel_columns, tile / tiles_across * panel_rows);
          bulk_load(b_panel(stage), &b, &full[stage], step * panel_columns, tile % tiles_across * panel_rows);
        }
      }
    }
    return;
  }
  int use = 0;
  for (int tile = first_tile; tile < tiles; tile += tile_step) {
    float sums[8] = {};
    for (int step = 0; step < steps; ++step, ++use) {
      const int stage = use % Stages;
      mbarrier_wait(&full[stage], use / Stages % 2);
      for (int k = 0; k < panel_columns; ++k) {
        const float factor = at(a_panel(stage), lane, k);
        for (int j = 0; j < 8; ++j) sums[j] += factor * at(b_panel(stage), warp * 8 + j, k);
      }
      if constexpr (each_arrives) {
        mbarrier_arrive(&empty[stage]);
      } else {
        __syncwarp();
        if (lane == 0) mbarrier_arrive(&empty[stage]);
      }
    }
    if (threadIdx.x == 0) wait_for_bulk_reads<0>();  // of the tile before
    named_barrier_sync(1, consumers * 32);
    for (int j = 0; j < 8; ++j) result[lane * panel_rows + warp * 8 + j] = sums[j];
    publish_to_bulk();
    named_barrier_sync(1, consumers * 32);
    if (threadIdx.x == 0) {
      bulk_store(&out, result, tile % tiles_across * panel_rows, tile / tiles_across * panel_rows);
      close_bulk_group();
    }
  }
  if (threadIdx.x == 0) wait_for_bulk_groups<0>();
}

TensorMap rows_map(const float* base, int rows, int columns, Swizzle swizzle) {
  TiledShape shape;
  shape.base = base;
  shape.extents[0] = static_cast<std::uint64_t>(columns);
  shape.extents[1] = static_cast<std::uint64_t>(rows);
  shape.strides[0] = static_cast<std::uint64_t>(columns) * 4;
  shape.box[0] = panel_columns;
  shape.box[1] = panel_rows;
  shape.swizzle = swizzle;
  return make_tiled_map(shape);
}

template <int Stages, bool each_arrives>
void check_products(int rows, int columns, int depth, unsigned blocks) {
  const auto count = [](int n) { return static_cast<std::size_t>(n); };
  std::vector<float> a(count(rows) * count(depth)), b(count(columns) * count(depth));
  for (std::size_t i = 0; i < a.size(); ++i) a[i] = static_cast<float>(static_cast<int>(i * 7 % 11) - 5);
  for (std::size_t i = 0; i < b.size(); ++i) b[i] = static_cast<float>(static_cast<int>(i * 5 % 13) - 6);
  Array<float> device_a(a), device_b(b), out(count(rows) * count(columns));
  const int tiles_across = (columns + panel_rows - 1) / panel_rows;
  const int tiles = tiles_across * ((rows + panel_rows - 1) / panel_rows);
  const std::size_t shared = (2 * Stages + 1) * panel_bytes + 1024;
  check(cudaFuncSetAttribute(products<Stages, each_arrives>, cudaFuncAttributeMaxDynamicSharedMemorySize,
                             static_cast<int>(shared)));
  run(products<Stages, each_arrives>, blocks, 160, shared, rows_map(device_a, rows, depth, Swizzle::span128),
      rows_map(device_b, columns, depth, Swizzle::span128), rows_map(out, rows, columns, Swizzle::none),
      tiles_across, tiles, (depth + panel_columns - 1) / panel_columns);
  const std::vector<float> results = out.host();
  std::size_t right = 0;
  for (int row = 0; row < rows; ++row) {
    for (int column = 0; column < columns; ++column) {
      float sum = 0;
      for (int k = 0; k < depth; ++k) sum += a[count(row * depth + k)] * b[count(column * depth + k)];
      right += results[count(row * columns + column)] == sum;
    }
  }
  CAPTURE(Stages, each_arrives, rows, columns);
  REQUIRE(right == results.size());
}

}  // namespace

TEST_CASE("one warp fills a ring of stages and four empty it") {
  if (!has_bulk_copies()) return;
  check_products<1, true>(32, 32, 96, 1);
  check_products<2, true>(40, 72, 260, 2);
  check_products<3, false>(100, 60, 300, 2);
  check_products<4, true>(64, 96, 36, 3);
  check_products<5, false>(33, 200, 500, 2);
}
