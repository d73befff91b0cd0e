// Atomic operations, vectors, dynamic shared memory and asynchronous copies.

#include <cstdint>
#include <numeric>

#include "common/async_copy.cuh"
#include "common/shared_memory.cuh"
#include "primitives.cuh"
#include "support/catch.hpp"

using namespace primitives;

namespace {

__global__ void count_all(int* sum, unsigned* most, unsigned* least, unsigned* bits, unsigned long long* wide,
                          float* floats, unsigned* wrapped) {
  const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  atomicAdd(sum, static_cast<int>(i));
  atomicMax(most, i ^ 21u);
  atomicMin(least, i + 7u);
  atomicOr(bits, 1u << (i % 32));
  atomicAdd(wide, 1ull << 33);
  atomicAdd(floats, 1.0f);
  atomicInc(wrapped, 9u);
}

// Each thread takes a place in a list, by compare and swap; every place is taken once.
__global__ void take_places(int* next, int* taken) {
  __shared__ int local;
  if (threadIdx.x == 0) local = 0;
  __syncthreads();
  atomicAdd(&local, 1);
  int place = 0, seen;
  do {
    seen = place;
    place = atomicCAS(next, seen, seen + 1);
  } while (place != seen);
  __syncthreads();
  taken[place] = local;
}

__global__ void reverse_in_dynamic(float* out, const float* in) {
  float* const memory = deconv::cuda::dynamic_shared<float>();
  const unsigned i = threadIdx.x, count = blockDim.x;
  memory[i] = in[i];
  __syncthreads();
  out[i] = memory[count - 1 - i];
}

__global__ void add_vectors(float4* out, const float4* in) {
  float4 v = __ldg(in + threadIdx.x);
  v.x += 1;
  v.w += 4;
  __stcs(out + threadIdx.x, v);
}

// Two tiles in flight: while one is summed, the next is on its way.
template <int Bytes>
__global__ void pipelined_sum(int* out, const int* in, int tiles, int there) {
  constexpr int words = Bytes / 4;
  __shared__ __align__(16) int tile[2][64 * words];
  const int i = static_cast<int>(threadIdx.x);
  const auto fetch = [&](int t) {
    if (t < tiles) {
      const int first = (t * 64 + i) * words;
      deconv::cuda::copy_async_or_zero<Bytes>(&tile[t % 2][i * words], in + first, first < there);
    }
    deconv::cuda::close_copy_group();
  };
  int sum = 0;
  fetch(0);
  for (int t = 0; t < tiles; ++t) {
    fetch(t + 1);
    deconv::cuda::wait_for_copy_groups<1>();
    __syncthreads();
    for (int w = 0; w < words; ++w) sum += tile[t % 2][(63 - i) * words + w];
    __syncthreads();
  }
  out[i] = sum;
}

template <int Bytes>
void check_pipeline() {
  constexpr int words = Bytes / 4, tiles = 5, count = tiles * 64 * words, there = count - 16 * words;
  std::vector<int> in(count);
  std::iota(in.begin(), in.end(), 1);
  Array<int> source(in), result(64);
  run(pipelined_sum<Bytes>, 1, 64, 0, static_cast<int*>(result), static_cast<int*>(source), tiles, there);
  const std::vector<int> out = result.host();
  for (int i = 0; i < 64; ++i) {
    int sum = 0;
    for (int t = 0; t < tiles; ++t) {
      for (int w = 0; w < words; ++w) {
        const int place = (t * 64 + 63 - i) * words + w;
        if (place < there) sum += in[static_cast<std::size_t>(place)];
      }
    }
    REQUIRE(out[static_cast<std::size_t>(i)] == sum);
  }
}

}  // namespace

TEST_CASE("atomic operations of all blocks add up") {
  Array<int> sum(std::vector<int>{5});
  Array<unsigned> most(std::vector<unsigned>{0}), least(std::vector<unsigned>{1000}),
      bits(std::vector<unsigned>{0}), wrapped(std::vector<unsigned>{0});
  Array<unsigned long long> wide(std::vector<unsigned long long>{3});
  Array<float> floats(std::vector<float>{0.5f});
  run(count_all, 16, 64, 0, static_cast<int*>(sum), static_cast<unsigned*>(most),
      static_cast<unsigned*>(least), static_cast<unsigned*>(bits), static_cast<unsigned long long*>(wide),
      static_cast<float*>(floats), static_cast<unsigned*>(wrapped));
  CHECK(sum.host()[0] == 5 + 1023 * 1024 / 2);
  CHECK(most.host()[0] == 1023);
  CHECK(least.host()[0] == 7);
  CHECK(bits.host()[0] == 0xffffffffu);
  CHECK(wide.host()[0] == 3 + (1024ull << 33));
  CHECK(floats.host()[0] == 1024.5f);
  CHECK(wrapped.host()[0] == 1024 % 10);
}

TEST_CASE("compare and swap gives each place to one thread") {
  Array<int> next(std::vector<int>{0}), taken(std::vector<int>(4 * 96, -1));
  run(take_places, 4, 96, 0, static_cast<int*>(next), static_cast<int*>(taken));
  CHECK(next.host()[0] == 4 * 96);
  for (const int count : taken.host()) REQUIRE(count == 96);
}

TEST_CASE("dynamic shared memory has the size of the launch") {
  for (const unsigned count : {1u, 32u, 100u, 1024u}) {
    std::vector<float> in(count);
    std::iota(in.begin(), in.end(), 0.5f);
    Array<float> source(in), result(count);
    run(reverse_in_dynamic, 1, count, count * sizeof(float), static_cast<float*>(result),
        static_cast<float*>(source));
    const std::vector<float> out = result.host();
    for (std::size_t i = 0; i < count; ++i) REQUIRE(out[i] == in[count - 1 - i]);
  }
}

TEST_CASE("vectors of 16 bytes are read and written whole") {
  std::vector<float4> in;
  for (int i = 0; i < 32; ++i) {
    const auto f = static_cast<float>(i);
    in.push_back(make_float4(f, 2 * f, 3 * f, 4 * f));
  }
  Array<float4> source(in), result(32);
  run(add_vectors, 1, 32, 0, static_cast<float4*>(result), static_cast<float4*>(source));
  const std::vector<float4> out = result.host();
  for (std::size_t i = 0; i < 32; ++i) {
    REQUIRE(out[i].x == in[i].x + 1);
    REQUIRE(out[i].y == in[i].y);
    REQUIRE(out[i].z == in[i].z);
    REQUIRE(out[i].w == in[i].w + 4);
  }
}

TEST_CASE("asynchronous copies land where they are waited for, and zero where there is no source") {
  check_pipeline<4>();
  check_pipeline<8>();
  check_pipeline<16>();
}
