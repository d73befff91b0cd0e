// The runtime API of the emulated device: memory, copies, streams, launches' limits, pretended faults.

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <numeric>
#include <thread>

#include "common/shared_memory.cuh"
#include "reports.hpp"

using namespace simt;
using namespace simt::test;

namespace {

__global__ void add_one(int* data) { data[blockIdx.x * blockDim.x + threadIdx.x] += 1; }

__global__ void places(unsigned* out) {
  const unsigned block = (blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
  const unsigned thread = (threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x;
  const unsigned threads = blockDim.x * blockDim.y * blockDim.z;
  out[block * threads + thread] += block * 1000 + thread;
}

__global__ void fills_dynamic(int* out, int words) {
  int* const memory = deconv::cuda::dynamic_shared<int>();
  for (int i = 0; i < words; ++i) memory[i] = i;
  *out = memory[words - 1];
}

__global__ void has_static(int* out) {
  __shared__ int memory[8192];  // 32 KiB
  memory[threadIdx.x] = 1;
  out[threadIdx.x] = memory[threadIdx.x] + deconv::cuda::dynamic_shared<int>()[0];
}

template <class... Parameters, class... Arguments>
cudaError_t launch(void (*kernel)(Parameters...), dim3 grid, dim3 block, std::size_t shared_bytes,
                   Arguments... arguments) {
  cudaLaunchConfig_t config{};
  config.gridDim = grid;
  config.blockDim = block;
  config.dynamicSmemBytes = shared_bytes;
  return cudaLaunchKernelEx(&config, kernel, static_cast<Parameters>(arguments)...);
}

/// Pretends a fault while it lives.
struct Pretended {
  explicit Pretended(Fault fault) { set_fault(fault); }
  ~Pretended() {
    set_fault(Fault::none);
    cudaGetLastError();
  }
};

}  // namespace

TEST_CASE("the device says what it is") {
  int count = 0;
  REQUIRE(cudaGetDeviceCount(&count) == cudaSuccess);
  CHECK(count == 1);
  cudaDeviceProp properties;
  REQUIRE(cudaGetDeviceProperties(&properties, 0) == cudaSuccess);
  CHECK(std::string(properties.name) == "emulated CUDA device");
  CHECK(properties.warpSize == 32);
  CHECK(cudaGetDeviceProperties(&properties, 1) == cudaErrorInvalidDevice);
  CHECK(cudaSetDevice(1) == cudaErrorInvalidDevice);
  CHECK(cudaGetLastError() == cudaErrorInvalidDevice);
  CHECK(cudaGetLastError() == cudaSuccess);
  int value = 0;
  REQUIRE(cudaDeviceGetAttribute(&value, cudaDevAttrMaxSharedMemoryPerBlockOptin, 0) == cudaSuccess);
  CHECK(value == 227 * 1024);
}

TEST_CASE("copies go where they say, and are checked") {
  std::vector<int> host(100), back(100);
  std::iota(host.begin(), host.end(), 0);
  Memory<int> a(100), b(100);
  REQUIRE(cudaMemcpy(a.get(), host.data(), 400, cudaMemcpyHostToDevice) == cudaSuccess);
  REQUIRE(cudaMemcpy(b.get(), a.get(), 400, cudaMemcpyDeviceToDevice) == cudaSuccess);
  REQUIRE(cudaMemcpy(back.data(), b.get(), 400, cudaMemcpyDefault) == cudaSuccess);
  CHECK(back == host);
  REQUIRE(cudaMemset(a.get() + 10, 0, 40) == cudaSuccess);
  REQUIRE(cudaMemcpy(back.data(), a.get(), 400, cudaMemcpyDeviceToHost) == cudaSuccess);
  for (int i = 0; i < 100; ++i) CHECK(back[static_cast<std::size_t>(i)] == (i >= 10 && i < 20 ? 0 : i));

  CHECK(cudaMemcpy(a.get(), host.data(), 401, cudaMemcpyHostToDevice) == cudaErrorInvalidValue);
  CHECK(cudaMemcpy(a.get() + 1, host.data(), 400, cudaMemcpyHostToDevice) == cudaErrorInvalidValue);
  CHECK(cudaMemcpy(back.data(), host.data(), 400, cudaMemcpyDeviceToHost) == cudaErrorInvalidValue);
  CHECK(cudaMemcpy(b.get(), a.get(), 400, cudaMemcpyDeviceToHost) == cudaErrorInvalidValue);
  CHECK(cudaMemset(a.get(), 0, 401) == cudaErrorInvalidValue);
  CHECK(cudaFree(a.get() + 1) == cudaErrorInvalidValue);
  CHECK(cudaGetLastError() == cudaErrorInvalidValue);
}

TEST_CASE("device memory starts as NaN, is counted, and ends at its limit") {
  const std::size_t before = allocated_bytes(), number = allocation_count();
  {
    Memory<float> memory(1000);
    CHECK(allocated_bytes() == before + 4000);
    CHECK(allocation_count() == number + 1);
    std::vector<float> host(1000, 0.0f);
    REQUIRE(cudaMemcpy(host.data(), memory.get(), 4000, cudaMemcpyDeviceToHost) == cudaSuccess);
    for (const float value : host) REQUIRE(value != value);
  }
  CHECK(allocated_bytes() == before);

  std::size_t free_bytes = 0, total = 0;
  set_memory_limit(before + (1 << 20));
  REQUIRE(cudaMemGetInfo(&free_bytes, &total) == cudaSuccess);
  CHECK(free_bytes == 1 << 20);
  void* pointer = &free_bytes;
  CHECK(cudaMalloc(&pointer, (1 << 20) + 1) == cudaErrorMemoryAllocation);
  CHECK(pointer == nullptr);
  CHECK(cudaGetLastError() == cudaErrorMemoryAllocation);
  CHECK(cudaMalloc(&pointer, 1 << 20) == cudaSuccess);
  CHECK(cudaFree(pointer) == cudaSuccess);
  set_memory_limit(std::size_t{16} << 30);
}

TEST_CASE("many allocations stand apart and come back") {
  std::vector<char*> pointers;
  for (std::size_t i = 0; i < 500; ++i) {
    char* pointer = nullptr;
    REQUIRE(cudaMalloc(&pointer, i * 37 + 1) == cudaSuccess);
    REQUIRE(reinterpret_cast<std::uintptr_t>(pointer) % 256 == 0);
    REQUIRE(cudaMemset(pointer, static_cast<int>(i % 256), i * 37 + 1) == cudaSuccess);
    pointers.push_back(pointer);
    if (i % 3 == 0) {
      REQUIRE(cudaFree(pointers[i / 2]) == cudaSuccess);
      REQUIRE(cudaMalloc(&pointers[i / 2], i / 2 * 37 + 1) == cudaSuccess);
      REQUIRE(cudaMemset(pointers[i / 2], static_cast<int>(i / 2 % 256), i / 2 * 37 + 1) == cudaSuccess);
    }
  }
  for (std::size_t i = 0; i < pointers.size(); ++i) {
    std::vector<unsigned char> host(i * 37 + 1);
    REQUIRE(cudaMemcpy(host.data(), pointers[i], host.size(), cudaMemcpyDeviceToHost) == cudaSuccess);
    for (const unsigned char byte : host) REQUIRE(byte == i % 256);
    REQUIRE(cudaFree(pointers[i]) == cudaSuccess);
  }
}

TEST_CASE("the host cannot follow a device pointer") {
  Memory<int> memory(10);
  Memory<int> other(10);
  REQUIRE(launch(add_one, 1, 10, 0, other.get()) == cudaSuccess);  // closed again after a launch
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    std::signal(SIGSEGV, SIG_DFL);
    volatile int* pointer = memory.get();
    _exit(*pointer == 0 ? 1 : 2);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(WIFSIGNALED(status));
  CHECK(WTERMSIG(status) == SIGSEGV);
}

TEST_CASE("every thread of every block runs once, at its place") {
  const dim3 grid(3, 4, 2), block(5, 3, 4);
  constexpr std::size_t count = 24 * 60;
  Memory<unsigned> memory(count);
  REQUIRE(cudaMemset(memory.get(), 0, count * 4) == cudaSuccess);
  REQUIRE(launch(places, grid, block, 0, memory.get()) == cudaSuccess);
  std::vector<unsigned> host(count);
  REQUIRE(cudaMemcpy(host.data(), memory.get(), count * 4, cudaMemcpyDeviceToHost) == cudaSuccess);
  for (std::size_t i = 0; i < count; ++i) REQUIRE(host[i] == i / 60 * 1000 + i % 60);
}

TEST_CASE("launches beyond the device's limits are refused") {
  Memory<int> memory(4096);
  CHECK(launch(add_one, 1, 1025, 0, memory.get()) == cudaErrorInvalidConfiguration);
  CHECK(launch(add_one, 1, dim3(32, 33), 0, memory.get()) == cudaErrorInvalidConfiguration);
  CHECK(launch(add_one, 1, dim3(1, 1, 65), 0, memory.get()) == cudaErrorInvalidConfiguration);
  CHECK(launch(add_one, 0, 32, 0, memory.get()) == cudaErrorInvalidConfiguration);
  CHECK(launch(add_one, dim3(1, 65536), 1, 0, memory.get()) == cudaErrorInvalidConfiguration);
  CHECK(launch(add_one, dim3(1, 1, 65536), 1, 0, memory.get()) == cudaErrorInvalidConfiguration);
  CHECK(launch(add_one, 0x80000000u, 1, 0, memory.get()) == cudaErrorInvalidConfiguration);
  CHECK(cudaGetLastError() == cudaErrorInvalidConfiguration);
  CHECK(launch(add_one, 4, 1024, 0, memory.get()) == cudaSuccess);
}

TEST_CASE("more than 48 KiB of shared memory must be asked for, and 227 KiB is all") {
  Memory<int> memory(1024);
  const auto allow = [](int bytes) {
    return cudaFuncSetAttribute(fills_dynamic, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes);
  };
  CHECK(launch(fills_dynamic, 1, 1, 48 * 1024, memory.get(), 12 * 1024) == cudaSuccess);
  CHECK(launch(fills_dynamic, 1, 1, 48 * 1024 + 4, memory.get(), 12 * 1024) == cudaErrorInvalidValue);
  CHECK(allow(227 * 1024 + 1) == cudaErrorInvalidValue);
  REQUIRE(allow(227 * 1024) == cudaSuccess);
  CHECK(launch(fills_dynamic, 1, 1, 227 * 1024, memory.get(), 227 * 256) == cudaSuccess);
  int last = 0;
  REQUIRE(cudaMemcpy(&last, memory.get(), 4, cudaMemcpyDeviceToHost) == cudaSuccess);
  CHECK(last == 227 * 256 - 1);
  CHECK(launch(fills_dynamic, 1, 1, 227 * 1024 + 4, memory.get(), 1) == cudaErrorInvalidValue);
  REQUIRE(allow(48 * 1024) == cudaSuccess);

  // Static shared memory counts.
  cudaFuncAttributes attributes;
  REQUIRE(cudaFuncGetAttributes(&attributes, has_static) == cudaSuccess);
  CHECK(attributes.sharedSizeBytes == 32 * 1024);
  CHECK(launch(has_static, 1, 1, 16 * 1024 + 4, memory.get()) == cudaErrorInvalidValue);
  int blocks = 0;
  REQUIRE(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, has_static, 256, 0) == cudaSuccess);
  CHECK(blocks == 6);
  cudaGetLastError();
}

TEST_CASE("events and streams keep order and time") {
  cudaStream_t stream = nullptr;
  cudaEvent_t start = nullptr, stop = nullptr, untimed = nullptr;
  REQUIRE(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking) == cudaSuccess);
  REQUIRE(cudaEventCreate(&start) == cudaSuccess);
  REQUIRE(cudaEventCreate(&stop) == cudaSuccess);
  REQUIRE(cudaEventCreateWithFlags(&untimed, cudaEventDisableTiming) == cudaSuccess);
  float milliseconds = -1;
  CHECK(cudaEventElapsedTime(&milliseconds, start, stop) == cudaErrorInvalidResourceHandle);
  REQUIRE(cudaEventRecord(start, stream) == cudaSuccess);
  REQUIRE(cudaEventRecord(stop, stream) == cudaSuccess);
  REQUIRE(cudaEventSynchronize(stop) == cudaSuccess);
  REQUIRE(cudaEventElapsedTime(&milliseconds, start, stop) == cudaSuccess);
  CHECK(milliseconds >= 0);
  REQUIRE(cudaEventRecord(untimed, stream) == cudaSuccess);
  CHECK(cudaEventElapsedTime(&milliseconds, start, untimed) == cudaErrorInvalidResourceHandle);
  CHECK(cudaStreamWaitEvent(nullptr, stop) == cudaSuccess);
  CHECK(cudaStreamQuery(stream) == cudaSuccess);
  for (const cudaEvent_t event : {start, stop, untimed}) CHECK(cudaEventDestroy(event) == cudaSuccess);
  CHECK(cudaStreamDestroy(stream) == cudaSuccess);
  CHECK(cudaStreamSynchronize(stream) == cudaErrorInvalidResourceHandle);
  CHECK(cudaEventDestroy(start) == cudaErrorInvalidResourceHandle);
  cudaGetLastError();
}

