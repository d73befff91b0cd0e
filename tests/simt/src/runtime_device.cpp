// The device's properties, and the checks of a launch.

#include <cstring>
#include <map>
#include <mutex>

#include "program.hpp"
#include "runtime.hpp"
#include "worker.hpp"

namespace simt {
namespace {

constexpr std::size_t plain_shared_bytes = 48 * 1024;  // more needs cudaFuncSetAttribute
constexpr unsigned max_grid_x = 0x7fffffffu, max_grid_yz = 65535, max_block_z = 64;

struct Functions {
  std::mutex mutex;
  std::map<const void*, int> dynamic_limit;
};
Functions& functions() {
  static Functions* instance = new Functions;
  return *instance;
}

std::size_t dynamic_limit(const void* kernel, std::size_t static_bytes) {
  const std::lock_guard lock(functions().mutex);
  const auto found = functions().dynamic_limit.find(kernel);
  if (found != functions().dynamic_limit.end()) return static_cast<std::size_t>(found->second);
  return static_bytes < plain_shared_bytes ? plain_shared_bytes - static_bytes : 0;
}

}  // namespace

cudaError_t set_function_attribute(const void* kernel, cudaFuncAttribute attribute, int value) {
  SIMT_REQUIRE_DEVICE;
  if (!kernel) return noted(cudaErrorInvalidDeviceFunction);
  if (architecture_is_old()) return noted(cudaErrorNoKernelImageForDevice);
  if (attribute == cudaFuncAttributePreferredSharedMemoryCarveout)
    return cudaSuccess;  // there is no L1 to divide
  const std::size_t static_bytes = Program::instance().static_shared_bytes(kernel);
  if (attribute != cudaFuncAttributeMaxDynamicSharedMemorySize || value < 0 ||
      static_cast<std::size_t>(value) + static_bytes > Worker::max_shared_bytes) {
    return noted(cudaErrorInvalidValue);
  }
  const std::lock_guard lock(functions().mutex);
  functions().dynamic_limit[kernel] = value;
  return cudaSuccess;
}

cudaError_t function_attributes(cudaFuncAttributes* attributes, const void* kernel) {
  SIMT_REQUIRE_DEVICE;
  if (!attributes || !kernel) return noted(cudaErrorInvalidDeviceFunction);
  if (architecture_is_old()) return noted(cudaErrorNoKernelImageForDevice);
  *attributes = {};
  attributes->sharedSizeBytes = Program::instance().static_shared_bytes(kernel);
  attributes->maxThreadsPerBlock = static_cast<int>(Worker::max_threads);
  attributes->numRegs = 64;
  attributes->ptxVersion = attributes->binaryVersion = 90;
  attributes->maxDynamicSharedSizeBytes =
      static_cast<int>(dynamic_limit(kernel, attributes->sharedSizeBytes));
  return cudaSuccess;
}

cudaError_t blocks_per_multiprocessor(int* blocks, const void* kernel, int block_size,
                                      std::size_t shared_bytes) {
  SIMT_REQUIRE_DEVICE;
  if (!blocks || !kernel || block_size <= 0) return noted(cudaErrorInvalidValue);
  if (architecture_is_old()) return noted(cudaErrorNoKernelImageForDevice);
  const std::size_t used = shared_bytes + Program::instance().static_shared_bytes(kernel) + 1024;
  if (block_size > 1024 || used > Worker::max_shared_bytes + 1024) {
    *blocks = 0;
    return cudaSuccess;
  }
  const std::size_t by_shared = 228 * 1024 / used;
  const std::size_t by_threads = 2048u / static_cast<unsigned>((block_size + 31) / 32 * 32);
  *blocks = static_cast<int>(std::min({by_shared, by_threads, std::size_t{32}}));
  return cudaSuccess;
}

cudaError_t enqueue_launch(cudaStream_t stream, Launch launch, const cudaLaunchAttribute* attributes,
                           unsigned attribute_count) {
  SIMT_REQUIRE_DEVICE;
  if (!launch.kernel) return noted(cudaErrorInvalidDeviceFunction);
  if (architecture_is_old()) return noted(cudaErrorNoKernelImageForDevice);
  for (unsigned i = 0; i < attribute_count; ++i) {
    const cudaLaunchAttribute& a = attributes[i];
    const bool clustered = a.id == cudaLaunchAttributeClusterDimension &&
                           a.val.clusterDim.x * a.val.clusterDim.y * a.val.clusterDim.z > 1;
    const bool cooperative = a.id == cudaLaunchAttributeCooperative && a.val.cooperative;
    if (clustered || cooperative) return noted(cudaErrorNotSupported);  // blocks never run together here
  }
  const dim3 g = launch.grid, b = launch.block;
  if (g.x == 0 || g.y == 0 || g.z == 0 || g.x > max_grid_x || g.y > max_grid_yz || g.z > max_grid_yz ||
      b.x == 0 || b.y == 0 || b.z == 0 || b.x > Worker::max_threads || b.y > Worker::max_threads ||
      b.z > max_block_z || std::uint64_t{b.x} * b.y * b.z > Worker::max_threads) {
    return noted(cudaErrorInvalidConfiguration);
  }
  if (launch.shared_bytes > 0) {
    const std::size_t static_bytes = Program::instance().static_shared_bytes(launch.kernel);
    if (launch.shared_bytes > dynamic_limit(launch.kernel, static_bytes)) return noted(cudaErrorInvalidValue);
  }
  return enqueue(stream, [launch = std::move(launch)] { run_launch(launch); });
}

}  // namespace simt

using simt::noted;

