// Streams that keep their work for later: what waits is right in every order, what forgot to wait is not.

#include <cstring>
#include <vector>

#include "reports.hpp"
#include "simt/stream_order.hpp"

using namespace simt;
using namespace simt::test;

namespace {

constexpr int count = 64;

__global__ void add_one(int* values) { ++values[threadIdx.x]; }

void launch_on(cudaStream_t stream, int* values) {
  cudaLaunchConfig_t config{};
  config.gridDim = 1;
  config.blockDim = count;
  config.stream = stream;
  REQUIRE(cudaLaunchKernelEx(&config, add_one, values) == cudaSuccess);
}

struct Bench {
  cudaStream_t first = nullptr, second = nullptr;
  cudaEvent_t event = nullptr;
  int* pinned = nullptr;
  Bench() {
    REQUIRE(cudaStreamCreateWithFlags(&first, cudaStreamNonBlocking) == cudaSuccess);
    REQUIRE(cudaStreamCreateWithFlags(&second, cudaStreamNonBlocking) == cudaSuccess);
    REQUIRE(cudaEventCreateWithFlags(&event, cudaEventDisableTiming) == cudaSuccess);
    REQUIRE(cudaHostAlloc(&pinned, count * sizeof(int), cudaHostAllocDefault) == cudaSuccess);
  }
  ~Bench() {
    cudaFreeHost(pinned);
    cudaEventDestroy(event);
    cudaStreamDestroy(first);
    cudaStreamDestroy(second);
  }
};

/// One stream adds one, then another does: the sum of both, or less where the second did not wait.
int after_two_streams(bool waits, std::uint64_t seed) {
  Bench bench;
  Memory<int> values(count);
  REQUIRE(cudaMemset(values.get(), 0, count * sizeof(int)) == cudaSuccess);
  std::vector<int> host(count);
  const ShuffledStreams shuffled(seed);
  for (int i = 0; i < 3; ++i) launch_on(bench.first, values.get());
  REQUIRE(cudaEventRecord(bench.event, bench.first) == cudaSuccess);
  if (waits) REQUIRE(cudaStreamWaitEvent(bench.second, bench.event, 0) == cudaSuccess);
  REQUIRE(cudaMemcpyAsync(host.data(), values.get(), count * sizeof(int), cudaMemcpyDeviceToHost,
                          bench.second) == cudaSuccess);
  REQUIRE(cudaStreamSynchronize(bench.second) == cudaSuccess);
  return host[0];
}

/// Copies from pinned memory that is overwritten afterwards.
int after_reuse(bool waits, std::uint64_t seed) {
  Bench bench;
  Memory<int> values(count);
  std::vector<int> host(count);
  const ShuffledStreams shuffled(seed);
  std::fill_n(bench.pinned, count, 1);
  REQUIRE(cudaMemcpyAsync(values.get(), bench.pinned, count * sizeof(int), cudaMemcpyHostToDevice,
                          bench.first) == cudaSuccess);
  REQUIRE(cudaEventRecord(bench.event, bench.first) == cudaSuccess);
  if (waits) REQUIRE(cudaEventSynchronize(bench.event) == cudaSuccess);
  std::fill_n(bench.pinned, count, 2);
  REQUIRE(cudaMemcpyAsync(host.data(), values.get(), count * sizeof(int), cudaMemcpyDeviceToHost,
                          bench.first) == cudaSuccess);
  return host[0];
}

template <class Run>
void check_orders(const Run& run, int right) {
  bool wrong = false;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    CHECK(run(true, seed) == right);
    wrong = wrong || run(false, seed) != right;
  }
  CHECK(wrong);
}

}  // namespace

TEST_CASE(
    "in some order a stream that does not wait for another comes too early; one that waits never does") {
  check_orders(after_two_streams, 3);
}

TEST_CASE("in some order pinned memory that is overwritten too early is copied anew") {
  check_orders(after_reuse, 1);
}

TEST_CASE("copies from ordinary memory have taken it when they return, and copies to it are done") {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    Bench bench;
    Memory<int> values(count);
    std::vector<int> host(count, 5), back(count, 0);
    const ShuffledStreams shuffled(seed);
    REQUIRE(cudaMemcpyAsync(values.get(), host.data(), count * sizeof(int), cudaMemcpyHostToDevice,
                            bench.first) == cudaSuccess);
    std::fill(host.begin(), host.end(), 6);
    launch_on(bench.first, values.get());
    REQUIRE(cudaMemcpyAsync(back.data(), values.get(), count * sizeof(int), cudaMemcpyDeviceToHost,
                            bench.first) == cudaSuccess);
    CHECK(back[0] == 6);
    CHECK(back[count - 1] == 6);
    // The default stream comes after all.
    launch_on(bench.first, values.get());
    REQUIRE(cudaMemcpy(back.data(), values.get(), count * sizeof(int), cudaMemcpyDeviceToHost) ==
            cudaSuccess);
    CHECK(back[0] == 7);
  }
}

TEST_CASE("graphs are launched in their stream's turn") {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    Bench bench;
    Memory<int> values(count);
    REQUIRE(cudaMemset(values.get(), 0, count * sizeof(int)) == cudaSuccess);
    std::vector<int> host(count);
    const ShuffledStreams shuffled(seed);
    cudaGraph_t graph = nullptr;
    cudaGraphExec_t executable = nullptr;
    REQUIRE(cudaStreamBeginCapture(bench.first, cudaStreamCaptureModeThreadLocal) == cudaSuccess);
    launch_on(bench.first, values.get());
    REQUIRE(cudaStreamEndCapture(bench.first, &graph) == cudaSuccess);
    REQUIRE(cudaGraphInstantiate(&executable, graph, 0) == cudaSuccess);
    for (int i = 0; i < 4; ++i) REQUIRE(cudaGraphLaunch(executable, bench.first) == cudaSuccess);
    REQUIRE(cudaEventRecord(bench.event, bench.first) == cudaSuccess);
    REQUIRE(cudaStreamWaitEvent(bench.second, bench.event, 0) == cudaSuccess);
    launch_on(bench.second, values.get());
    REQUIRE(cudaMemcpyAsync(host.data(), values.get(), count * sizeof(int), cudaMemcpyDeviceToHost,
                            bench.second) == cudaSuccess);
    CHECK(host[7] == 5);
    REQUIRE(cudaGraphExecDestroy(executable) == cudaSuccess);
    REQUIRE(cudaGraphDestroy(graph) == cudaSuccess);
  }
}