TEST_CASE("the device can pretend to be missing, too old or without a driver") {
  Memory<int> memory(32);
  void* pointer = nullptr;
  int count = -1;
  {
    const Pretended fault(Fault::no_driver);
    CHECK(cudaGetDeviceCount(&count) == cudaErrorInsufficientDriver);
    CHECK(count == 0);
    CHECK(cudaMalloc(&pointer, 4) == cudaErrorInsufficientDriver);
    CHECK(launch(add_one, 1, 32, 0, memory.get()) == cudaErrorInsufficientDriver);
  }
  {
    const Pretended fault(Fault::no_device);
    CHECK(cudaGetDeviceCount(&count) == cudaErrorNoDevice);
    CHECK(cudaSetDevice(0) == cudaErrorNoDevice);
  }
  {
    const Pretended fault(Fault::old_architecture);
    CHECK(cudaGetDeviceCount(&count) == cudaSuccess);
    CHECK(launch(add_one, 1, 32, 0, memory.get()) == cudaErrorNoKernelImageForDevice);
    CHECK_THAT(std::string(cudaGetErrorString(cudaErrorNoKernelImageForDevice)), Contains("no kernel image"));
    CHECK(std::string(cudaGetErrorName(cudaGetLastError())) == "cudaErrorNoKernelImageForDevice");
  }
  CHECK(launch(add_one, 1, 32, 0, memory.get()) == cudaSuccess);
}

TEST_CASE("many threads of the host may use the device at once") {
  constexpr int count = 4, rounds = 20;
  std::vector<std::thread> threads;
  std::vector<int> bad(count, 0);
  for (int t = 0; t < count; ++t) {
    threads.emplace_back([&bad, t] {
      int* data = nullptr;
      bad[static_cast<std::size_t>(t)] += cudaMalloc(&data, 4096) != cudaSuccess;
      bad[static_cast<std::size_t>(t)] += cudaMemset(data, 0, 4096) != cudaSuccess;
      for (int r = 0; r < rounds; ++r)
        bad[static_cast<std::size_t>(t)] += launch(add_one, 8, 128, 0, data) != cudaSuccess;
      std::vector<int> host(1024);
      bad[static_cast<std::size_t>(t)] +=
          cudaMemcpy(host.data(), data, 4096, cudaMemcpyDeviceToHost) != cudaSuccess;
      for (const int value : host) bad[static_cast<std::size_t>(t)] += value != rounds;
      bad[static_cast<std::size_t>(t)] += cudaFree(data) != cudaSuccess;
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const int b : bad) CHECK(b == 0);
}
