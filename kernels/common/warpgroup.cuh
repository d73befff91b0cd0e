#pragma once

#include <cstdint>
#include <type_traits>

#include "common/warpgroup_operands.cuh"
#include "deconv/core/dtype.hpp"

#ifndef __CUDACC__
#include <source_location>

#include "simt/warpgroup.hpp"
#endif

// The matrix units of compute capability 9.0a, one warpgroup at a time: four warps, the first of which has an
// index divisible by four, multiply matrices that lie in shared memory, while the threads go on. All 128
// threads call everything here together, with the same arguments. A round:
//
//   begin_products();                          // the accumulators, and what threads wrote to shared memory
//   multiply_add_group<half, 64>(d, a, b);     // as many as wanted, on the same d or on others
//   multiply_add_group<half, 64>(d, advanced(a, 32), advanced(b, 32));
//   close_products();
//   wait_for_products<0>(d);                   // before anybody reads d, or overwrites what a and b lie in
//
// Between the first product and the wait nothing may touch d. Ordinary stores to the operands' memory want
// publish_to_bulk() (bulk_copy.cuh) in the threads that wrote, then a barrier; bulk copies only their own
// wait.
//
// d (64 x Columns), with w = warp in the group, g = lane / 4, t = lane % 4, as (row, column):
//   d[4j] (16w + g, 8j + 2t)   d[4j+1] (16w + g, 8j + 2t + 1)   d[4j+2], d[4j+3] the same 8 rows further down
//
// Source: PTX ISA, "Asynchronous warpgroup level matrix instructions".
namespace deconv::cuda {

// The emulated device tells its reports where an operation stands; nvcc needs no such thing.
#ifdef __CUDACC__
#define DECONV_WHERE
#define DECONV_WHERE_ONLY
#else
#define DECONV_WHERE , const std::source_location& where = std::source_location::current()
#define DECONV_WHERE_ONLY const std::source_location& where = std::source_location::current()
#endif

/// How 16-byte pieces are permuted in shared memory, a function of the address alone: bits 4 to 6 are
/// exclusive-ored with bits 7 to 9 (bytes128), bits 4 and 5 with 7 and 8 (bytes64), bit 4 with bit 7
/// (bytes32). As bulk copies write it.
enum class MatrixSwizzle { none = 0, bytes128 = 1, bytes64 = 2, bytes32 = 3 };

/// An operand in shared memory: where it begins and how its pieces lie. Cheap to copy.
struct SharedMatrix {
  std::uint64_t bits;
};

/// Names an operand that begins at `shared`, aligned to 16 bytes; its pattern repeats every 1024 (bytes128),
/// 512 (bytes64) or 256 (bytes32) bytes and begins at a multiple of that. A core is 8 pieces of 16 bytes, a
/// span the swizzle's 128, 64, 32 bytes (16 without one).
///   Along k (the sums' axis is contiguous): a row of the matrix is one span, eight rows follow each other,
///   `stride_bytes` lie between groups of eight rows. An instruction takes 32 bytes of a row. Without a
///   swizzle these are two pieces `leading_bytes` apart; with one, leading_bytes is not looked at.
///   Across (16-bit elements only; the rows' or columns' axis is contiguous): one span of each k, eight k
///   follow each other. With a swizzle `stride_bytes` lie between groups of eight k and `leading_bytes`
///   between spans; without one it is the other way round.
__device__ __forceinline__ SharedMatrix shared_matrix(const void* shared, MatrixSwizzle swizzle,
                                                      unsigned leading_bytes,
                                                      unsigned stride_bytes DECONV_WHERE) {
#ifdef __CUDACC__
  const std::uint64_t address = (static_cast<unsigned>(__cvta_generic_to_shared(shared)) & 0x3ffffu) >> 4;
#else
  const std::uint64_t address = simt::shared_matrix_address(shared, leading_bytes, stride_bytes, where);
#endif
  return {address | static_cast<std::uint64_t>((leading_bytes >> 4) & 0x3fffu) << 16 |
          static_cast<std::uint64_t>((stride_bytes >> 4) & 0x3fffu) << 32 |
          static_cast<std::uint64_t>(swizzle) << 62};
}

/// The same operand, beginning `bytes` (a multiple of 16) further on.
__device__ __forceinline__ SharedMatrix advanced(SharedMatrix matrix, unsigned bytes) {
  return {matrix.bits + (bytes >> 4)};
}

/// For Element: floats of which the units look at sign, exponent and ten bits of mantissa.
struct Tf32 {};

/// Orders what was done to the accumulators' registers before the products that follow. Before the first
/// product, and again whenever ordinary code has written to them. In a loop it stands with the products and
/// close_products() in the loop's body: where code with branches comes between, the compiler adds more of it.
__device__ __forceinline__ void begin_products(DECONV_WHERE_ONLY) {
#ifdef __CUDACC__
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
  asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
#else
  __trap();
#endif
#else
  simt::begin_products(where);
#endif
}

/// Closes the products since the last call into a group.
__device__ __forceinline__ void close_products(DECONV_WHERE_ONLY) {
#ifdef __CUDACC__
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
  asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
#else
  __trap();
#endif
#else
  simt::close_products(where);
#endif
}

/// Keeps the compiler from moving uses of these registers over this place, in either direction.
template <int N>
__device__ __forceinline__ void hold(float (&d)[N]) {
#ifdef __CUDACC__
#pragma unroll
  for (int i = 0; i < N; ++i) asm volatile("" : "+f"(d[i])::"memory");
#else
  (void)d;
#endif
}

/// Waits until at most the `Newest` groups closed last are under way. Their accumulators, and the memory that
/// they read, belong to them still.
template <int Newest>
__device__ __forceinline__ void wait_for_products(DECONV_WHERE_ONLY) {
  static_assert(0 <= Newest && Newest <= 7);
#ifdef __CUDACC__
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(Newest) : "memory");
#else
  __trap();
#endif
#else
  simt::wait_for_products(Newest, where);
#endif
}

