#pragma once

#include <cstdint>

#include "common/mbarrier.cuh"

#ifndef __CUDACC__
#include "simt/bulk_copy.hpp"
#endif

// Copies of whole boxes of a tensor between global and shared memory, done by a unit of their own on the
// word of one thread (the tensor memory accelerator, from compute capability 9.0 on; where a kernel is
// compiled for less, they trap). A map (common/tensor_map.cuh makes it) says where the tensor lies, how large
// the box is and how its 16-byte chunks are swizzled in shared memory; coordinates are signed and count
// elements, the contiguous axis first. What lies outside the tensor comes as zeros, and counts as bytes all
// the same; stores leave it out. Shared memory is aligned to 128 bytes, and for boxes that are swizzled to
// the pattern's period: 256, 512 or 1024 bytes for spans of 32, 64 and 128.
//
// The unit sees shared memory by the "asynchronous proxy", another way than threads do:
// - a load's bytes are there for whoever has waited (mbarrier_wait) for the phase in which they were
// announced;
// - a place may be loaded into again after its readers have arrived on a barrier that the loading thread
// waits
//   for;
// - before a store, or a matrix product that reads shared memory itself (wgmma), each thread that wrote calls
//   publish_to_bulk(), and then a barrier lets the thread that stores know;
// - after a store the source may be written again when the storing thread has returned from
//   wait_for_bulk_reads, and the others have met it at a barrier.
//
// Source: PTX ISA, "Data Movement and Conversion Instructions: cp.async.bulk.tensor", "Tensors: im2col mode".
namespace deconv::cuda {

/// CUDA's CUtensorMap: what it holds only the driver knows. A kernel takes it as a parameter
/// `const __grid_constant__ TensorMap` and passes that parameter's address.
struct alignas(128) TensorMap {
  std::uint64_t words[16];
};

#ifdef __CUDACC__
#define DECONV_WHERE
#define DECONV_ONLY_WHERE
#else
#define DECONV_WHERE , const std::source_location& where = std::source_location::current()
#define DECONV_ONLY_WHERE const std::source_location& where = std::source_location::current()
#endif

/// Brings the map itself near, so that the first copy need not wait for it. One thread is enough.
__device__ __forceinline__ void prefetch_map(const TensorMap* map) {
#ifdef __CUDACC__
#if __CUDA_ARCH__ >= 900
  asm volatile("prefetch.tensormap [%0];" ::"l"(map) : "memory");
#else
  __trap();
#endif
#else
  static_cast<void>(map);
#endif
}

/// Starts the load of the box whose first element is (c0, c1), c0 along the contiguous axis. Its bytes arrive
/// on the barrier, on which somebody announces them (mbarrier_arrive_expecting).
__device__ __forceinline__ void bulk_load(void* shared, const TensorMap* map, Mbarrier* barrier, int c0,
                                          int c1 DECONV_WHERE) {
#ifdef __CUDACC__
#if __CUDA_ARCH__ >= 900
  asm volatile(
      "cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%0], [%1, {%3, "
      "%4}], "
      "[%2];" ::"r"(static_cast<unsigned>(__cvta_generic_to_shared(shared))),
      "l"(map), "r"(static_cast<unsigned>(__cvta_generic_to_shared(barrier))), "r"(c0), "r"(c1)
      : "memory");
#else
  __trap();
#endif
#else
  const int coordinates[] = {c0, c1};
  simt::bulk_load(shared, map, barrier, coordinates, 2, where);
#endif
}

/// As above, of a tensor of rank 3.
__device__ __forceinline__ void bulk_load(void* shared, const TensorMap* map, Mbarrier* barrier, int c0,
                                          int c1, int c2 DECONV_WHERE) {
#ifdef __CUDACC__
#if __CUDA_ARCH__ >= 900
  asm volatile(
      "cp.async.bulk.tensor.3d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%0], [%1, {%3, %4, "
      "%5}], [%2];" ::"r"(static_cast<unsigned>(__cvta_generic_to_shared(shared))),
      "l"(map), "r"(static_cast<unsigned>(__cvta_generic_to_shared(barrier))), "r"(c0), "r"(c1), "r"(c2)
      : "memory");
#else
  __trap();
#endif
#else
  const int coordinates[] = {c0, c1, c2};
  simt::bulk_load(shared, map, barrier, coordinates, 3, where);
#endif
}

/// As above, of a tensor of rank 4.
__device__ __forceinline__ void bulk_load(void* shared, const TensorMap* map, Mbarrier* barrier, int c0,
                                          int c1, int c2, int c3 DECONV_WHERE) {
#ifdef __CUDACC__
#if __CUDA_ARCH__ >= 900
  asm volatile(
      "cp.async.bulk.tensor.4d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%0], [%1, {%3, %4, "
      "%5, %6}], [%2];" ::"r"(static_cast<unsigned>(__cvta_generic_to_shared(shared))),
      "l"(map), "r"(static_cast<unsigned>(__cvta_generic_to_shared(barrier))), "r"(c0), "r"(c1), "r"(c2),
      "r"(c3)
      : "memory");
#else
  __trap();
#endif
#else
  const int coordinates[] = {c0, c1, c2, c3};
  simt::bulk_load(shared, map, barrier, coordinates, 4, where);
#endif
}

/// Starts the load of a column of pixels by an im2col map of an nhwc tensor: the first pixel walks from (w,
/// h, n), which lies in the map's box, in steps of the map's strides along w, then h, then n, always inside
/// the box; each pixel gives the channels from `channel` on of the place (w + offset_w, h + offset_h). Pixels
/// past the last image are zeros. Offsets are at most 255.
__device__ __forceinline__ void bulk_load_im2col(void* shared, const TensorMap* map, Mbarrier* barrier,
                                                 int channel, int w, int h, int n, std::uint16_t offset_w,
                                                 std::uint16_t offset_h DECONV_WHERE) {
#ifdef __CUDACC__
#if __CUDA_ARCH__ >= 900
  asm volatile(
      "cp.async.bulk.tensor.4d.shared::cluster.global.im2col.mbarrier::complete_tx::bytes [%0], [%1, {%3, "
      "%4, "
      "%5, %6}], [%2], {%7, %8};" ::"r"(static_cast<unsigned>(__cvta_generic_to_shared(shared))),
      "l"(map), "r"(static_cast<unsigned>(__cvta_generic_to_shared(barrier))), "r"(channel), "r"(w), "r"(h),
      "r"(n), "h"(offset_w), "h"(offset_h)
      : "memory");
#else
  __trap();
#endif
#else
  const int coordinates[] = {channel, w, h, n};
  const std::uint16_t offsets[] = {offset_w, offset_h};
  simt::bulk_load_im2col(shared, map, barrier, coordinates, offsets, where);
#endif
}

/// Starts the store of a box to (c0, c1), c0 along the contiguous axis. What lies outside the tensor is left
/// out. The thread then closes its stores into a group and waits for it.
__device__ __forceinline__ void bulk_store(const TensorMap* map, const void* shared, int c0,
                                           int c1 DECONV_WHERE) {
#ifdef __CUDACC__
#if __CUDA_ARCH__ >= 900
  asm volatile("cp.async.bulk.tensor.2d.global.shared::cta.tile.bulk_group [%0, {%2, %3}], [%1];" ::"l"(map),
               "r"(static_cast<unsigned>(__cvta_generic_to_shared(shared))), "r"(c0), "r"(c1)
               : "memory");
#else
  __trap();
#endif
#else
  const int coordinates[] = {c0, c1};
  simt::bulk_store(map, shared, coordinates, 2, where);
#endif
}

/// Closes this thread's stores since the last call into a group; an empty group counts too.
__device__ __forceinline__ void close_bulk_group() {
#ifdef __CUDACC__
#if __CUDA_ARCH__ >= 900
  asm volatile("cp.async.bulk.commit_group;" ::: "memory");
#else
  __trap();
#endif
#else
  simt::close_bulk_stores();
#endif
}

/// Waits until all of this thread's groups but the newest `Newest` have read their shared memory.
template <int Newest>
__device__ __forceinline__ void wait_for_bulk_reads() {
#ifdef __CUDACC__
#if __CUDA_ARCH__ >= 900
  asm volatile("cp.async.bulk.wait_group.read %0;" ::"n"(Newest) : "memory");
#else
  __trap();
#endif
#else
  simt::wait_for_bulk_stores(Newest);
#endif
}

/// Waits until all of this thread's groups but the newest `Newest` have written global memory too.
template <int Newest>
__device__ __forceinline__ void wait_for_bulk_groups() {
#ifdef __CUDACC__
#if __CUDA_ARCH__ >= 900
  asm volatile("cp.async.bulk.wait_group %0;" ::"n"(Newest) : "memory");
#else
  __trap();
#endif
#else
  simt::wait_for_bulk_stores(Newest);
#endif
}

/// Shows what this thread has written to shared memory to the stores, and to matrix products that read shared
/// memory themselves. A barrier that carries the news follows.
__device__ __forceinline__ void publish_to_bulk(DECONV_ONLY_WHERE) {
#ifdef __CUDACC__
#if __CUDA_ARCH__ >= 900
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
#else
  __trap();
#endif
#else
  simt::publish_to_bulk(where);
#endif
}

#undef DECONV_WHERE
#undef DECONV_ONLY_WHERE

}  // namespace deconv::cuda