cudaError_t cudaDriverGetVersion(int* version) {
  // Without a driver CUDA answers 0 here.
  *version = simt::device_present() == cudaErrorInsufficientDriver ? 0 : CUDART_VERSION;
  return cudaSuccess;
}
cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = CUDART_VERSION;
  return cudaSuccess;
}
cudaError_t cudaGetDeviceCount(int* count) {
  *count = 0;
  SIMT_REQUIRE_DEVICE;
  *count = 1;
  return cudaSuccess;
}
cudaError_t cudaSetDevice(int device) {
  SIMT_REQUIRE_DEVICE;
  return device == 0 ? cudaSuccess : noted(cudaErrorInvalidDevice);
}
cudaError_t cudaGetDevice(int* device) {
  SIMT_REQUIRE_DEVICE;
  *device = 0;
  return cudaSuccess;
}
cudaError_t cudaSetDeviceFlags(unsigned) {
  SIMT_REQUIRE_DEVICE;
  return cudaSuccess;
}
cudaError_t cudaDeviceReset() {
  SIMT_REQUIRE_DEVICE;
  return cudaSuccess;
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* p, int device) {
  SIMT_REQUIRE_DEVICE;
  if (!p) return noted(cudaErrorInvalidValue);
  if (device != 0) return noted(cudaErrorInvalidDevice);
  *p = {};
  std::strcpy(p->name, "emulated CUDA device");
  p->totalGlobalMem = simt::DeviceMemory::instance().limit();
  p->sharedMemPerBlock = simt::plain_shared_bytes;
  p->sharedMemPerBlockOptin = simt::Worker::max_shared_bytes;
  p->sharedMemPerMultiprocessor = 228 * 1024;
  p->reservedSharedMemPerBlock = 1024;
  p->regsPerBlock = p->regsPerMultiprocessor = 65536;
  p->warpSize = 32;
  p->maxThreadsPerBlock = simt::Worker::max_threads;
  p->maxThreadsDim[0] = p->maxThreadsDim[1] = 1024;
  p->maxThreadsDim[2] = simt::max_block_z;
  p->maxGridSize[0] = simt::max_grid_x;
  p->maxGridSize[1] = p->maxGridSize[2] = simt::max_grid_yz;
  p->totalConstMem = 65536;
  p->major = simt::architecture_is_old() ? 3 : 9;
  p->minor = simt::architecture_is_old() ? 5 : 0;
  p->multiProcessorCount = 4;  // few, so that grids sized by it stay small
  p->maxThreadsPerMultiProcessor = 2048;
  p->maxBlocksPerMultiProcessor = 32;
  p->l2CacheSize = 4 << 20;
  p->memoryBusWidth = 64;
  p->unifiedAddressing = p->canMapHostMemory = p->concurrentKernels = p->memoryPoolsSupported = 1;
  p->asyncEngineCount = 1;
  return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device) {
  cudaDeviceProp p;
  if (const cudaError_t error = cudaGetDeviceProperties(&p, device); error != cudaSuccess) return error;
  switch (attribute) {
    case cudaDevAttrMaxThreadsPerBlock:
      *value = p.maxThreadsPerBlock;
      return cudaSuccess;
    case cudaDevAttrMaxBlockDimX:
      *value = p.maxThreadsDim[0];
      return cudaSuccess;
    case cudaDevAttrMaxGridDimX:
      *value = p.maxGridSize[0];
      return cudaSuccess;
    case cudaDevAttrMaxSharedMemoryPerBlock:
      *value = static_cast<int>(p.sharedMemPerBlock);
      return cudaSuccess;
    case cudaDevAttrTotalConstantMemory:
      *value = static_cast<int>(p.totalConstMem);
      return cudaSuccess;
    case cudaDevAttrWarpSize:
      *value = p.warpSize;
      return cudaSuccess;
    case cudaDevAttrMaxRegistersPerBlock:
      *value = p.regsPerBlock;
      return cudaSuccess;
    case cudaDevAttrClockRate:
    case cudaDevAttrMemoryClockRate:
      *value = 1000000;  // kHz; no time is modelled
      return cudaSuccess;
    case cudaDevAttrMultiProcessorCount:
      *value = p.multiProcessorCount;
      return cudaSuccess;
    case cudaDevAttrGlobalMemoryBusWidth:
      *value = p.memoryBusWidth;
      return cudaSuccess;
    case cudaDevAttrL2CacheSize:
      *value = p.l2CacheSize;
      return cudaSuccess;
    case cudaDevAttrMaxThreadsPerMultiProcessor:
      *value = p.maxThreadsPerMultiProcessor;
      return cudaSuccess;
    case cudaDevAttrComputeCapabilityMajor:
      *value = p.major;
      return cudaSuccess;
    case cudaDevAttrComputeCapabilityMinor:
      *value = p.minor;
      return cudaSuccess;
    case cudaDevAttrMaxSharedMemoryPerMultiprocessor:
      *value = static_cast<int>(p.sharedMemPerMultiprocessor);
      return cudaSuccess;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin:
      *value = static_cast<int>(p.sharedMemPerBlockOptin);
      return cudaSuccess;
    case cudaDevAttrMaxBlocksPerMultiprocessor:
      *value = p.maxBlocksPerMultiProcessor;
      return cudaSuccess;
    case cudaDevAttrReservedSharedMemoryPerBlock:
      *value = static_cast<int>(p.reservedSharedMemPerBlock);
      return cudaSuccess;
    case cudaDevAttrMemoryPoolsSupported:
      *value = p.memoryPoolsSupported;
      return cudaSuccess;
  }
  return noted(cudaErrorInvalidValue);
}
