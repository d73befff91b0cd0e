#pragma once

#include <cstdint>

#ifndef __CUDACC__
#include <source_location>

#include "simt/mbarrier.hpp"
#endif

// Barriers in shared memory on which threads and asynchronous copies arrive and others wait (mbarrier, from
// compute capability 9.0 on; where a kernel is compiled for less, they trap). A barrier goes through phases:
// one ends when its count of arrivals is complete and every byte announced for it has come, and the next one
// begins with the same count. Phases have the parity 0, 1, 0, ...; who waits names the parity of the phase
// whose end is wanted. Hence a pipeline of S stages keeps per stage one barrier "full", on which its producer
// arrives, and one "empty", on which its consumers do: at the i-th use of a stage, from 0, the consumers wait
// for the parity i % 2 of "full", and the producer for (i + 1) % 2 of "empty", which at the first use names
// the phase before the first one: that has ended by definition.
//
// Source: PTX ISA, "Parallel Synchronization and Communication Instructions: mbarrier".
namespace deconv::cuda {

/// Lies in shared memory, aligned to 8 bytes, and is touched by the functions below alone.
using Mbarrier = std::uint64_t;

// The emulated device tells its reports where an operation stands; nvcc needs no such thing.
#ifdef __CUDACC__
#define DECONV_WHERE
#define DECONV_ONLY_WHERE
#else
#define DECONV_WHERE , const std::source_location& where = std::source_location::current()
#define DECONV_ONLY_WHERE const std::source_location& where = std::source_location::current()
#endif

/// One thread sets a barrier up for `arrivals` (1 to 2^20 - 1) arrivals a phase. Then comes
/// publish_mbarriers() by the same thread, and __syncthreads() by all.
__device__ __forceinline__ void mbarrier_init(Mbarrier* barrier, unsigned arrivals DECONV_WHERE) {
#ifdef __CUDACC__
#if __CUDA_ARCH__ >= 900
  const unsigned address = static_cast<unsigned>(__cvta_generic_to_shared(barrier));
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(address), "r"(arrivals) : "memory");
#else
  __trap();
#endif
#else
  simt::mbarrier_init(barrier, arrivals, where);
#endif
}

/// Shows the barriers that this thread has set up to the copies, which see shared memory by another way than
/// threads do.
__device__ __forceinline__ void publish_mbarriers(DECONV_ONLY_WHERE) {
#ifdef __CUDACC__
#if __CUDA_ARCH__ >= 900
  asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
#else
  __trap();
#endif
#else
  simt::publish_mbarriers(where);
#endif
}

/// Arrives once. What the thread has done before is done for whoever has waited for the phase.
__device__ __forceinline__ void mbarrier_arrive(Mbarrier* barrier DECONV_WHERE) {
#ifdef __CUDACC__
#if __CUDA_ARCH__ >= 900
  const unsigned address = static_cast<unsigned>(__cvta_generic_to_shared(barrier));
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(address) : "memory");
#else
  __trap();
#endif
#else
  simt::mbarrier_arrive(barrier, where);
#endif
}

/// Announces `bytes` (below 2^20) that copies will bring in this phase, and arrives once.
__device__ __forceinline__ void mbarrier_arrive_expecting(Mbarrier* barrier, unsigned bytes DECONV_WHERE) {
#ifdef __CUDACC__
#if __CUDA_ARCH__ >= 900
  const unsigned address = static_cast<unsigned>(__cvta_generic_to_shared(barrier));
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(address), "r"(bytes)
               : "memory");
#else
  __trap();
#endif
#else
  simt::mbarrier_arrive_expecting(barrier, bytes, where);
#endif
}

/// Waits for the end of the phase of that parity (0 or 1): the one under way, or if that has the other parity
/// the one before it. To fall behind by more is a mistake that no device notices.
__device__ __forceinline__ void mbarrier_wait(Mbarrier* barrier, unsigned parity DECONV_WHERE) {
#ifdef __CUDACC__
#if __CUDA_ARCH__ >= 900
  const unsigned address = static_cast<unsigned>(__cvta_generic_to_shared(barrier));
  unsigned done;
  do {  // each turn sleeps in the hardware for a while
    asm volatile(
        "{\n"
        ".reg .pred ended;\n"
        "mbarrier.try_wait.parity.shared::cta.b64 ended, [%1], %2;\n"
        "selp.u32 %0, 1, 0, ended;\n"
        "}\n"
        : "=r"(done)
        : "r"(address), "r"(parity)
        : "memory");
  } while (!done);
#else
  __trap();
#endif
#else
  simt::mbarrier_wait(barrier, parity, where);
#endif
}

#undef DECONV_WHERE
#undef DECONV_ONLY_WHERE

}  // namespace deconv::cuda
