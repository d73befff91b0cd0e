// Matrix fragments: filled from the tables of the PTX manual, written out here once more, and compared with a
// plain product.

#include <bit>
#include <cmath>
#include <cstdint>

#include "common/matrix_units.cuh"
#include "primitives.cuh"
#include "support/catch.hpp"

using namespace primitives;
using deconv::bfloat16;

namespace {

template <class T>
__global__ void product_of_16(float* d, const std::uint32_t* a, const std::uint32_t* b) {
  const unsigned i = threadIdx.x;
  std::uint32_t fa[4], fb[2];
  float fd[4];
  for (unsigned r = 0; r < 4; ++r) fa[r] = a[i * 4 + r];
  for (unsigned r = 0; r < 2; ++r) fb[r] = b[i * 2 + r];
  for (unsigned r = 0; r < 4; ++r) fd[r] = d[i * 4 + r];
  deconv::cuda::multiply_add<T>(fd, fa, fb);
  for (unsigned r = 0; r < 4; ++r) d[i * 4 + r] = fd[r];
}

__global__ void product_of_tf32(float* d, const float* a, const float* b) {
  const unsigned i = threadIdx.x;
  std::uint32_t fa[4], fb[2];
  float fd[4];
  for (unsigned r = 0; r < 4; ++r) fa[r] = deconv::cuda::to_tf32(a[i * 4 + r]);
  for (unsigned r = 0; r < 2; ++r) fb[r] = deconv::cuda::to_tf32(b[i * 2 + r]);
  for (unsigned r = 0; r < 4; ++r) fd[r] = d[i * 4 + r];
  deconv::cuda::multiply_add_tf32(fd, fa, fb);
  for (unsigned r = 0; r < 4; ++r) d[i * 4 + r] = fd[r];
}

__global__ void round_all(std::uint32_t* out, const float* in) {
  out[threadIdx.x] = deconv::cuda::to_tf32(in[threadIdx.x]);
}

template <int Count>
__global__ void load_all(std::uint32_t* plain, std::uint32_t* turned, const std::uint16_t* in) {
  __shared__ __align__(16) std::uint16_t rows[32][24];  // rows may lie apart
  const unsigned i = threadIdx.x;
  for (unsigned c = 0; c < 8; ++c) rows[i][c] = in[i * 8 + c];
  __syncthreads();
  std::uint32_t registers[Count];
  deconv::cuda::load_matrices(registers, rows[i]);
  for (unsigned m = 0; m < Count; ++m) plain[i * 4 + m] = registers[m];
  deconv::cuda::load_matrices_transposed(registers, rows[i]);
  for (unsigned m = 0; m < Count; ++m) turned[i * 4 + m] = registers[m];
}

struct Element {
  int row, column;
};
// "groupID" and "threadID_in_group" of the manual.
struct Lane {
  int group, inside;
};
Lane lane_of(int thread) { return {thread >> 2, thread & 3}; }

// mma.m16n8k16, elements a0 to a7, b0 to b3, c0 to c3.
Element a16(int thread, int i) {
  const auto [group, inside] = lane_of(thread);
  const bool upper = (i >= 0 && i < 2) || (i >= 4 && i < 6);
  return {upper ? group : group + 8, i < 4 ? inside * 2 + (i & 1) : inside * 2 + (i & 1) + 8};
}
Element b16(int thread, int i) {
  const auto [group, inside] = lane_of(thread);
  return {i < 2 ? inside * 2 + (i & 1) : inside * 2 + (i & 1) + 8, group};
}
// mma.m16n8k8 with tf32, elements a0 to a3, b0 and b1.
Element a32(int thread, int i) {
  const auto [group, inside] = lane_of(thread);
  return {i == 0 || i == 2 ? group : group + 8, i < 2 ? inside : inside + 4};
}
Element b32(int thread, int i) {
  const auto [group, inside] = lane_of(thread);
  return {i == 0 ? inside : inside + 4, group};
}
Element c(int thread, int i) {
  const auto [group, inside] = lane_of(thread);
  return {i < 2 ? group : group + 8, inside * 2 + (i & 1)};
}

// Small integers, all different in pattern: every sum is exact, whatever the order.
float a_value(int row, int k) { return static_cast<float>((row * 7 + k * 3) % 13 - 6); }
float b_value(int k, int column) { return static_cast<float>((k * 5 + column * 11) % 17 - 8); }
float d_value(int row, int column) { return static_cast<float>(row * 8 + column); }

float expected(int row, int column, int depth) {
  float sum = d_value(row, column);
  for (int k = 0; k < depth; ++k) sum += a_value(row, k) * b_value(k, column);
  return sum;
}

std::vector<float> d_fragments() {
  std::vector<float> d(128);
  for (int t = 0; t < 32; ++t) {
    for (int i = 0; i < 4; ++i) {
      const Element e = c(t, i);
      d[static_cast<std::size_t>(t * 4 + i)] = d_value(e.row, e.column);
    }
  }
  return d;
}

void check_d(const std::vector<float>& d, int depth) {
  for (int t = 0; t < 32; ++t) {
    for (int i = 0; i < 4; ++i) {
      const Element e = c(t, i);
      INFO("thread " << t << ", element " << i);
      REQUIRE(d[static_cast<std::size_t>(t * 4 + i)] == expected(e.row, e.column, depth));
    }
  }
}

template <class T>
void check_product_of_16() {
  std::vector<std::uint32_t> a(128), b(64);
  const auto put = [](std::vector<std::uint32_t>& registers, int place, float value) {
    registers[static_cast<std::size_t>(place / 2)] |= static_cast<std::uint32_t>(T(value).bits)
                                                      << (place % 2 * 16);
  };
  for (int t = 0; t < 32; ++t) {
    for (int i = 0; i < 8; ++i) put(a, t * 8 + i, a_value(a16(t, i).row, a16(t, i).column));
    for (int i = 0; i < 4; ++i) put(b, t * 4 + i, b_value(b16(t, i).row, b16(t, i).column));
  }
  Array<std::uint32_t> device_a(a), device_b(b);
  Array<float> device_d(d_fragments());
  run(product_of_16<T>, 1, 32, 0, static_cast<float*>(device_d), static_cast<std::uint32_t*>(device_a),
      static_cast<std::uint32_t*>(device_b));
  check_d(device_d.host(), 16);
}

}  // namespace

