// A warpgroup's products: operands are laid into shared memory by the tables of the PTX manual ("Shared
// memory matrix layout"), written out here once more, and the sums compared with a plain product.

#include <cstdint>

#include "common/bulk_copy.cuh"
#include "common/warpgroup.cuh"
#include "primitives_bulk.hpp"
#include "primitives_warpgroup.hpp"
#include "support/catch.hpp"

using namespace primitives;
using namespace deconv::cuda;
using deconv::bfloat16;

namespace {

template <class Element, int Columns, bool RowsAcross, bool ColumnsAcross>
__global__ void sums_of_products(float* out, const std::uint32_t* image, Layout a, Layout b, int steps) {
  std::uint32_t* const shared = swizzled_shared<std::uint32_t>();
  for (unsigned i = threadIdx.x; i < (a.bytes + b.bytes) / 4; i += 128) shared[i] = image[i];
  publish_to_bulk();
  __syncthreads();
  float d[Columns / 2];
  const int row = static_cast<int>(threadIdx.x / 32 * 16 + threadIdx.x % 32 / 4);
  const int column = static_cast<int>(threadIdx.x % 4 * 2);
#pragma unroll
  for (int i = 0; i < Columns / 2; ++i) d[i] = start_value(row + i / 2 % 2 * 8, column + i / 4 * 8 + i % 2);
  const SharedMatrix first_a = shared_matrix(shared, a.swizzle, a.leading, a.stride);
  const SharedMatrix first_b = shared_matrix(shared + a.bytes / 4, b.swizzle, b.leading, b.stride);
  for (int k = 0; k < steps; ++k) {
    const SharedMatrix from_a = advanced(first_a, a.step_at(k)), from_b = advanced(first_b, b.step_at(k));
    begin_products();
    multiply_add_group<Element, Columns, RowsAcross, ColumnsAcross>(d, from_a, from_b);
    close_products();
  }
  wait_for_products<0>(d);
#pragma unroll
  for (int i = 0; i < Columns / 2; ++i)
    out[(row + i / 2 % 2 * 8) * Columns + column + i / 4 * 8 + i % 2] = d[i];
}

// The same for operands in arrays of their own: 64 x 16 and 16 x 8.
__global__ void sums_from_arrays(float* out, const std::uint32_t* image) {
  __shared__ __align__(1024) std::uint32_t a[64 * 8];
  __shared__ __align__(1024) std::uint32_t b[8 * 8];
  for (unsigned i = threadIdx.x; i < 72 * 8; i += 128) (i < 64 * 8 ? a[i] : b[i - 64 * 8]) = image[i];
  publish_to_bulk();
  __syncthreads();
  float d[4] = {};
  begin_products();
  multiply_add_group<deconv::half, 8>(d, shared_matrix(a, MatrixSwizzle::bytes32, 0, 256),
                                      shared_matrix(b, MatrixSwizzle::bytes32, 0, 256));
  close_products();
  wait_for_products<0>(d);
  const unsigned row = threadIdx.x / 32 * 16 + threadIdx.x % 32 / 4, column = threadIdx.x % 4 * 2;
  for (unsigned i = 0; i < 4; ++i) out[(row + i / 2 * 8) * 8 + column + i % 2] = d[i];
}

template <class Element, int Columns, bool RowsAcross = false, bool ColumnsAcross = false>
void check_products(MatrixSwizzle swizzle_a, MatrixSwizzle swizzle_b, bool apart = false) {
  constexpr int element = std::is_same_v<Element, Tf32> ? 4 : 2, steps = 5, depth = steps * 32 / element;
  const Layout a = layout_of(swizzle_a, RowsAcross, 64, element, steps, apart);
  const Layout b = layout_of(swizzle_b, ColumnsAcross, Columns, element, steps, apart);
  std::vector<std::uint32_t> image((a.bytes + b.bytes) / 4, 0xffffffffu);  // NaN where nothing belongs
  auto* const bytes = reinterpret_cast<unsigned char*>(image.data());
  for (int k = 0; k < depth; ++k) {
    for (int row = 0; row < 64; ++row) put<Element>(bytes + a.place(row, k), a_value(row, k));
    for (int column = 0; column < Columns; ++column)
      put<Element>(bytes + a.bytes + b.place(column, k), b_value(k, column));
  }
  Array<std::uint32_t> device_image(image);
  Array<float> out(64 * Columns);
  const auto kernel = sums_of_products<Element, Columns, RowsAcross, ColumnsAcross>;
  const unsigned shared = a.bytes + b.bytes + 1024;
  check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(shared)));
  run(kernel, 1, 128, shared, static_cast<float*>(out), static_cast<std::uint32_t*>(device_image), a, b,
      steps);
  const std::vector<float> sums = out.host();
  for (int row = 0; row < 64; ++row) {
    for (int column = 0; column < Columns; ++column) {
      float want = start_value(row, column);
      for (int k = 0; k < depth; ++k) want += a_value(row, k) * b_value(k, column);
      INFO("element (" << row << ", " << column << ") of 64 x " << Columns << ", swizzles "
                       << static_cast<int>(swizzle_a) << " and " << static_cast<int>(swizzle_b));
      REQUIRE(sums[static_cast<std::size_t>(row * Columns + column)] == want);
    }
  }
}

