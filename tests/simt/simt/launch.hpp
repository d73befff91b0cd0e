#pragma once

// Launching kernels, and what CUDA asks about them.

#include <cstddef>
#include <memory>
#include <tuple>
#include <type_traits>
#include <utility>

#include "simt/runtime_api.hpp"
#include "simt/vector_types.hpp"

// NOLINTBEGIN
enum cudaLaunchAttributeID {
  cudaLaunchAttributeIgnore = 0,
  cudaLaunchAttributeCooperative = 2,
  cudaLaunchAttributeClusterDimension = 4,
  cudaLaunchAttributeProgrammaticStreamSerialization = 6,
  cudaLaunchAttributePriority = 8,
  cudaLaunchAttributePreferredSharedMemoryCarveout = 14
};
union cudaLaunchAttributeValue {
  char pad[64];
  int cooperative;
  struct {
    unsigned x, y, z;
  } clusterDim;
  int programmaticStreamSerializationAllowed;
  int priority;
  unsigned sharedMemCarveout;
};
struct cudaLaunchAttribute {
  cudaLaunchAttributeID id;
  cudaLaunchAttributeValue val;
};
struct cudaLaunchConfig_t {
  dim3 gridDim, blockDim;
  std::size_t dynamicSmemBytes;
  cudaStream_t stream;
  cudaLaunchAttribute* attrs;
  unsigned numAttrs;
};
// NOLINTEND

namespace simt {

/// A kernel with its arguments, as a stream or a graph keeps it.
struct Launch {
  const void* kernel = nullptr;  ///< the function's address: its name is looked up when a report needs it
  dim3 grid, block;
  std::size_t shared_bytes = 0;
  std::shared_ptr<const void> arguments;  ///< a Bound; threads may read it
  std::size_t argument_bytes = 0;
  void (*call)(const void* arguments) = nullptr;  ///< what each thread runs
};

template <class... Parameters>
struct Bound {
  void (*kernel)(Parameters...);
  std::tuple<std::remove_cv_t<Parameters>...> values;

  static void call(const void* bound) {
    const auto& self = *static_cast<const Bound*>(bound);
    std::apply(self.kernel, self.values);
  }
};

cudaError_t enqueue_launch(cudaStream_t stream, Launch launch, const cudaLaunchAttribute* attributes,
                           unsigned attribute_count);
cudaError_t set_function_attribute(const void* kernel, cudaFuncAttribute attribute, int value);
cudaError_t function_attributes(cudaFuncAttributes* attributes, const void* kernel);
cudaError_t blocks_per_multiprocessor(int* blocks, const void* kernel, int block_size,
                                      std::size_t shared_bytes);

template <class... Parameters>
const void* address_of(void (*kernel)(Parameters...)) {
  return reinterpret_cast<const void*>(kernel);
}
inline const void* address_of(const void* kernel) { return kernel; }

}  // namespace simt

// NOLINTBEGIN
template <class... Parameters, class... Arguments>
cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t* config, void (*kernel)(Parameters...),
                               Arguments&&... arguments) {
  using Bound = simt::Bound<Parameters...>;
  auto bound = std::make_shared<Bound>(Bound{kernel, {std::forward<Arguments>(arguments)...}});
  simt::Launch launch{simt::address_of(kernel), config->gridDim, config->blockDim, config->dynamicSmemBytes,
                      std::move(bound),         sizeof(Bound),   &Bound::call};
  return simt::enqueue_launch(config->stream, std::move(launch), config->attrs, config->numAttrs);
}

template <class... Parameters>
cudaError_t cudaLaunchKernel(void (*kernel)(Parameters...), dim3 grid, dim3 block, void** arguments,
                             std::size_t shared_bytes = 0, cudaStream_t stream = nullptr) {
  const cudaLaunchConfig_t config{grid, block, shared_bytes, stream, nullptr, 0};
  return [&]<std::size_t... I>(std::index_sequence<I...>) {
    return cudaLaunchKernelEx(&config, kernel, *static_cast<std::remove_cv_t<Parameters>*>(arguments[I])...);
  }
  (std::index_sequence_for<Parameters...>());
}

template <class F>
cudaError_t cudaFuncSetAttribute(F* kernel, cudaFuncAttribute attribute, int value) {
  return simt::set_function_attribute(simt::address_of(kernel), attribute, value);
}
template <class F>
cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, F* kernel) {
  return simt::function_attributes(attributes, simt::address_of(kernel));
}
template <class F>
cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, F* kernel, int block_size,
                                                          std::size_t shared_bytes) {
  return simt::blocks_per_multiprocessor(blocks, simt::address_of(kernel), block_size, shared_bytes);
}
// NOLINTEND
