// The runtime that the Cuda device stands on: devices, memory, streams, copies, graphs.

#include "deconv/core/cuda/runtime.hpp"

#include <cuda_runtime.h>

#include <utility>

#include "common/launch.cuh"
#include "deconv/core/error.hpp"

namespace deconv::cuda {
namespace {

/// Does nothing; whether it can be started tells whether the kernels were built for a device.
__global__ void probe_architecture() {}

}  // namespace

int device_count() {
  int count = 0;
  const cudaError_t error = cudaGetDeviceCount(&count);
  if (error == cudaErrorInsufficientDriver || error == cudaErrorNoDevice ||
      (error == cudaSuccess && count == 0)) {
    cudaGetLastError();
    int driver = 0;
    const bool known = cudaDriverGetVersion(&driver) == cudaSuccess && driver > 0;
    if (!known) raise<DeviceError>("no CUDA driver was found on this machine");
    if (error == cudaErrorInsufficientDriver)
      raise<DeviceError>("the CUDA driver (for CUDA ", driver / 1000, ".", driver % 1000 / 10,
                         ") is older than the CUDA ", CUDART_VERSION / 1000, ".", CUDART_VERSION % 1000 / 10,
                         " that this program was built with");
    raise<DeviceError>("no CUDA device was found on this machine");
  }
  check(error, "looking for CUDA devices");
  return count;
}

DeviceProperties device_properties(int device) {
  const int count = device_count();
  require<DeviceError>(device >= 0 && device < count, "CUDA devices 0 to ", count - 1, " are there, met ",
                       device);
  cudaDeviceProp met{};
  check(cudaGetDeviceProperties(&met, device), "asking for a GPU's properties");
  return {met.name,           met.major,
          met.minor,          met.multiProcessorCount,
          met.totalGlobalMem, static_cast<std::size_t>(met.l2CacheSize)};
}

void check_device(int device) {
  const DeviceProperties properties = device_properties(device);
  const CurrentDevice current(device);
  cudaFuncAttributes attributes{};
  const cudaError_t error =
      cudaFuncGetAttributes(&attributes, reinterpret_cast<const void*>(&probe_architecture));
  if (error == cudaErrorNoKernelImageForDevice || error == cudaErrorInvalidDeviceFunction ||
      error == cudaErrorUnsupportedPtxVersion) {
    cudaGetLastError();
    raise<DeviceError>("the kernels were not built for ", properties.name, " (compute capability ",
                       properties.major, ".", properties.minor, "); set CMAKE_CUDA_ARCHITECTURES to include ",
                       properties.major, properties.minor);
  }
  check(error, "looking for kernels for this GPU");
}

void* allocate(int device, std::size_t bytes) {
  const CurrentDevice current(device);
  void* block = nullptr;
  const cudaError_t error = cudaMalloc(&block, bytes);
  if (error == cudaErrorMemoryAllocation) {
    cudaGetLastError();
    return nullptr;
  }
  check(error, "taking GPU memory");
  return block;
}

void release(int device, void* block) noexcept {
  int before = 0;
  if (cudaGetDevice(&before) != cudaSuccess) return;
  if (before != device) cudaSetDevice(device);
  cudaFree(block);
  if (before != device) cudaSetDevice(before);
}

void* allocate_pinned(std::size_t bytes) {
  void* block = nullptr;
  check(cudaHostAlloc(&block, bytes, cudaHostAllocPortable), "taking pinned host memory");
  return block;
}

void release_pinned(void* block) noexcept { cudaFreeHost(block); }

std::size_t free_memory(int device) {
  const CurrentDevice current(device);
  std::size_t free = 0, total = 0;
  check(cudaMemGetInfo(&free, &total), "asking for the GPU's memory");
  return free;
}

Stream create_stream(int device) {
  const CurrentDevice current(device);
  cudaStream_t stream = nullptr;
  check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "making a stream");
  return stream;
}

void destroy_stream(int, Stream stream) noexcept { cudaStreamDestroy(stream); }