constexpr MatrixSwizzle none = MatrixSwizzle::none, bytes32 = MatrixSwizzle::bytes32,
                        bytes64 = MatrixSwizzle::bytes64, bytes128 = MatrixSwizzle::bytes128;
constexpr MatrixSwizzle all_swizzles[] = {none, bytes32, bytes64, bytes128};

template <class Element>
void check_sizes() {
  for (const MatrixSwizzle swizzle : all_swizzles) {
    check_products<Element, 8>(swizzle, swizzle);
    check_products<Element, 16>(swizzle, swizzle);
    check_products<Element, 32>(swizzle, swizzle);
    check_products<Element, 64>(swizzle, swizzle);
    check_products<Element, 96>(swizzle, swizzle);
    check_products<Element, 128>(swizzle, swizzle);
    check_products<Element, 192>(swizzle, swizzle);
    check_products<Element, 256>(swizzle, swizzle);
  }
}

// The columns' axis must hold whole spans of the swizzle.
template <class Element, int Columns>
void check_directions() {
  for (const MatrixSwizzle a : all_swizzles) {
    check_products<Element, Columns, true, false>(a, bytes128);
    for (const MatrixSwizzle b : all_swizzles) {
      if (b != none && Columns % (span_of(b) / 2) != 0) continue;
      check_products<Element, Columns, false, true>(a, b);
      check_products<Element, Columns, true, true>(a, b);
    }
  }
}

}  // namespace

TEST_CASE("a warpgroup's products of every size agree with a plain product") {
  if (!has_warpgroup_products()) return;
  check_sizes<deconv::half>();
  check_sizes<bfloat16>();
  check_sizes<Tf32>();
}

TEST_CASE("a warpgroup's operands may lie across") {
  if (!has_warpgroup_products()) return;
  check_directions<deconv::half, 8>();
  check_directions<deconv::half, 16>();
  check_directions<bfloat16, 32>();
  check_directions<deconv::half, 64>();
  check_directions<bfloat16, 128>();
  check_directions<deconv::half, 192>();
  check_directions<bfloat16, 256>();
}

TEST_CASE("a warpgroup's operands may be of different swizzles, their groups of rows apart") {
  if (!has_warpgroup_products()) return;
  for (const MatrixSwizzle a : all_swizzles) {
    for (const MatrixSwizzle b : all_swizzles) {
      check_products<deconv::half, 64>(a, b, true);
      check_products<Tf32, 64>(a, b, true);
      check_products<bfloat16, 64, true, true>(a, b, true);
    }
  }
}

TEST_CASE("a warpgroup's operands may be arrays in shared memory") {
  if (!has_warpgroup_products()) return;
  const Layout a = layout_of(bytes32, false, 64, 2, 1, false), b = layout_of(bytes32, false, 8, 2, 1, false);
  std::vector<std::uint32_t> image(72 * 8);
  auto* const bytes = reinterpret_cast<unsigned char*>(image.data());
  for (int k = 0; k < 16; ++k) {
    for (int row = 0; row < 64; ++row) put<deconv::half>(bytes + a.place(row, k), a_value(row, k));
    for (int column = 0; column < 8; ++column)
      put<deconv::half>(bytes + 64 * 32 + b.place(column, k), b_value(k, column));
  }
  Array<std::uint32_t> device_image(image);
  Array<float> out(64 * 8);
  run(sums_from_arrays, 1, 128, 0, static_cast<float*>(out), static_cast<std::uint32_t*>(device_image));
  const std::vector<float> sums = out.host();
  for (int row = 0; row < 64; ++row) {
    for (int column = 0; column < 8; ++column) {
      float want = 0;
      for (int k = 0; k < 16; ++k) want += a_value(row, k) * b_value(k, column);
      REQUIRE(sums[static_cast<std::size_t>(row * 8 + column)] == want);
    }
  }
}