TEST_CASE("products of half and bfloat16 fragments agree with a plain product") {
  check_product_of_16<deconv::half>();
  check_product_of_16<bfloat16>();
}

TEST_CASE("products of tf32 fragments agree with a plain product") {
  std::vector<float> a(128), b(64);
  for (int t = 0; t < 32; ++t) {
    for (int i = 0; i < 4; ++i)
      a[static_cast<std::size_t>(t * 4 + i)] = a_value(a32(t, i).row, a32(t, i).column);
    for (int i = 0; i < 2; ++i)
      b[static_cast<std::size_t>(t * 2 + i)] = b_value(b32(t, i).row, b32(t, i).column);
  }
  Array<float> device_a(a), device_b(b), device_d(d_fragments());
  run(product_of_tf32, 1, 32, 0, static_cast<float*>(device_d), static_cast<float*>(device_a),
      static_cast<float*>(device_b));
  check_d(device_d.host(), 8);
}

TEST_CASE("tf32 keeps ten bits of mantissa, ties away from zero") {
  const std::vector<float> in{1.0f,
                              1.0f + 0x1p-10f,
                              1.0f + 0x1p-11f,
                              -(1.0f + 0x1p-11f),
                              1.0f + 0x1p-11f - 0x1p-23f,
                              1.0f + 0x1p-10f + 0x1p-11f,
                              2.0f - 0x1p-23f,
                              0.0f,
                              -0.0f,
                              std::numeric_limits<float>::infinity()};
  const std::vector<float> want{
      1.0f, 1.0f + 0x1p-10f, 1.0f + 0x1p-10f, -(1.0f + 0x1p-10f), 1.0f, 1.0f + 0x1p-9f, 2.0f,
      0.0f, -0.0f,           in.back()};
  Array<float> source(in);
  Array<std::uint32_t> result(in.size());
  run(round_all, 1, static_cast<unsigned>(in.size()), 0, static_cast<std::uint32_t*>(result),
      static_cast<float*>(source));
  const std::vector<std::uint32_t> out = result.host();
  for (std::size_t i = 0; i < in.size(); ++i) {
    INFO(in[i]);
    REQUIRE(out[i] == std::bit_cast<std::uint32_t>(want[i]));
  }
}

namespace {

template <int Count>
void check_loads() {
  std::vector<std::uint16_t> in(256);
  for (std::size_t i = 0; i < in.size(); ++i) in[i] = static_cast<std::uint16_t>(i * 257 + 1);
  Array<std::uint16_t> source(in);
  Array<std::uint32_t> plain(128), turned(128);
  run(load_all<Count>, 1, 32, 0, static_cast<std::uint32_t*>(plain), static_cast<std::uint32_t*>(turned),
      static_cast<std::uint16_t*>(source));
  const std::vector<std::uint32_t> got = plain.host(), got_turned = turned.host();
  for (std::size_t t = 0; t < 32; ++t) {
    for (std::size_t m = 0; m < static_cast<std::size_t>(Count); ++m) {
      const auto at = [&](std::size_t row, std::size_t column) -> std::uint32_t {
        return in[(8 * m + row) * 8 + column];
      };
      const std::size_t line = t / 4, pair = t % 4 * 2;
      INFO("thread " << t << ", matrix " << m);
      REQUIRE(got[t * 4 + m] == (at(line, pair) | at(line, pair + 1) << 16));
      REQUIRE(got_turned[t * 4 + m] == (at(pair, line) | at(pair + 1, line) << 16));
    }
  }
}

}  // namespace

TEST_CASE("matrices are loaded from rows in shared memory, plain and turned") {
  check_loads<1>();
  check_loads<2>();
  check_loads<4>();
}
