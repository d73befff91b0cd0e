// The runtime API's memory: allocation, pinned host memory, copies.

#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "device_memory.hpp"
#include "runtime.hpp"
#include "worker.hpp"

namespace simt {
namespace {

struct Pinned {
  std::mutex mutex;
  std::map<std::uintptr_t, std::size_t> blocks;
};
Pinned& pinned() {
  static Pinned* instance = new Pinned;
  return *instance;
}

std::uintptr_t number(const void* pointer) { return reinterpret_cast<std::uintptr_t>(pointer); }

bool on_device(const void* pointer) { return DeviceMemory::instance().in_range(number(pointer)); }

/// Whether both ends are where the direction says, and a device's end lies in one allocation.
cudaError_t check_copy(const void* dst, const void* src, std::size_t bytes, cudaMemcpyKind kind) {
  if (kind < cudaMemcpyHostToHost || kind > cudaMemcpyDefault) return cudaErrorInvalidMemcpyDirection;
  const bool to_device = on_device(dst), from_device = on_device(src);
  if (kind != cudaMemcpyDefault) {
    const bool want_to = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
    const bool want_from = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
    if (bytes > 0 && (to_device != want_to || from_device != want_from)) return cudaErrorInvalidValue;
  }
  const DeviceMemory& memory = DeviceMemory::instance();
  if (to_device && !memory.holds(number(dst), bytes)) return cudaErrorInvalidValue;
  if (from_device && !memory.holds(number(src), bytes)) return cudaErrorInvalidValue;
  if (bytes > 0 && (!dst || !src)) return cudaErrorInvalidValue;
  return cudaSuccess;
}

}  // namespace

bool is_pinned(std::uintptr_t address, std::size_t bytes) {
  const std::lock_guard lock(pinned().mutex);
  auto after = pinned().blocks.upper_bound(address);
  if (after == pinned().blocks.begin()) return false;
  --after;
  return address - after->first < after->second && bytes <= after->second - (address - after->first);
}

void set_memory_limit(std::size_t bytes) { DeviceMemory::instance().set_limit(bytes); }
std::size_t allocated_bytes() { return DeviceMemory::instance().used(); }
std::size_t allocation_count() { return DeviceMemory::instance().count(); }

}  // namespace simt

using simt::noted;

cudaError_t cudaMemGetInfo(std::size_t* free_bytes, std::size_t* total_bytes) {
  SIMT_REQUIRE_DEVICE;
  const simt::DeviceMemory& memory = simt::DeviceMemory::instance();
  const std::size_t limit = memory.limit(), used = memory.used();
  *total_bytes = limit;
  *free_bytes = used < limit ? limit - used : 0;
  return cudaSuccess;
}

cudaError_t cudaMalloc(void** pointer, std::size_t bytes) {
  SIMT_REQUIRE_DEVICE;
  if (const cudaError_t error = simt::capture_allows_unsafe_call(); error != cudaSuccess) return noted(error);
  if (!pointer) return noted(cudaErrorInvalidValue);
  *pointer = nullptr;
  if (bytes == 0) return cudaSuccess;
  *pointer = simt::DeviceMemory::instance().allocate(bytes);
  return *pointer ? cudaSuccess : noted(cudaErrorMemoryAllocation);
}

cudaError_t cudaFree(void* pointer) {
  SIMT_REQUIRE_DEVICE;
  if (!pointer) return cudaSuccess;
  if (const cudaError_t error = simt::capture_allows_unsafe_call(); error != cudaSuccess) return noted(error);
  simt::finish_all();
  return simt::DeviceMemory::instance().release(pointer) ? cudaSuccess : noted(cudaErrorInvalidValue);
}

cudaError_t cudaMallocAsync(void** pointer, std::size_t bytes, cudaStream_t handle) {
  SIMT_REQUIRE_DEVICE;
  const std::lock_guard lock(simt::runtime_mutex());
  const simt::Stream* stream = simt::stream_of(handle);
  if (!stream) return noted(cudaErrorInvalidResourceHandle);
  if (stream->capture) return noted(cudaErrorStreamCaptureUnsupported);  // no memory nodes here
  if (!pointer) return noted(cudaErrorInvalidValue);
  *pointer = bytes == 0 ? nullptr : simt::DeviceMemory::instance().allocate(bytes);
  return *pointer || bytes == 0 ? cudaSuccess : noted(cudaErrorMemoryAllocation);
}

