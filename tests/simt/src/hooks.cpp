// What g++ -fsanitize=thread,alignment calls for each access of a kernel. Host code in the same files calls
// it too and is let pass. Only the calls are wanted: no sanitizer library is linked.

#include <cstddef>
#include <cstdint>

#include "worker.hpp"

namespace simt {
namespace {

// Most accesses end here: global memory in bounds, or the thread's own stack.
[[gnu::always_inline]] inline void check(const void* pointer, std::size_t bytes, unsigned access,
                                         bool aligned, const void* place) {
  Worker* const worker = active;
  if (!worker) return;
  const auto address = reinterpret_cast<std::uintptr_t>(pointer);
  if (address - worker->stack < Worker::stack_bytes) return;
  if (--worker->patience <= 0) worker->yield(place);
  if (aligned && (address & (bytes - 1)) != 0) {
    worker->failing().misaligned(address, bytes, "a value of its size", Place(place));
  }
  if (worker->dynamic_shadow.holds(address)) {
    if (bytes == 4 && access == reading && aligned && worker->quick_read(worker->dynamic_shadow, address))
      return;
    worker->shared_access(worker->dynamic_shadow, address, bytes, access, place);
  } else if (worker->static_shadow.holds(address)) {
    if (bytes == 4 && access == reading && aligned && worker->quick_read(worker->static_shadow, address))
      return;
    worker->shared_access(worker->static_shadow, address, bytes, access, place);
  } else if (!worker->memory->holds(address, bytes)) {
    worker->slow_access(address, bytes, access, place);
  }
}

}  // namespace

void check_atomic(const void* pointer, std::size_t bytes, const void* place) {
  check(pointer, bytes, writing | atomically, true, place);
}

}  // namespace simt

using simt::check;
using simt::reading;
using simt::writing;

// NOLINTBEGIN: the compiler chose these names
#define SIMT_PLACE __builtin_return_address(0)
#define SIMT_ACCESS(bytes)                                                                              \
  void __tsan_read##bytes(void* p) { check(p, bytes, reading, true, SIMT_PLACE); }                      \
  void __tsan_write##bytes(void* p) { check(p, bytes, writing, true, SIMT_PLACE); }                     \
  void __tsan_unaligned_read##bytes(void* p) { check(p, bytes, reading, false, SIMT_PLACE); }           \
  void __tsan_unaligned_write##bytes(void* p) { check(p, bytes, writing, false, SIMT_PLACE); }          \
  void __tsan_volatile_read##bytes(void* p) { check(p, bytes, reading, true, SIMT_PLACE); }             \
  void __tsan_volatile_write##bytes(void* p) { check(p, bytes, writing, true, SIMT_PLACE); }            \
  void __tsan_unaligned_volatile_read##bytes(void* p) { check(p, bytes, reading, false, SIMT_PLACE); }  \
  void __tsan_unaligned_volatile_write##bytes(void* p) { check(p, bytes, writing, false, SIMT_PLACE); } \
  void __tsan_read_write##bytes(void* p) {                                                              \
    check(p, bytes, reading, true, SIMT_PLACE);                                                         \
    check(p, bytes, writing, true, SIMT_PLACE);                                                         \
  }

extern "C" {
SIMT_ACCESS(1)
SIMT_ACCESS(2)
SIMT_ACCESS(4)
SIMT_ACCESS(8)
SIMT_ACCESS(16)

void __tsan_read_range(void* p, std::size_t bytes) { check(p, bytes, reading, false, SIMT_PLACE); }
void __tsan_write_range(void* p, std::size_t bytes) { check(p, bytes, writing, false, SIMT_PLACE); }
void __tsan_init() {}
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}
void __tsan_vptr_update(void**, void*) {}
void __tsan_vptr_read(void**) {}

// -fsanitize=alignment: a pointer to T that is not aligned for T.
struct AlignmentCheck {
  const char* file;
  std::uint32_t line, column;
  const struct {
    std::uint16_t kind, info;
    char name[1];
  } * type;
  unsigned char log_alignment, check_kind;
};
void __ubsan_handle_type_mismatch_v1(AlignmentCheck* data, std::uintptr_t pointer) {
  simt::Worker* const worker = simt::active;
  if (!worker) return;
  simt::Place place;
  place.file = data->file;
  place.line = data->line;
  worker->failing().misaligned(pointer, std::size_t{1} << data->log_alignment, data->type->name, place);
}
void __ubsan_handle_type_mismatch_v1_abort(AlignmentCheck* data, std::uintptr_t pointer) {
  __ubsan_handle_type_mismatch_v1(data, pointer);
}

// std::atomic in host code of the same files.
#define SIMT_ATOMIC_FETCH(T, bits, name) \
  T __tsan_atomic##bits##_##name(volatile T* a, T v, int) { return __atomic_##name(a, v, __ATOMIC_SEQ_CST); }
#define SIMT_ATOMIC_OPERATIONS(T, bits)                                                                   \
  T __tsan_atomic##bits##_load(const volatile T* a, int) { return __atomic_load_n(a, __ATOMIC_SEQ_CST); } \
  void __tsan_atomic##bits##_store(volatile T* a, T v, int) { __atomic_store_n(a, v, __ATOMIC_SEQ_CST); } \
  T __tsan_atomic##bits##_exchange(volatile T* a, T v, int) {                                             \
    return __atomic_exchange_n(a, v, __ATOMIC_SEQ_CST);                                                   \
  }                                                                                                       \
  SIMT_ATOMIC_FETCH(T, bits, fetch_add)                                                                   \
  SIMT_ATOMIC_FETCH(T, bits, fetch_sub)                                                                   \
  SIMT_ATOMIC_FETCH(T, bits, fetch_and)                                                                   \
  SIMT_ATOMIC_FETCH(T, bits, fetch_or)                                                                    \
  SIMT_ATOMIC_FETCH(T, bits, fetch_xor)                                                                   \
  SIMT_ATOMIC_FETCH(T, bits, fetch_nand)                                                                  \
  int __tsan_atomic##bits##_compare_exchange_strong(volatile T* a, T* c, T v, int, int) {                 \
    return __atomic_compare_exchange_n(a, c, v, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);               \
  }                                                                                                       \
  int __tsan_atomic##bits##_compare_exchange_weak(volatile T* a, T* c, T v, int, int) {                   \
    return __atomic_compare_exchange_n(a, c, v, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);               \
  }                                                                                                       \
  T __tsan_atomic##bits##_compare_exchange_val(volatile T* a, T c, T v, int, int) {                       \
    __atomic_compare_exchange_n(a, &c, v, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);                     \
    return c;                                                                                             \
  }
SIMT_ATOMIC_OPERATIONS(std::uint8_t, 8)
SIMT_ATOMIC_OPERATIONS(std::uint16_t, 16)
SIMT_ATOMIC_OPERATIONS(std::uint32_t, 32)
SIMT_ATOMIC_OPERATIONS(std::uint64_t, 64)
void __tsan_atomic_thread_fence(int) { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
void __tsan_atomic_signal_fence(int) {}
}
// NOLINTEND
