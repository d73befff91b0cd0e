#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <utility>

#include "deconv/core/context.hpp"
#include "deconv/core/error.hpp"

// How kernels are started, and what is made of CUDA's errors.
namespace deconv::cuda {

/// Throws DeviceError, saying what was tried and CUDA's own words, unless the call succeeded.
inline void check(cudaError_t error, const char* what) {
  if (error == cudaSuccess) return;
  cudaGetLastError();  // so that the next launch does not report it again
  raise<DeviceError>(what, ": ", cudaGetErrorString(error), " (", cudaGetErrorName(error), ")");
}

/// Makes a device current for this thread while it lives.
class CurrentDevice {
 public:
  explicit CurrentDevice(int device) {
    check(cudaGetDevice(&before_), "asking for the current GPU");
    if (before_ != device) check(cudaSetDevice(device), "choosing the GPU");
    changed_ = before_ != device;
  }
  CurrentDevice(const CurrentDevice&) = delete;
  CurrentDevice& operator=(const CurrentDevice&) = delete;
  ~CurrentDevice() {
    if (changed_) cudaSetDevice(before_);
  }

 private:
  int before_ = 0;
  bool changed_ = false;
};

/// Puts a kernel on the context's stream. `shared_bytes` is its dynamic shared memory, any amount that the
/// device has. Throws DeviceError.
template <class... Parameters, class... Arguments>
void launch(const Context<Cuda>& context, void (*kernel)(Parameters...), dim3 grid, dim3 block,
            std::size_t shared_bytes, Arguments&&... arguments) {
  const CurrentDevice current(context.device());
  // Unasked a kernel gets 48 KiB, its static memory included: beside dynamic memory none has more than 16.
  if (shared_bytes > std::size_t{32} << 10)
    check(cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel),
                               cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(shared_bytes)),
          "asking for shared memory");
  cudaLaunchConfig_t config{};
  config.gridDim = grid;
  config.blockDim = block;
  config.dynamicSmemBytes = shared_bytes;
  config.stream = context.stream();
  check(cudaLaunchKernelEx(&config, kernel, static_cast<Parameters>(std::forward<Arguments>(arguments))...),
        "starting a kernel");
}

/// How many parts of `part` cover `count`.
template <class I>
[[nodiscard]] constexpr I parts_of(I count, I part) noexcept {
  return (count + part - 1) / part;
}

/// Blocks of `threads` threads for `count` independent pieces of work that a grid-stride loop takes up:
/// enough to fill the largest GPU, never more than there is work for.
[[nodiscard]] inline dim3 grid_for(Index count, unsigned threads, unsigned most_blocks = 132 * 16) noexcept {
  const Index wanted = parts_of<Index>(count, threads);
  return dim3(static_cast<unsigned>(wanted < 1 ? 1 : wanted < most_blocks ? wanted : most_blocks));
}

}  // namespace deconv::cuda
