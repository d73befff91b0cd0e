// Capture of a stream into a graph, and what it forbids.

#include <functional>
#include <numeric>

#include "reports.hpp"

using namespace simt;
using namespace simt::test;

namespace {

__global__ void multiply(const int* in, int* out, int factor) { out[threadIdx.x] = in[threadIdx.x] * factor; }
__global__ void out_of_bounds(int* out) { out[threadIdx.x] = 0; }

void launch_on(cudaStream_t stream, const int* in, int* out, int factor) {
  cudaLaunchConfig_t config{};
  config.gridDim = 1;
  config.blockDim = 8;
  config.stream = stream;
  REQUIRE(cudaLaunchKernelEx(&config, multiply, in, out, factor) == cudaSuccess);
}

std::vector<int> values_of(const Memory<int>& memory) {
  std::vector<int> host(8);
  REQUIRE(cudaMemcpy(host.data(), memory.get(), 32, cudaMemcpyDeviceToHost) == cudaSuccess);
  return host;
}

struct Streams {
  cudaStream_t first = nullptr, second = nullptr;
  Streams() {
    REQUIRE(cudaStreamCreateWithFlags(&first, cudaStreamNonBlocking) == cudaSuccess);
    REQUIRE(cudaStreamCreateWithFlags(&second, cudaStreamNonBlocking) == cudaSuccess);
  }
  ~Streams() {
    cudaStreamDestroy(first);
    cudaStreamDestroy(second);
    cudaGetLastError();
  }
};

cudaStreamCaptureStatus status_of(cudaStream_t stream) {
  cudaStreamCaptureStatus status = cudaStreamCaptureStatusInvalidated;
  REQUIRE(cudaStreamIsCapturing(stream, &status) == cudaSuccess);
  return status;
}

}  // namespace

TEST_CASE("a captured stream does nothing until its graph is launched, then all of it, each time") {
  Streams streams;
  Memory<int> a(8), b(8), c(8);
  std::vector<int> in(8);
  std::iota(in.begin(), in.end(), 1);
  REQUIRE(cudaMemset(b.get(), 0, 32) == cudaSuccess);
  REQUIRE(cudaMemset(c.get(), 0, 32) == cudaSuccess);

  cudaGraph_t graph = nullptr;
  cudaGraphExec_t executable = nullptr;
  CHECK(status_of(streams.first) == cudaStreamCaptureStatusNone);
  REQUIRE(cudaStreamBeginCapture(streams.first, cudaStreamCaptureModeThreadLocal) == cudaSuccess);
  CHECK(status_of(streams.first) == cudaStreamCaptureStatusActive);
  REQUIRE(cudaMemcpyAsync(a.get(), in.data(), 32, cudaMemcpyHostToDevice, streams.first) == cudaSuccess);
  launch_on(streams.first, a.get(), b.get(), 3);
  launch_on(streams.first, b.get(), c.get(), 5);
  REQUIRE(cudaStreamEndCapture(streams.first, &graph) == cudaSuccess);
  std::size_t nodes = 0;
  REQUIRE(cudaGraphGetNodes(graph, nullptr, &nodes) == cudaSuccess);
  CHECK(nodes == 3);
  REQUIRE(cudaGraphInstantiate(&executable, graph) == cudaSuccess);
  REQUIRE(cudaGraphDestroy(graph) == cudaSuccess);
  CHECK(values_of(c) == std::vector<int>(8, 0));

  for (int round = 1; round <= 3; ++round) {
    for (int& value : in) value += round;  // the copy reads its source when the graph runs
    REQUIRE(cudaGraphLaunch(executable, streams.second) == cudaSuccess);
    REQUIRE(cudaStreamSynchronize(streams.second) == cudaSuccess);
    std::vector<int> want = in;
    for (int& value : want) value *= 15;
    CHECK(values_of(c) == want);
  }
  REQUIRE(cudaGraphExecDestroy(executable) == cudaSuccess);
}

