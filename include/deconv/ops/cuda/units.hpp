#pragma once

#include <span>

#include "deconv/core/context.hpp"

// Single elements of device memory, see ops/units.hpp; kernels/units.cu. T is float, half or bfloat16.
namespace deconv::cuda {

/// dst[i] = src[offsets[i]].
template <class T>
void read_elements(const Context<Cuda>& context, const T* src, std::span<const Index> offsets, T* dst);
/// dst[offsets[i]] = values[i]; of two values for one place the last.
template <class T>
void write_elements(const Context<Cuda>& context, std::span<const Index> offsets, std::span<const T> values,
                    T* dst);
/// dst[offsets[i]] = src[i]; the places differ.
template <class T>
void scatter_elements(const Context<Cuda>& context, const T* src, std::span<const Index> offsets, T* dst);

}  // namespace deconv::cuda