/// The same, and d is done with: it may be read afterwards.
template <int Newest, int N>
__device__ __forceinline__ void wait_for_products(float (&d)[N] DECONV_WHERE) {
#ifdef __CUDACC__
  hold(d);
  wait_for_products<Newest>();
  hold(d);
#else
  (void)d;
  wait_for_products<Newest>(where);
#endif
}

/// d (64 x Columns) += a (64 x depth) b (depth x Columns), in float, started and not waited for. Element is
/// half or bfloat16, depth 16, or Tf32, depth 8. `RowsAcross`: a's contiguous axis is its rows', not k;
/// `ColumnsAcross`: b's is its columns'. 128 * Columns * depth operations.
template <class Element, int Columns, bool RowsAcross = false, bool ColumnsAcross = false>
__device__ __forceinline__ void multiply_add_group(float (&d)[Columns / 2], SharedMatrix a,
                                                   SharedMatrix b DECONV_WHERE) {
  constexpr bool is_half = std::is_same_v<Element, half>, is_tf32 = std::is_same_v<Element, Tf32>;
  static_assert(is_half || is_tf32 || std::is_same_v<Element, bfloat16>);
  static_assert(Columns == 8 || Columns == 16 || Columns == 32 || Columns == 64 || Columns == 96 ||
                Columns == 128 || Columns == 192 || Columns == 256);
  static_assert(!is_tf32 || (!RowsAcross && !ColumnsAcross), "only 16-bit operands may lie across");
#ifdef __CUDACC__
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
  // clang-format off
  if constexpr (Columns == 8) DECONV_GROUP_PRODUCT(8, 4, 4, 5, 6, 7)
  else if constexpr (Columns == 16) DECONV_GROUP_PRODUCT(16, 8, 8, 9, 10, 11)
  else if constexpr (Columns == 32) DECONV_GROUP_PRODUCT(32, 16, 16, 17, 18, 19)
  else if constexpr (Columns == 64) DECONV_GROUP_PRODUCT(64, 32, 32, 33, 34, 35)
  else if constexpr (Columns == 96) DECONV_GROUP_PRODUCT(96, 48, 48, 49, 50, 51)
  else if constexpr (Columns == 128) DECONV_GROUP_PRODUCT(128, 64, 64, 65, 66, 67)
  else if constexpr (Columns == 192) DECONV_GROUP_PRODUCT(192, 96, 96, 97, 98, 99)
  else DECONV_GROUP_PRODUCT(256, 128, 128, 129, 130, 131)
    // clang-format on
#else
  __trap();
#endif
#else
  simt::multiply_add_group(is_tf32   ? simt::MatrixType::tf32
                           : is_half ? simt::MatrixType::half
                                     : simt::MatrixType::bfloat16,
                           Columns, RowsAcross, ColumnsAcross, d, a.bits, b.bits, where);
#endif
}

/// Leaves each thread of the warpgroup `N` registers (a multiple of 8, 24 to 256), fewer than it has, and
/// gives the others back to the block. The kernel must state its block's threads in __launch_bounds__.
template <int N>
__device__ __forceinline__ void give_registers(DECONV_WHERE_ONLY) {
  static_assert(24 <= N && N <= 256 && N % 8 == 0);
#ifdef __CUDACC__
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(N));
#else
  __trap();
#endif
#else
  simt::set_registers(N, false, where);
#endif
}

/// Waits until the block has registers left for `N` a thread of the warpgroup, and takes them.
template <int N>
__device__ __forceinline__ void take_registers(DECONV_WHERE_ONLY) {
  static_assert(24 <= N && N <= 256 && N % 8 == 0);
#ifdef __CUDACC__
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(N));
#else
  __trap();
#endif
#else
  simt::set_registers(N, true, where);
#endif
}

#undef DECONV_WHERE
#undef DECONV_WHERE_ONLY

}  // namespace deconv::cuda