TEST_CASE("a second stream joins a capture through an event") {
  Streams streams;
  Memory<int> a(8), b(8), c(8);
  cudaEvent_t fork = nullptr, join = nullptr;
  REQUIRE(cudaEventCreateWithFlags(&fork, cudaEventDisableTiming) == cudaSuccess);
  REQUIRE(cudaEventCreateWithFlags(&join, cudaEventDisableTiming) == cudaSuccess);
  REQUIRE(cudaMemset(a.get(), 1, 32) == cudaSuccess);
  REQUIRE(cudaStreamBeginCapture(streams.first, cudaStreamCaptureModeThreadLocal) == cudaSuccess);
  launch_on(streams.first, a.get(), b.get(), 2);
  REQUIRE(cudaEventRecord(fork, streams.first) == cudaSuccess);
  REQUIRE(cudaStreamWaitEvent(streams.second, fork) == cudaSuccess);
  CHECK(status_of(streams.second) == cudaStreamCaptureStatusActive);
  launch_on(streams.second, b.get(), c.get(), 3);
  REQUIRE(cudaEventRecord(join, streams.second) == cudaSuccess);
  REQUIRE(cudaStreamWaitEvent(streams.first, join) == cudaSuccess);
  cudaGraph_t graph = nullptr;
  CHECK(cudaStreamEndCapture(streams.second, &graph) == cudaErrorStreamCaptureUnmatched);
  REQUIRE(cudaStreamEndCapture(streams.first, &graph) == cudaSuccess);
  CHECK(status_of(streams.second) == cudaStreamCaptureStatusNone);
  cudaGraphExec_t executable = nullptr;
  REQUIRE(cudaGraphInstantiate(&executable, graph) == cudaSuccess);
  REQUIRE(cudaGraphLaunch(executable, streams.first) == cudaSuccess);
  CHECK(values_of(c) == std::vector<int>(8, 0x01010101 * 6));
  cudaGraphExecDestroy(executable);
  cudaGraphDestroy(graph);
  cudaEventDestroy(fork);
  cudaEventDestroy(join);
}

TEST_CASE("what waits or allocates spoils a capture") {
  Streams streams;
  Memory<int> a(8);
  void* pointer = nullptr;
  const auto spoiled_by = [&](const std::function<cudaError_t()>& call) {
    REQUIRE(cudaStreamBeginCapture(streams.first, cudaStreamCaptureModeThreadLocal) == cudaSuccess);
    const cudaError_t error = call();
    CHECK(status_of(streams.first) == cudaStreamCaptureStatusInvalidated);
    cudaGraph_t graph = nullptr;
    CHECK(cudaStreamEndCapture(streams.first, &graph) == cudaErrorStreamCaptureInvalidated);
    CHECK(graph == nullptr);
    return error;
  };
  CHECK(spoiled_by([&] { return cudaStreamSynchronize(streams.first); }) ==
        cudaErrorStreamCaptureUnsupported);
  CHECK(spoiled_by([&] { return cudaDeviceSynchronize(); }) == cudaErrorStreamCaptureUnsupported);
  CHECK(spoiled_by([&] { return cudaMalloc(&pointer, 4); }) == cudaErrorStreamCaptureUnsupported);
  CHECK(spoiled_by([&] { return cudaFree(a.get()); }) == cudaErrorStreamCaptureUnsupported);
  CHECK(spoiled_by([&] {
          int value = 0;
          return cudaMemcpy(&value, a.get(), 4, cudaMemcpyDeviceToHost);
        }) == cudaErrorStreamCaptureUnsupported);
  CHECK(cudaStreamSynchronize(streams.first) == cudaSuccess);

  // A thread may say that it knows what it does.
  REQUIRE(cudaStreamBeginCapture(streams.first, cudaStreamCaptureModeThreadLocal) == cudaSuccess);
  cudaStreamCaptureMode mode = cudaStreamCaptureModeRelaxed;
  REQUIRE(cudaThreadExchangeStreamCaptureMode(&mode) == cudaSuccess);
  CHECK(cudaMalloc(&pointer, 4) == cudaSuccess);
  REQUIRE(cudaThreadExchangeStreamCaptureMode(&mode) == cudaSuccess);
  cudaGraph_t graph = nullptr;
  CHECK(cudaStreamEndCapture(streams.first, &graph) == cudaSuccess);
  CHECK(cudaGraphDestroy(graph) == cudaSuccess);
  CHECK(cudaFree(pointer) == cudaSuccess);
  CHECK(cudaStreamBeginCapture(nullptr, cudaStreamCaptureModeGlobal) == cudaErrorStreamCaptureUnsupported);
}

TEST_CASE("a kernel's mistake inside a graph is thrown by its launch") {
  Streams streams;
  Memory<int> a(8);
  cudaLaunchConfig_t config{};
  config.gridDim = 1;
  config.blockDim = 9;
  config.stream = streams.first;
  REQUIRE(cudaStreamBeginCapture(streams.first, cudaStreamCaptureModeThreadLocal) == cudaSuccess);
  REQUIRE(cudaLaunchKernelEx(&config, out_of_bounds, a.get()) == cudaSuccess);
  cudaGraph_t graph = nullptr;
  REQUIRE(cudaStreamEndCapture(streams.first, &graph) == cudaSuccess);
  cudaGraphExec_t executable = nullptr;
  REQUIRE(cudaGraphInstantiate(&executable, graph) == cudaSuccess);
  bool thrown = false;
  try {
    cudaGraphLaunch(executable, streams.first);
  } catch (const Violation& violation) {
    thrown = violation.mistake == Mistake::out_of_bounds && violation.thread == Position{8, 0, 0};
  }
  CHECK(thrown);
  cudaGraphExecDestroy(executable);
  cudaGraphDestroy(graph);
}
