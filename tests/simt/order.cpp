// The order of threads: shuffled by the seed, the same for the same seed, and of no meaning for a right
// kernel.

#include "reports.hpp"

using namespace simt;
using namespace simt::test;

namespace {

// Each thread writes down when it came.
__global__ void arrivals(int* counter, int* out) { out[threadIdx.x] = atomicAdd(counter, 1); }

__global__ void sums(float* out, const float* in) {
  __shared__ float partial[128];
  const unsigned i = threadIdx.x;
  partial[i] = in[blockIdx.x * 128 + i];
  __syncthreads();
  for (unsigned half = 64; half > 0; half /= 2) {
    if (i < half) partial[i] += partial[i + half];
    __syncthreads();
  }
  if (i == 0) out[blockIdx.x] = partial[0];
}

std::vector<int> arrivals_with(std::uint64_t with_seed) {
  Memory<int> counter(1), out(256);
  REQUIRE(cudaMemset(counter.get(), 0, 4) == cudaSuccess);
  const std::uint64_t before = seed();
  set_seed(with_seed);
  CHECK_FALSE(report_of(arrivals, 1, 256, 0, counter.get(), out.get()));
  set_seed(before);
  std::vector<int> host(256);
  REQUIRE(cudaMemcpy(host.data(), out.get(), 1024, cudaMemcpyDeviceToHost) == cudaSuccess);
  return host;
}

}  // namespace

TEST_CASE("the seed orders the threads of a block") {
  const std::vector<int> plain = arrivals_with(0), one = arrivals_with(11), again = arrivals_with(11),
                         other = arrivals_with(12);
  for (int i = 0; i < 256; ++i) CHECK(plain[static_cast<std::size_t>(i)] == i);
  CHECK(one == again);
  CHECK(one != other);
  CHECK(one != plain);
  std::vector<bool> came(256, false);
  for (const int place : one) came[static_cast<std::size_t>(place)] = true;
  CHECK(came == std::vector<bool>(256, true));
}

TEST_CASE("a right kernel gives the same bits in every order") {
  constexpr std::size_t blocks = 20;
  std::vector<float> in(blocks * 128), first;
  for (std::size_t i = 0; i < in.size(); ++i) in[i] = 1.0f / static_cast<float>(i + 1);
  Memory<float> source(in.size()), result(blocks);
  REQUIRE(cudaMemcpy(source.get(), in.data(), in.size() * 4, cudaMemcpyHostToDevice) == cudaSuccess);
  const std::uint64_t before = seed();
  for (const std::uint64_t with : {0, 1, 2, 3, 4, 5}) {
    set_seed(with);
    CHECK_FALSE(report_of(sums, blocks, 128, 0, result.get(), source.get()));
    std::vector<float> host(blocks);
    REQUIRE(cudaMemcpy(host.data(), result.get(), blocks * 4, cudaMemcpyDeviceToHost) == cudaSuccess);
    if (first.empty()) first = host;
    CHECK(host == first);
  }
  set_seed(before);
}
