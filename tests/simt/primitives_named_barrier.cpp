// Barriers by number: parts of a block hand work to each other.

#include <cstddef>
#include <vector>

#include "common/named_barrier.cuh"
#include "primitives.cuh"
#include "support/catch.hpp"

using namespace primitives;
using namespace deconv::cuda;

namespace {

constexpr int full = 1, empty = 3;  // and the number after each, for two buffers

// The first 64 threads write squares into two buffers in turn, the others add them up.
__global__ void squares_by_turns(int* out, int rounds) {
  __shared__ int buffer[2][64];
  const int i = static_cast<int>(threadIdx.x % 64);
  if (threadIdx.x < 64) {
    for (int round = 0; round < rounds; ++round) {
      const int b = round % 2;
      if (round >= 2) named_barrier_sync(empty + b, 128);
      buffer[b][i] = (round + i) * (round + i);
      named_barrier_arrive(full + b, 128);
    }
  } else {
    int sum = 0;
    for (int round = 0; round < rounds; ++round) {
      const int b = round % 2;
      named_barrier_sync(full + b, 128);
      sum += buffer[b][63 - i];
      if (round + 2 < rounds) named_barrier_arrive(empty + b, 128);
    }
    out[63 - i] = sum;
  }
}

// Pairs of warps meet by themselves, at barriers whose numbers are computed.
__global__ void swaps_by_pairs(int* out) {
  __shared__ int buffer[256];
  const int i = static_cast<int>(threadIdx.x), pair = i / 64;
  buffer[i] = i;
  named_barrier_sync(pair + 1, 64);
  out[i] = buffer[i ^ 32];
  named_barrier_sync(pair + 1, 64);
  buffer[i ^ 32] = -i;
  __syncthreads();
  out[256 + i] = buffer[255 - i];
}

}  // namespace

TEST_CASE("parts of a block hand buffers to each other by numbered barriers") {
  for (const int rounds : {1, 2, 3, 10}) {
    Array<int> out(64);
    run(squares_by_turns, 3, 128, 0, static_cast<int*>(out), rounds);
    const std::vector<int> sums = out.host();
    for (int i = 0; i < 64; ++i) {
      int want = 0;
      for (int round = 0; round < rounds; ++round) want += (round + i) * (round + i);
      INFO("element " << i << " of " << rounds << " rounds");
      REQUIRE(sums[static_cast<std::size_t>(i)] == want);
    }
  }
}

TEST_CASE("pairs of warps meet at barriers of their own") {
  Array<int> out(512);
  run(swaps_by_pairs, 1, 256, 0, static_cast<int*>(out));
  const std::vector<int> got = out.host();
  for (int i = 0; i < 256; ++i) {
    REQUIRE(got[static_cast<std::size_t>(i)] == (i ^ 32));
    REQUIRE(got[static_cast<std::size_t>(256 + i)] == -((255 - i) ^ 32));
  }
}
