#pragma once

#include <cstdint>
#include <span>

#include "deconv/core/context.hpp"
#include "deconv/ops/top_hits.hpp"

// The launcher of running_top_k, see ops/running_top_k.hpp; kernels/running_top_k.cu. T is float, half or
// bfloat16.
namespace deconv::cuda {

/// Leaves hits.held as it is.
template <class T>
void running_top_k(const Context<Cuda>& context, const T* values, const std::int32_t* places,
                   std::span<const std::int64_t> images, TopHits<T, Cuda>& hits);

}  // namespace deconv::cuda