cudaError_t cudaFreeAsync(void* pointer, cudaStream_t handle) {
  SIMT_REQUIRE_DEVICE;
  simt::finish(handle);
  const std::lock_guard lock(simt::runtime_mutex());
  const simt::Stream* stream = simt::stream_of(handle);
  if (!stream) return noted(cudaErrorInvalidResourceHandle);
  if (stream->capture) return noted(cudaErrorStreamCaptureUnsupported);
  if (!pointer) return cudaSuccess;
  return simt::DeviceMemory::instance().release(pointer) ? cudaSuccess : noted(cudaErrorInvalidValue);
}

cudaError_t cudaHostAlloc(void** pointer, std::size_t bytes, unsigned) {
  SIMT_REQUIRE_DEVICE;
  if (const cudaError_t error = simt::capture_allows_unsafe_call(); error != cudaSuccess) return noted(error);
  if (!pointer) return noted(cudaErrorInvalidValue);
  *pointer = nullptr;
  if (bytes == 0) return cudaSuccess;
  *pointer = std::aligned_alloc(4096, (bytes + 4095) / 4096 * 4096);
  if (!*pointer) return noted(cudaErrorMemoryAllocation);
  std::memset(*pointer, 0xff, bytes);
  const std::lock_guard lock(simt::pinned().mutex);
  simt::pinned().blocks.emplace(simt::number(*pointer), bytes);
  return cudaSuccess;
}
cudaError_t cudaMallocHost(void** pointer, std::size_t bytes) { return cudaHostAlloc(pointer, bytes, 0); }

cudaError_t cudaFreeHost(void* pointer) {
  SIMT_REQUIRE_DEVICE;
  if (!pointer) return cudaSuccess;
  if (const cudaError_t error = simt::capture_allows_unsafe_call(); error != cudaSuccess) return noted(error);
  simt::finish_all();
  {
    const std::lock_guard lock(simt::pinned().mutex);
    if (simt::pinned().blocks.erase(simt::number(pointer)) == 0) return noted(cudaErrorInvalidValue);
  }
  std::free(pointer);
  return cudaSuccess;
}

cudaError_t cudaDeviceGetDefaultMemPool(cudaMemPool_t* pool, int device) {
  SIMT_REQUIRE_DEVICE;
  if (device != 0) return noted(cudaErrorInvalidDevice);
  *pool = reinterpret_cast<cudaMemPool_t>(&simt::DeviceMemory::instance());
  return cudaSuccess;
}
cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t pool, cudaMemPoolAttr attribute, void* value) {
  SIMT_REQUIRE_DEVICE;
  // The threshold is a hint when to give memory back to the system, which happens at once here.
  return pool && value && attribute == cudaMemPoolAttrReleaseThreshold ? cudaSuccess
                                                                       : noted(cudaErrorInvalidValue);
}
cudaError_t cudaMemPoolGetAttribute(cudaMemPool_t pool, cudaMemPoolAttr attribute, void* value) {
  SIMT_REQUIRE_DEVICE;
  if (!pool || !value) return noted(cudaErrorInvalidValue);
  *static_cast<std::uint64_t*>(value) =
      attribute == cudaMemPoolAttrReleaseThreshold ? 0 : simt::DeviceMemory::instance().used();
  return cudaSuccess;
}
cudaError_t cudaMemPoolTrimTo(cudaMemPool_t pool, std::size_t) {
  SIMT_REQUIRE_DEVICE;
  return pool ? cudaSuccess : noted(cudaErrorInvalidValue);
}

cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* pointer) {
  SIMT_REQUIRE_DEVICE;
  if (!attributes) return noted(cudaErrorInvalidValue);
  *attributes = {cudaMemoryTypeUnregistered, -2, nullptr, nullptr};
  void* plain = const_cast<void*>(pointer);
  if (simt::on_device(pointer)) {
    if (!simt::DeviceMemory::instance().holds(simt::number(pointer), 1)) return noted(cudaErrorInvalidValue);
    *attributes = {cudaMemoryTypeDevice, 0, plain, nullptr};
  } else if (simt::is_pinned(simt::number(pointer), 1)) {
    *attributes = {cudaMemoryTypeHost, 0, plain, plain};
  } else {
    attributes->hostPointer = plain;
  }
  return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void* dst, const void* src, std::size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream) {
  SIMT_REQUIRE_DEVICE;
  if (const cudaError_t error = simt::check_copy(dst, src, bytes, kind); error != cudaSuccess)
    return noted(error);
  const auto ordinary = [&](const void* end) {
    return bytes > 0 && !simt::on_device(end) && !simt::is_pinned(simt::number(end), bytes);
  };
  if (simt::streams_shuffled() && !simt::captured(stream) && (ordinary(src) || ordinary(dst))) {
    // Such copies are over for the host when the call returns. What is read on the host is staged.
    auto staged = std::make_shared<std::vector<unsigned char>>();
    if (ordinary(src))
      staged->assign(static_cast<const unsigned char*>(src), static_cast<const unsigned char*>(src) + bytes);
    const cudaError_t error = simt::enqueue(stream, [=] {
      const simt::DeviceMemory::Open open;
      std::memmove(dst, staged->empty() ? src : staged->data(), bytes);
    });
    if (ordinary(dst)) simt::finish(stream);
    return error;
  }
  return simt::enqueue(stream, [=] {
    const simt::DeviceMemory::Open open;
    // The ends were allocations when this was enqueued; a graph may run after they were freed.
    if (simt::check_copy(dst, src, bytes, kind) != cudaSuccess) {
      noted(cudaErrorIllegalAddress);
      return;
    }
    std::memmove(dst, src, bytes);
  });
}

cudaError_t cudaMemcpy2DAsync(void* dst, std::size_t dst_pitch, const void* src, std::size_t src_pitch,
                              std::size_t width, std::size_t height, cudaMemcpyKind kind,
                              cudaStream_t stream) {
  SIMT_REQUIRE_DEVICE;
  if (width > dst_pitch || width > src_pitch) return noted(cudaErrorInvalidValue);
  for (std::size_t row = 0; row < height; ++row) {
    const cudaError_t error =
        cudaMemcpyAsync(static_cast<char*>(dst) + row * dst_pitch,
                        static_cast<const char*>(src) + row * src_pitch, width, kind, stream);
    if (error != cudaSuccess) return error;
  }
  return cudaSuccess;
}

cudaError_t cudaMemcpy(void* dst, const void* src, std::size_t bytes, cudaMemcpyKind kind) {
  SIMT_REQUIRE_DEVICE;
  if (const cudaError_t error = simt::capture_allows_unsafe_call(); error != cudaSuccess) return noted(error);
  return cudaMemcpyAsync(dst, src, bytes, kind, nullptr);
}

cudaError_t cudaMemsetAsync(void* dst, int value, std::size_t bytes, cudaStream_t stream) {
  SIMT_REQUIRE_DEVICE;
  if (bytes > 0 && !simt::DeviceMemory::instance().holds(simt::number(dst), bytes)) {
    return noted(cudaErrorInvalidValue);
  }
  return simt::enqueue(stream, [=] {
    const simt::DeviceMemory::Open open;
    if (!simt::DeviceMemory::instance().holds(simt::number(dst), bytes)) {
      noted(cudaErrorIllegalAddress);
      return;
    }
    std::memset(dst, value, bytes);
  });
}
cudaError_t cudaMemset(void* dst, int value, std::size_t bytes) {
  SIMT_REQUIRE_DEVICE;
  if (const cudaError_t error = simt::capture_allows_unsafe_call(); error != cudaSuccess) return noted(error);
  return cudaMemsetAsync(dst, value, bytes, nullptr);
}
