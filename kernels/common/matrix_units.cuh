#pragma once

#include <cstdint>
#include <type_traits>

#include "deconv/core/dtype.hpp"

#ifndef __CUDACC__
#include <source_location>

#include "simt/matrix_units.hpp"
#endif

// The matrix units, one warp at a time (ldmatrix and mma, from compute capability 8.0 on). All 32 threads of
// the warp call together. With g = thread / 4 and t = thread % 4, elements given as (row, column):
//
//   16-bit, d (16x8) += a (16x16) b (16x8), two elements a register, the first in the lower half:
//     a[0] (g, 2t) (g, 2t+1)       a[1] (g+8, 2t) (g+8, 2t+1)     a[2] (g, 2t+8) (g, 2t+9)   a[3] (g+8, 2t+8)
//     (g+8, 2t+9) b[0] (2t, g) (2t+1, g)       b[1] (2t+8, g) (2t+9, g)
//   tf32, d (16x8) += a (16x8) b (8x8), one element a register:
//     a[0] (g, t)   a[1] (g+8, t)   a[2] (g, t+4)   a[3] (g+8, t+4)
//     b[0] (t, g)   b[1] (t+4, g)
//   d[0] (g, 2t)   d[1] (g, 2t+1)   d[2] (g+8, 2t)   d[3] (g+8, 2t+1), in float
//
// Source: PTX ISA, "Matrix Fragments for mma.m16n8k8 / m16n8k16", "ldmatrix".
namespace deconv::cuda {

// The emulated device tells its reports where an operation stands; nvcc needs no such thing.
#ifdef __CUDACC__
#define DECONV_WHERE
#else
#define DECONV_WHERE , const std::source_location& where = std::source_location::current()
#endif

/// Loads `Count` (1, 2, 4) matrices of 8 x 8 16-bit elements from shared memory. Thread 8 m + r gives the
/// address of row r of matrix m (16 bytes, aligned to 16), the threads from 8 Count on any address.
/// registers[m] becomes the elements (g, 2t) and (g, 2t+1) of matrix m.
template <int Count>
__device__ __forceinline__ void load_matrices(std::uint32_t (&registers)[Count],
                                              const void* row DECONV_WHERE) {
  static_assert(Count == 1 || Count == 2 || Count == 4);
#ifdef __CUDACC__
  const unsigned address = static_cast<unsigned>(__cvta_generic_to_shared(row));
  if constexpr (Count == 1) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%0}, [%1];"
                 : "=r"(registers[0])
                 : "r"(address)
                 : "memory");
  } else if constexpr (Count == 2) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0, %1}, [%2];"
                 : "=r"(registers[0]), "=r"(registers[1])
                 : "r"(address)
                 : "memory");
  } else {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(registers[0]), "=r"(registers[1]), "=r"(registers[2]), "=r"(registers[3])
                 : "r"(address)
                 : "memory");
  }
#else
  simt::load_matrix(registers, row, Count, false, where);
#endif
}

/// As load_matrices, but each matrix turned: registers[m] becomes the elements (2t, g) and (2t+1, g).
template <int Count>
__device__ __forceinline__ void load_matrices_transposed(std::uint32_t (&registers)[Count],
                                                         const void* row DECONV_WHERE) {
  static_assert(Count == 1 || Count == 2 || Count == 4);
#ifdef __CUDACC__
  const unsigned address = static_cast<unsigned>(__cvta_generic_to_shared(row));
  if constexpr (Count == 1) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x1.trans.shared.b16 {%0}, [%1];"
                 : "=r"(registers[0])
                 : "r"(address)
                 : "memory");
  } else if constexpr (Count == 2) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0, %1}, [%2];"
                 : "=r"(registers[0]), "=r"(registers[1])
                 : "r"(address)
                 : "memory");
  } else {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(registers[0]), "=r"(registers[1]), "=r"(registers[2]), "=r"(registers[3])
                 : "r"(address)
                 : "memory");
  }
#else
  simt::load_matrix(registers, row, Count, true, where);
#endif
}

/// d += a b on 16-bit elements of type T (half or bfloat16), accumulated in float: 16 x 8 x 16.
template <class T>
__device__ __forceinline__ void multiply_add(float (&d)[4], const std::uint32_t (&a)[4],
                                             const std::uint32_t (&b)[2] DECONV_WHERE) {
  static_assert(std::is_same_v<T, half> || std::is_same_v<T, bfloat16>);
#ifdef __CUDACC__
  if constexpr (std::is_same_v<T, half>) {
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
        "{%0, %1, %2, %3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
  } else {
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
        "{%0, %1, %2, %3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
  }
#else
  simt::multiply_add(std::is_same_v<T, half> ? simt::MatrixType::half : simt::MatrixType::bfloat16, d, a, b,
                     where);
#endif
}

/// d += a b on floats that to_tf32 has rounded (the units look at no more than those bits): 16 x 8 x 8.
__device__ __forceinline__ void multiply_add_tf32(float (&d)[4], const std::uint32_t (&a)[4],
                                                  const std::uint32_t (&b)[2] DECONV_WHERE) {
#ifdef __CUDACC__
  asm volatile(
      "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
  simt::multiply_add(simt::MatrixType::tf32, d, a, b, where);
#endif
}

/// The bits of the nearest number of 10 bits of mantissa, ties away from zero.
__device__ __forceinline__ std::uint32_t to_tf32(float value) {
#ifdef __CUDACC__
  std::uint32_t bits;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(value));
  return bits;
#else
  return simt::rounded_to_tf32(value);
#endif
}

#undef DECONV_WHERE

}  // namespace deconv::cuda
