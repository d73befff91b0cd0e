// Where a thread stands, the block's barriers, and atomic operations.

#include "simt/block.hpp"

#include <atomic>
#include <cstdio>
#include <cstdlib>

#include "simt/atomics.hpp"
#include "worker.hpp"

namespace simt {

uint3 thread_index() noexcept { return active->current->index; }
uint3 block_index() noexcept { return active->block_index; }
dim3 block_extents() noexcept { return active->block_extents; }
dim3 grid_extents() noexcept { return active->grid_extents; }
void* dynamic_shared_memory() noexcept { return active->dynamic_memory; }

int block_barrier(Vote vote, int predicate, const std::source_location& where) {
  if (!active) {
    std::fputs("simt: a barrier outside a kernel\n", stderr);
    std::abort();
  }
  return active->barrier(vote, predicate, where);
}

void nanosleep() {
  if (active) active->yield(__builtin_return_address(0));
}

namespace {

template <class T, class Change>
T update(T* address, const void* place, Change change) {
  check_atomic(address, sizeof(T), place);
  T old = __atomic_load_n(address, __ATOMIC_SEQ_CST);
  while (
      !__atomic_compare_exchange_n(address, &old, change(old), false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
  }
  return old;
}

template <class F, class Bits>
F add_floating(F* address, F value, const void* place) {
  const Bits old = update(reinterpret_cast<Bits*>(address), place, [value](Bits bits) {
    return __builtin_bit_cast(Bits, __builtin_bit_cast(F, bits) + value);
  });
  return __builtin_bit_cast(F, old);
}

}  // namespace
}  // namespace simt

// NOLINTBEGIN
#define SIMT_UPDATE(name, T, expression)                                                                   \
  T name(T* address, T value) {                                                                            \
    return simt::update(address, __builtin_return_address(0), [value](T old) -> T { return expression; }); \
  }
#define SIMT_ATOMICS(T)                                                            \
  SIMT_UPDATE(atomicAdd, T, static_cast<T>(old + value))                           \
  SIMT_UPDATE(atomicSub, T, static_cast<T>(old - value))                           \
  SIMT_UPDATE(atomicMin, T, value < old ? value : old)                             \
  SIMT_UPDATE(atomicMax, T, old < value ? value : old)                             \
  SIMT_UPDATE(atomicAnd, T, old& value)                                            \
  SIMT_UPDATE(atomicOr, T, old | value)                                            \
  SIMT_UPDATE(atomicXor, T, old ^ value)                                           \
  SIMT_UPDATE(atomicExch, T, ((void)old, value))                                   \
  T atomicCAS(T* address, T compare, T value) {                                    \
    return simt::update(address, __builtin_return_address(0),                      \
                        [=](T old) -> T { return old == compare ? value : old; }); \
  }
SIMT_ATOMICS(int)
SIMT_ATOMICS(unsigned)
SIMT_ATOMICS(unsigned long long)
SIMT_UPDATE(atomicMin, long long, value < old ? value : old)
SIMT_UPDATE(atomicMax, long long, old < value ? value : old)

unsigned atomicInc(unsigned* address, unsigned limit) {
  return simt::update(address, __builtin_return_address(0),
                      [limit](unsigned old) { return old >= limit ? 0u : old + 1; });
}
unsigned atomicDec(unsigned* address, unsigned limit) {
  return simt::update(address, __builtin_return_address(0),
                      [limit](unsigned old) { return old == 0 || old > limit ? limit : old - 1; });
}
unsigned short atomicCAS(unsigned short* address, unsigned short compare, unsigned short value) {
  return simt::update(address, __builtin_return_address(0),
                      [=](unsigned short old) { return old == compare ? value : old; });
}
float atomicAdd(float* address, float value) {
  return simt::add_floating<float, unsigned>(address, value, __builtin_return_address(0));
}
double atomicAdd(double* address, double value) {
  return simt::add_floating<double, unsigned long long>(address, value, __builtin_return_address(0));
}
float atomicExch(float* address, float value) {
  const unsigned bits = __builtin_bit_cast(unsigned, value);
  return __builtin_bit_cast(float,
                            simt::update(reinterpret_cast<unsigned*>(address), __builtin_return_address(0),
                                         [bits](unsigned) { return bits; }));
}

// Blocks on other cores, hence real fences.
void __threadfence() { std::atomic_thread_fence(std::memory_order_seq_cst); }
void __threadfence_block() { std::atomic_thread_fence(std::memory_order_seq_cst); }
void __threadfence_system() { std::atomic_thread_fence(std::memory_order_seq_cst); }

bool __isShared(const void* pointer) {
  const auto address = reinterpret_cast<std::uintptr_t>(pointer);
  return simt::active &&
         (simt::active->dynamic_shadow.holds(address) || simt::active->static_shadow.holds(address));
}
bool __isGlobal(const void* pointer) {
  return simt::DeviceMemory::instance().in_range(reinterpret_cast<std::uintptr_t>(pointer));
}
std::size_t __cvta_generic_to_shared(const void* pointer) { return reinterpret_cast<std::size_t>(pointer); }

extern "C" bool simt_thread_is(unsigned x, unsigned y, unsigned z) {
  if (!simt::active || !simt::active->current) return false;
  const uint3& i = simt::active->current->index;
  return i.x == x && i.y == y && i.z == z;
}
extern "C" bool simt_block_is(unsigned x, unsigned y, unsigned z) {
  if (!simt::active) return false;
  const uint3& i = simt::active->block_index;
  return i.x == x && i.y == y && i.z == z;
}
// NOLINTEND
