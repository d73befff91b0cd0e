#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <cstdint>
#include <type_traits>

#include "deconv/core/dtype.hpp"
#include "deconv/core/shape.hpp"

// Element types on the device: stored as float, half or bfloat16, computed in float.
namespace deconv::cuda {

__device__ inline float to_float(float value) { return value; }
__device__ inline float to_float(half value) { return __half2float(__ushort_as_half(value.bits)); }
__device__ inline float to_float(bfloat16 value) {
  return __bfloat162float(__ushort_as_bfloat16(value.bits));
}

/// Rounds to nearest even.
template <class T>
__device__ inline T from_float(float value) {
  T result;
  if constexpr (std::is_same_v<T, half>)
    result.bits = __half_as_ushort(__float2half_rn(value));
  else if constexpr (std::is_same_v<T, bfloat16>)
    result.bits = __bfloat16_as_ushort(__float2bfloat16_rn(value));
  else
    result = value;
  return result;
}

/// `N` neighbouring elements, read and written at once.
template <class T, int N>
struct alignas(sizeof(T) * N) Vector {
  T at[N];
};

/// The most elements of a type that one access of 16 bytes moves.
template <class T>
inline constexpr int vector_width = static_cast<int>(16 / sizeof(T));

/// Whether `count` elements from here may be moved `N` at a time.
template <int N, class T>
[[nodiscard]] inline bool vector_aligned(const T* data, Index count) noexcept {
  return count % N == 0 && reinterpret_cast<std::uintptr_t>(data) % (sizeof(T) * N) == 0;
}

template <int N, class T>
__device__ inline Vector<T, N> load_vector(const T* data) {
  return *reinterpret_cast<const Vector<T, N>*>(data);
}
template <int N, class T>
__device__ inline void store_vector(T* data, const Vector<T, N>& value) {
  *reinterpret_cast<Vector<T, N>*>(data) = value;
}

/// Moves 16 bytes as they are, one load and one store for certain: the compiler may take a Vector that stands
/// between the two apart.
template <class T>
__device__ inline void copy_sixteen_bytes(const T* from, T* to) {
  *reinterpret_cast<uint4*>(to) = *reinterpret_cast<const uint4*>(from);
}

}  // namespace deconv::cuda
