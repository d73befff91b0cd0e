// Shuffles, votes, reductions and barriers: each against its definition.

#include <bit>
#include <cstdint>
#include <numeric>

#include "primitives.cuh"
#include "support/catch.hpp"

using namespace primitives;

namespace {

constexpr unsigned everyone = 0xffffffffu;

template <class T>
__global__ void shuffle_all(T* out, const T* in, int step, int width) {
  const int i = static_cast<int>(threadIdx.x);
  const T value = in[i];
  const int count = static_cast<int>(blockDim.x);
  out[i] = __shfl_sync(everyone, value, step + i, width);
  out[count + i] = __shfl_up_sync(everyone, value, static_cast<unsigned>(step), width);
  out[2 * count + i] = __shfl_down_sync(everyone, value, static_cast<unsigned>(step), width);
  out[3 * count + i] = __shfl_xor_sync(everyone, value, step, width);
}

template <class T>
void check_shuffles(T first, T difference) {
  constexpr int count = 64;
  std::vector<T> in(count);
  for (int i = 0; i < count; ++i)
    in[static_cast<std::size_t>(i)] = static_cast<T>(first + static_cast<T>(i) * difference);
  for (const int width : {32, 16, 8, 2}) {
    for (const int step : {0, 1, 3, 8, 31}) {
      Array<T> source(in), result(4 * count);
      run(shuffle_all<T>, 1, count, 0, static_cast<T*>(result), static_cast<T*>(source), step, width);
      const std::vector<T> out = result.host();
      for (int i = 0; i < count; ++i) {
        const int group = i / width * width, inside = i % width;
        const int up = inside - step < 0 ? i : i - step, down = inside + step >= width ? i : i + step;
        // A lane of an earlier group is read, one of a later group is not.
        const int other = (i % 32 ^ step) < group % 32 + width ? i / 32 * 32 + (i % 32 ^ step) : i;
        const auto at = [&](int place) { return in[static_cast<std::size_t>(place)]; };
        const auto got = [&](int row) { return out[static_cast<std::size_t>(row * count + i)]; };
        INFO("thread " << i << ", width " << width << ", step " << step);
        REQUIRE(got(0) == at(group + (step + i) % width));
        REQUIRE(got(1) == at(up));
        REQUIRE(got(2) == at(down));
        REQUIRE(got(3) == at(other));
      }
    }
  }
}

__global__ void vote(unsigned* out, int limit) {
  const int i = static_cast<int>(threadIdx.x);
  out[i] = __ballot_sync(everyone, i % 32 < limit);
  out[32 + i] = static_cast<unsigned>(__any_sync(everyone, i < limit));
  out[64 + i] = static_cast<unsigned>(__all_sync(everyone, i < limit));
}

__global__ void match(unsigned* out, const int* values) {
  const int i = static_cast<int>(threadIdx.x);
  out[i] = __match_any_sync(everyone, values[i]);
  int all = -1;
  const unsigned threads = __match_all_sync(everyone, values[i], &all);
  out[32 + i] = threads;
  out[64 + i] = static_cast<unsigned>(all);
}

__global__ void reduce(unsigned* out, const unsigned* values) {
  const unsigned i = threadIdx.x, value = values[i];
  // Each half of the warp by itself.
  const unsigned mask = i < 16 ? 0x0000ffffu : 0xffff0000u;
  out[i] = __reduce_add_sync(mask, value);
  out[32 + i] = __reduce_min_sync(mask, value);
  out[64 + i] = __reduce_max_sync(mask, value);
  out[96 + i] = __reduce_or_sync(mask, value);
  out[128 + i] = __reduce_and_sync(mask, value);
  out[160 + i] = __reduce_xor_sync(mask, value);
  out[192 + i] = static_cast<unsigned>(__reduce_min_sync(mask, static_cast<int>(value)));
}

__global__ void block_votes(int* out, int limit) {
  const int i = static_cast<int>(threadIdx.x);
  const int count = static_cast<int>(blockDim.x);
  out[i] = __syncthreads_count(i < limit);
  out[count + i] = __syncthreads_and(i < limit) != 0;
  out[2 * count + i] = __syncthreads_or(i < limit) != 0;
}

// A sum over the block by a tree in shared memory, then over its last warp by shuffles.
__global__ void block_sum(int* out, const int* in) {
  __shared__ int partial[256];
  const unsigned i = threadIdx.x;
  partial[i] = in[blockIdx.x * 256 + i];
  __syncthreads();
  for (unsigned half = 128; half >= 32; half /= 2) {
    if (i < half) partial[i] += partial[i + half];
    __syncthreads();
  }
  if (i < 32) {
    int sum = partial[i];
    for (int step = 16; step > 0; step /= 2)
      sum += __shfl_down_sync(everyone, sum, static_cast<unsigned>(step));
    if (i == 0) out[blockIdx.x] = sum;
  }
}

// Neighbours in a warp hand values on through shared memory with no more than the warp's barrier.
__global__ void rotate_in_warp(int* out) {
  __shared__ int place[64];
  const unsigned i = threadIdx.x;
  int value = static_cast<int>(i);
  for (int round = 0; round < 3; ++round) {
    place[i] = value;
    __syncwarp();
    value = place[i / 32 * 32 + (i + 1) % 32];
    __syncwarp();
  }
  out[i] = value;
}

}  // namespace

