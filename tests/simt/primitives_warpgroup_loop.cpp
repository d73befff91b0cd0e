// The loop that a matrix kernel of compute capability 9.0a is made of: one warpgroup lays panels into shared
// memory, two multiply, and numbered barriers hand the panels to and fro.

#include <cstdint>

#include "common/bulk_copy.cuh"
#include "common/named_barrier.cuh"
#include "common/warpgroup.cuh"
#include "primitives_bulk.hpp"
#include "primitives_warpgroup.hpp"
#include "support/catch.hpp"

using namespace primitives;
using namespace deconv::cuda;

namespace {

constexpr int panels_kept = 3, columns = 64, rows = 128, panel_depth = 64, threads = 384;
constexpr unsigned a_bytes = rows * 128, panel_bytes = a_bytes + columns * 128;
constexpr int full = 1, empty = full + panels_kept;  // the first of as many barriers

// sums (rows x columns) = a (rows x depth) b (columns x depth), depth contiguous, in panels of 64.
template <class Element>
__global__ void __launch_bounds__(threads, 1)
    sums_by_panels(float* sums, const uint4* a, const uint4* b, int panels) {
  char* const shared = swizzled_shared<char>();
  const int group = static_cast<int>(threadIdx.x / 128), thread = static_cast<int>(threadIdx.x % 128);
  if (group == 2) {
    give_registers<40>();
    for (int p = 0; p < panels; ++p) {
      const int kept = p % panels_kept;
      if (p >= panels_kept) named_barrier_sync(empty + kept, threads);
      for (int i = thread; i < (rows + columns) * 8; i += 128) {
        const int row = i / 8, chunk = i % 8;
        const uint4* const from = row < rows ? a + row * panels * 8 : b + (row - rows) * panels * 8;
        *reinterpret_cast<uint4*>(shared + kept * panel_bytes + row * 128 + (chunk ^ row % 8) * 16) =
            from[p * 8 + chunk];
      }
      publish_to_bulk();
      named_barrier_arrive(full + kept, threads);
    }
  } else {
    take_registers<232>();
    float d[columns / 2];
#pragma unroll
    for (int i = 0; i < columns / 2; ++i) d[i] = 0;
    for (int p = 0; p < panels; ++p) {
      const int kept = p % panels_kept;
      named_barrier_sync(full + kept, threads);
      const char* const panel = shared + kept * panel_bytes;
      const SharedMatrix of_a =
          shared_matrix(panel + group * (a_bytes / 2), MatrixSwizzle::bytes128, 0, 1024);
      const SharedMatrix of_b = shared_matrix(panel + a_bytes, MatrixSwizzle::bytes128, 0, 1024);
      begin_products();
#pragma unroll
      for (unsigned k = 0; k < 4; ++k)
        multiply_add_group<Element, columns>(d, advanced(of_a, k * 32), advanced(of_b, k * 32));
      close_products();
      wait_for_products<1>();  // the panel before this one is done with
      if (p > 0 && p - 1 + panels_kept < panels) named_barrier_arrive(empty + (p - 1) % panels_kept, threads);
    }
    wait_for_products<0>(d);
    const int row = group * 64 + thread / 32 * 16 + thread % 32 / 4, column = thread % 4 * 2;
#pragma unroll
    for (int i = 0; i < columns / 2; ++i)
      sums[(row + i / 2 % 2 * 8) * columns + column + i / 4 * 8 + i % 2] = d[i];
  }
}

template <class Element>
void check_sums(int panels) {
  const int depth = panels * panel_depth;
  std::vector<std::uint16_t> a, b;
  for (int row = 0; row < rows; ++row)
    for (int k = 0; k < depth; ++k) a.push_back(Element(a_value(row, k)).bits);
  for (int column = 0; column < columns; ++column)
    for (int k = 0; k < depth; ++k) b.push_back(Element(b_value(k, column)).bits);
  Array<std::uint16_t> device_a(a), device_b(b);
  Array<float> out(rows * columns);
  constexpr unsigned shared = panels_kept * panel_bytes + 1024;
  const auto kernel = sums_by_panels<Element>;
  check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(shared)));
  run(kernel, 1, threads, shared, static_cast<float*>(out),
      reinterpret_cast<const uint4*>(static_cast<std::uint16_t*>(device_a)),
      reinterpret_cast<const uint4*>(static_cast<std::uint16_t*>(device_b)), panels);
  const std::vector<float> sums = out.host();
  for (int row = 0; row < rows; ++row) {
    for (int column = 0; column < columns; ++column) {
      float want = 0;
      for (int k = 0; k < depth; ++k) want += a_value(row, k) * b_value(k, column);
      INFO("element (" << row << ", " << column << ") of " << panels << " panels");
      REQUIRE(sums[static_cast<std::size_t>(row * columns + column)] == want);
    }
  }
}

}  // namespace

TEST_CASE("two warpgroups multiply panels that a third one brings") {
  if (!has_warpgroup_products()) return;
  for (const int panels : {1, 2, 3, 4, 11}) {
    check_sums<deconv::half>(panels);
    check_sums<deconv::bfloat16>(panels);
  }
}
