#pragma once

// What a thread knows about its place, and the block's barriers.

#include <cstddef>
#include <cstdint>
#include <source_location>
#include <type_traits>

#include "simt/vector_types.hpp"

namespace simt {

// Constant for one thread: the compiler may keep the values over a barrier.
[[gnu::const]] uint3 thread_index() noexcept;
[[gnu::const]] uint3 block_index() noexcept;
[[gnu::const]] dim3 block_extents() noexcept;
[[gnu::const]] dim3 grid_extents() noexcept;

/// The block's dynamic shared memory, aligned to 1024 bytes.
[[gnu::const]] void* dynamic_shared_memory() noexcept;

enum class Vote { none, all, any, count };

/// Waits until every thread of the block is at the barrier on the same source line; returns the vote.
int block_barrier(Vote vote, int predicate, const std::source_location& where);

void nanosleep();

}  // namespace simt

#define threadIdx (::simt::thread_index())
#define blockIdx (::simt::block_index())

namespace simt {

/// blockDim and gridDim, which are also members' names in CUDA's structs and so cannot be macros: each
/// component turns into its number where it is used.
template <dim3 (*extents)() noexcept>
struct Extents {
  struct X {
    operator unsigned() const noexcept { return extents().x; }
  };
  struct Y {
    operator unsigned() const noexcept { return extents().y; }
  };
  struct Z {
    operator unsigned() const noexcept { return extents().z; }
  };
  X x;
  Y y;
  Z z;
  operator dim3() const noexcept { return extents(); }
};

}  // namespace simt

inline constexpr simt::Extents<&simt::block_extents> blockDim{};
inline constexpr simt::Extents<&simt::grid_extents> gridDim{};
inline constexpr int warpSize = 32;

inline void __syncthreads(const std::source_location& where = std::source_location::current()) {
  simt::block_barrier(simt::Vote::none, 0, where);
}
inline int __syncthreads_and(int predicate,
                             const std::source_location& where = std::source_location::current()) {
  return simt::block_barrier(simt::Vote::all, predicate, where);
}
inline int __syncthreads_or(int predicate,
                            const std::source_location& where = std::source_location::current()) {
  return simt::block_barrier(simt::Vote::any, predicate, where);
}
inline int __syncthreads_count(int predicate,
                               const std::source_location& where = std::source_location::current()) {
  return simt::block_barrier(simt::Vote::count, predicate, where);
}

void __threadfence();
void __threadfence_block();
void __threadfence_system();

inline void __nanosleep(unsigned) { simt::nanosleep(); }

/// An offset in place of the 32-bit address of shared memory: only the wrappers of kernels/common take it.
std::size_t __cvta_generic_to_shared(const void* pointer);
bool __isShared(const void* pointer);
bool __isGlobal(const void* pointer);

// Loads and stores with a hint for the caches, of which there are none here.
#define SIMT_LOAD(name)            \
  template <class T>               \
  inline T name(const T* source) { \
    return *source;                \
  }
SIMT_LOAD(__ldg)
SIMT_LOAD(__ldca)
SIMT_LOAD(__ldcg)
SIMT_LOAD(__ldcs)
SIMT_LOAD(__ldlu)
SIMT_LOAD(__ldcv)
#undef SIMT_LOAD
#define SIMT_STORE(name)                                            \
  template <class T>                                                \
  inline void name(T* destination, std::type_identity_t<T> value) { \
    *destination = value;                                           \
  }
SIMT_STORE(__stwb)
SIMT_STORE(__stcg)
SIMT_STORE(__stcs)
SIMT_STORE(__stwt)
#undef SIMT_STORE