TEST_CASE("shuffles bring values of every type from the lane they name") {
  check_shuffles<int>(-7, 3);
  check_shuffles<unsigned>(4000000000u, 5);
  check_shuffles<float>(0.5f, 0.25f);
  check_shuffles<long long>(-(1ll << 40), 1ll << 33);
  check_shuffles<unsigned long long>(1ull << 63, 12345);
  check_shuffles<double>(1e100, 1e99);
}

TEST_CASE("votes of a warp count every lane") {
  for (const int limit : {0, 1, 31, 32}) {
    Array<unsigned> result(96);
    run(vote, 1, 32, 0, static_cast<unsigned*>(result), limit);
    const std::vector<unsigned> out = result.host();
    for (std::size_t i = 0; i < 32; ++i) {
      REQUIRE(out[i] == (limit == 32 ? everyone : (1u << limit) - 1));
      REQUIRE(out[32 + i] == (limit > 0 ? 1u : 0u));
      REQUIRE(out[64 + i] == (limit == 32 ? 1u : 0u));
    }
  }
}

TEST_CASE("matches name the lanes with the same value") {
  for (const int kinds : {1, 3, 32}) {
    std::vector<int> values(32);
    for (int i = 0; i < 32; ++i) values[static_cast<std::size_t>(i)] = i % kinds - 1;
    Array<int> source(values);
    Array<unsigned> result(96);
    run(match, 1, 32, 0, static_cast<unsigned*>(result), static_cast<int*>(source));
    const std::vector<unsigned> out = result.host();
    for (std::size_t i = 0; i < 32; ++i) {
      unsigned same = 0;
      for (std::size_t j = 0; j < 32; ++j) same |= (values[i] == values[j] ? 1u : 0u) << j;
      REQUIRE(out[i] == same);
      REQUIRE(out[32 + i] == (kinds == 1 ? everyone : 0u));
      REQUIRE(out[64 + i] == (kinds == 1 ? 1u : 0u));
    }
  }
}

TEST_CASE("reductions take the lanes of their mask alone") {
  std::vector<unsigned> values(32);
  for (unsigned i = 0; i < 32; ++i) values[i] = (i * 2654435761u) ^ 0x5a5au;
  Array<unsigned> source(values), result(224);
  run(reduce, 1, 32, 0, static_cast<unsigned*>(result), static_cast<unsigned*>(source));
  const std::vector<unsigned> out = result.host();
  for (std::size_t half = 0; half < 2; ++half) {
    unsigned sum = 0, low = everyone, high = 0, either = 0, both = everyone, odd = 0;
    int lowest = 0x7fffffff;
    for (std::size_t i = 16 * half; i < 16 * half + 16; ++i) {
      sum += values[i];
      low = values[i] < low ? values[i] : low;
      high = values[i] > high ? values[i] : high;
      either |= values[i];
      both &= values[i];
      odd ^= values[i];
      lowest = static_cast<int>(values[i]) < lowest ? static_cast<int>(values[i]) : lowest;
    }
    for (std::size_t i = 16 * half; i < 16 * half + 16; ++i) {
      REQUIRE(out[i] == sum);
      REQUIRE(out[32 + i] == low);
      REQUIRE(out[64 + i] == high);
      REQUIRE(out[96 + i] == either);
      REQUIRE(out[128 + i] == both);
      REQUIRE(out[160 + i] == odd);
      REQUIRE(out[192 + i] == static_cast<unsigned>(lowest));
    }
  }
}

TEST_CASE("a block's barriers vote over all its threads") {
  for (const int threads : {1, 33, 96, 1024}) {
    for (const int limit : {0, 1, threads - 1, threads}) {
      Array<int> result(3 * static_cast<std::size_t>(threads));
      run(block_votes, 1, static_cast<unsigned>(threads), 0, static_cast<int*>(result), limit);
      const std::vector<int> out = result.host();
      const auto count = static_cast<std::size_t>(threads);
      for (std::size_t i = 0; i < count; ++i) {
        REQUIRE(out[i] == limit);
        REQUIRE(out[count + i] == (limit == threads ? 1 : 0));
        REQUIRE(out[2 * count + i] == (limit > 0 ? 1 : 0));
      }
    }
  }
}

TEST_CASE("blocks sum in shared memory") {
  constexpr std::size_t blocks = 37;
  std::vector<int> in(blocks * 256);
  std::iota(in.begin(), in.end(), -1000);
  Array<int> source(in), result(blocks);
  run(block_sum, blocks, 256, 0, static_cast<int*>(result), static_cast<int*>(source));
  const std::vector<int> out = result.host();
  for (std::size_t b = 0; b < blocks; ++b) {
    REQUIRE(out[b] == std::accumulate(in.begin() + static_cast<std::ptrdiff_t>(b * 256),
                                      in.begin() + static_cast<std::ptrdiff_t>(b * 256 + 256), 0));
  }
}

TEST_CASE("a warp's barrier orders its shared memory") {
  Array<int> result(64);
  run(rotate_in_warp, 1, 64, 0, static_cast<int*>(result));
  const std::vector<int> out = result.host();
  for (std::size_t i = 0; i < 64; ++i) REQUIRE(out[i] == static_cast<int>(i / 32 * 32 + (i + 3) % 32));
}