void synchronise(int device, Stream stream) {
  const CurrentDevice current(device);
  check(cudaStreamSynchronize(stream), "waiting for the GPU");
}

void copy_to_device(int device, Stream stream, void* dst, const void* src, std::size_t bytes) {
  const CurrentDevice current(device);
  check(cudaMemcpyAsync(dst, src, bytes, cudaMemcpyHostToDevice, stream), "copying to the GPU");
}

void copy_to_host(int device, Stream stream, void* dst, const void* src, std::size_t bytes) {
  const CurrentDevice current(device);
  check(cudaMemcpyAsync(dst, src, bytes, cudaMemcpyDeviceToHost, stream), "copying from the GPU");
}

void copy_on_device(int device, Stream stream, void* dst, const void* src, std::size_t bytes) {
  const CurrentDevice current(device);
  check(cudaMemcpyAsync(dst, src, bytes, cudaMemcpyDeviceToDevice, stream), "copying on the GPU");
}

void set_bytes(int device, Stream stream, void* dst, unsigned char value, std::size_t bytes) {
  const CurrentDevice current(device);
  check(cudaMemsetAsync(dst, value, bytes, stream), "setting GPU memory");
}

Event::Event(int device) : device_(device) {
  const CurrentDevice current(device);
  check(cudaEventCreateWithFlags(&event_, cudaEventDisableTiming), "making an event");
}

Event::Event(Event&& other) noexcept { *this = std::move(other); }

Event& Event::operator=(Event&& other) noexcept {
  std::swap(device_, other.device_);
  std::swap(event_, other.event_);
  return *this;
}

Event::~Event() {
  if (event_ != nullptr) cudaEventDestroy(event_);
}

void Event::record(Stream stream) const {
  const CurrentDevice current(device_);
  check(cudaEventRecord(event_, stream), "recording an event");
}

void Event::hold(Stream stream) const {
  const CurrentDevice current(device_);
  check(cudaStreamWaitEvent(stream, event_, 0), "waiting for an event");
}

void Event::synchronise() const {
  const CurrentDevice current(device_);
  check(cudaEventSynchronize(event_), "waiting for the GPU");
}

Graph::Graph(Graph&& other) noexcept { *this = std::move(other); }

Graph& Graph::operator=(Graph&& other) noexcept {
  std::swap(device_, other.device_);
  std::swap(executable_, other.executable_);
  return *this;
}

Graph::~Graph() {
  if (executable_ != nullptr) cudaGraphExecDestroy(executable_);
}

void Graph::begin(int device, Stream stream) {
  const CurrentDevice current(device);
  // Other threads may go on allocating and copying while this one records.
  check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), "recording a CUDA graph");
}

Graph Graph::end(int device, Stream stream) {
  const CurrentDevice current(device);
  cudaGraph_t recorded = nullptr;
  check(cudaStreamEndCapture(stream, &recorded), "recording a CUDA graph");
  Graph graph;
  graph.device_ = device;
  const cudaError_t error = cudaGraphInstantiate(&graph.executable_, recorded, 0);
  cudaGraphDestroy(recorded);
  check(error, "making a CUDA graph");
  return graph;
}

void Graph::abandon(int device, Stream stream) noexcept {
  int before = 0;
  if (cudaGetDevice(&before) != cudaSuccess) return;
  if (before != device) cudaSetDevice(device);
  cudaGraph_t recorded = nullptr;
  cudaStreamEndCapture(stream, &recorded);
  if (recorded != nullptr) cudaGraphDestroy(recorded);
  cudaGetLastError();
  if (before != device) cudaSetDevice(before);
}

void Graph::launch(Stream stream) const {
  require<ArgumentError>(executable_ != nullptr, "an empty CUDA graph cannot be launched");
  const CurrentDevice current(device_);
  check(cudaGraphLaunch(executable_, stream), "starting a CUDA graph");
}

}  // namespace deconv::cuda
