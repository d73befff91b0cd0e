// Bulk loads and a warpgroup's products together: one warp brings panels by maps of tensors, two warpgroups
// multiply them as they lie, and barriers with phases hand them to and fro.

#include <cstdint>
#include <vector>

#include "common/bulk_copy.cuh"
#include "common/warpgroup.cuh"
#include "primitives_bulk.hpp"
#include "primitives_warpgroup.hpp"
#include "support/catch.hpp"

using namespace primitives;
using namespace deconv::cuda;

namespace {

constexpr int stages = 3, rows = 128, columns = 128, threads = 288;
constexpr unsigned half_bytes = 64 * 128;  // of a panel of a or b: 64 spans
constexpr unsigned stage_bytes = 4 * half_bytes;

// sums = a b, panel by panel of 128 bytes along k, or of 64 k where the operands lie across. A panel of a is
// two halves, one for each warpgroup; so is one of b, which both use.
template <class Element, bool Across>
__global__ void __launch_bounds__(threads, 1) sums_by_bulk(float* sums, const __grid_constant__ TensorMap a,
                                                           const __grid_constant__ TensorMap b, int panels) {
  __shared__ Mbarrier full[stages], empty[stages];
  char* const shared = swizzled_shared<char>();
  if (threadIdx.x == 0) {
    for (int stage = 0; stage < stages; ++stage) {
      mbarrier_init(&full[stage], 1);
      mbarrier_init(&empty[stage], 2);
    }
    publish_mbarriers();
  }
  __syncthreads();
  const int group = static_cast<int>(threadIdx.x / 128), thread = static_cast<int>(threadIdx.x % 128);
  if (group == 2) {
    if (thread != 0) return;
    constexpr int panel_depth = 128 / static_cast<int>(std::is_same_v<Element, Tf32> ? 4 : 2);
    for (int p = 0; p < panels; ++p) {
      const int stage = p % stages;
      mbarrier_wait(&empty[stage], static_cast<unsigned>(p / stages + 1) % 2);
      mbarrier_arrive_expecting(&full[stage], stage_bytes);
      char* to = shared + static_cast<unsigned>(stage) * stage_bytes;
      for (int half = 0; half < 4; ++half, to += half_bytes) {
        const int k = p * panel_depth, line = half % 2 * 64;
        bulk_load(to, half < 2 ? &a : &b, &full[stage], Across ? line : k, Across ? k : line);
      }
    }
    return;
  }
  float d[columns / 2];
#pragma unroll
  for (int i = 0; i < columns / 2; ++i) d[i] = 0;
  for (int p = 0; p < panels; ++p) {
    const int stage = p % stages;
    mbarrier_wait(&full[stage], static_cast<unsigned>(p / stages) % 2);
    const char* const panel = shared + static_cast<unsigned>(stage) * stage_bytes;
    const SharedMatrix of_a = shared_matrix(panel + static_cast<unsigned>(group) * half_bytes,
                                            MatrixSwizzle::bytes128, half_bytes, 1024);
    const SharedMatrix of_b =
        shared_matrix(panel + 2 * half_bytes, MatrixSwizzle::bytes128, half_bytes, 1024);
    constexpr unsigned step = Across ? 2048 : 32;
    begin_products();
#pragma unroll
    for (unsigned k = 0; k < 4; ++k)
      multiply_add_group<Element, columns, Across, Across>(d, advanced(of_a, k * step),
                                                           advanced(of_b, k * step));
    close_products();
    wait_for_products<1>();  // the panel before this one is done with
    if (p > 0 && thread == 0) mbarrier_arrive(&empty[(p - 1) % stages]);
  }
  wait_for_products<0>(d);
  const int row = group * 64 + thread / 32 * 16 + thread % 32 / 4, column = thread % 4 * 2;
#pragma unroll
  for (int i = 0; i < columns / 2; ++i)
    sums[(row + i / 2 % 2 * 8) * columns + column + i / 4 * 8 + i % 2] = d[i];
}

// A map of `lines` rows of a matrix with `depth` k each, or across of `depth` rows of lines.
template <class Element, bool Across>
TensorMap map_of(const void* base, int lines, int depth) {
  constexpr bool wide = std::is_same_v<Element, Tf32>;
  TiledShape shape;
  shape.element = wide                                    ? MapElement::tf32
                  : std::is_same_v<Element, deconv::half> ? MapElement::half
                                                          : MapElement::bfloat16;
  shape.base = base;
  shape.extents[0] = static_cast<std::uint64_t>(Across ? lines : depth);
  shape.extents[1] = static_cast<std::uint64_t>(Across ? depth : lines);
  shape.strides[0] = shape.extents[0] * (wide ? 4 : 2);
  shape.box[0] = wide ? 32 : 64;
  shape.box[1] = 64;
  shape.swizzle = Swizzle::span128;
  return make_tiled_map(shape);
}

template <class Element, bool Across>
void check_sums(int depth) {
  constexpr bool wide = std::is_same_v<Element, Tf32>;
  constexpr std::size_t bytes = wide ? 4 : 2;
  std::vector<unsigned char> a(static_cast<std::size_t>(rows * depth) * bytes),
      b(static_cast<std::size_t>(columns * depth) * bytes);
  const auto place = [&](int line, int k) {
    return static_cast<std::size_t>(Across ? k * 128 + line : line * depth + k) * bytes;
  };
  for (int k = 0; k < depth; ++k) {
    for (int row = 0; row < rows; ++row) put<Element>(a.data() + place(row, k), a_value(row, k));
    for (int column = 0; column < columns; ++column)
      put<Element>(b.data() + place(column, k), b_value(k, column));
  }
  if constexpr (wide) {  // the loads round: what put() adds would count
    for (std::vector<unsigned char>* matrix : {&a, &b})
      for (std::size_t i = 0; i < matrix->size(); i += 4) {
        (*matrix)[i] = 0;
        (*matrix)[i + 1] &= 0xe0;
      }
  }
  Array<unsigned char> device_a(a), device_b(b);
  Array<float> out(rows * columns);
  constexpr int shared = stages * stage_bytes + 1024;
  const auto kernel = sums_by_bulk<Element, Across>;
  check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, shared));
  constexpr int panel_depth = wide ? 32 : 64;
  run(kernel, 1, threads, shared, static_cast<float*>(out), map_of<Element, Across>(device_a, rows, depth),
      map_of<Element, Across>(device_b, columns, depth), (depth + panel_depth - 1) / panel_depth);
  const std::vector<float> sums = out.host();
  for (int row = 0; row < rows; ++row) {
    for (int column = 0; column < columns; ++column) {
      float want = 0;
      for (int k = 0; k < depth; ++k) want += a_value(row, k) * b_value(k, column);
      INFO("element (" << row << ", " << column << "), depth " << depth);
      REQUIRE(sums[static_cast<std::size_t>(row * columns + column)] == want);
    }
  }
}

}  // namespace

TEST_CASE("two warpgroups multiply panels that bulk loads bring") {
  if (!has_warpgroup_products()) return;
  for (const int depth : {8, 64, 200, 576}) {
    check_sums<deconv::half, false>(depth);
    check_sums<deconv::bfloat16, false>(depth);
    check_sums<Tf32, false>(depth);
    check_sums<deconv::half, true>(depth);
    check_sums<deconv::bfloat16, true>(depth);
  }
}
