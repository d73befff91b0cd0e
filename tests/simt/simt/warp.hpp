#pragma once

// What the threads of a warp do together. Each call waits for all threads that its mask names.

#include <bit>
#include <cstdint>
#include <source_location>
#include <type_traits>

namespace simt {

enum class Shuffle { index, up, down, exclusive_or };
enum class Reduction { add, min, max, bit_and, bit_or, bit_xor };

using Where = std::source_location;

void warp_barrier(unsigned mask, const Where& where);
std::uint64_t shuffle(Shuffle kind, unsigned mask, std::uint64_t value, int lane, int width,
                      const Where& where);
unsigned ballot(unsigned mask, int predicate, const Where& where);
unsigned match_any(unsigned mask, std::uint64_t value, const Where& where);
unsigned match_all(unsigned mask, std::uint64_t value, int* all, const Where& where);
std::int64_t reduce(Reduction kind, unsigned mask, std::int64_t value, const Where& where);
unsigned active_mask();

template <class T>
T shuffle_value(Shuffle kind, unsigned mask, T value, int lane, int width, const Where& where) {
  static_assert(std::is_trivially_copyable_v<T> && sizeof(T) <= 8);
  std::uint64_t bits = 0;
  __builtin_memcpy(&bits, &value, sizeof(T));
  bits = shuffle(kind, mask, bits, lane, width, where);
  __builtin_memcpy(&value, &bits, sizeof(T));
  return value;
}

}  // namespace simt

inline void __syncwarp(unsigned mask = 0xffffffffu, const simt::Where& where = simt::Where::current()) {
  simt::warp_barrier(mask, where);
}
template <class T>
T __shfl_sync(unsigned mask, T value, int lane, int width = 32,
              const simt::Where& where = simt::Where::current()) {
  return simt::shuffle_value(simt::Shuffle::index, mask, value, lane, width, where);
}
template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32,
                 const simt::Where& where = simt::Where::current()) {
  return simt::shuffle_value(simt::Shuffle::up, mask, value, static_cast<int>(delta), width, where);
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32,
                   const simt::Where& where = simt::Where::current()) {
  return simt::shuffle_value(simt::Shuffle::down, mask, value, static_cast<int>(delta), width, where);
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int lane_mask, int width = 32,
                  const simt::Where& where = simt::Where::current()) {
  return simt::shuffle_value(simt::Shuffle::exclusive_or, mask, value, lane_mask, width, where);
}

inline unsigned __ballot_sync(unsigned mask, int predicate,
                              const simt::Where& where = simt::Where::current()) {
  return simt::ballot(mask, predicate, where);
}
inline int __any_sync(unsigned mask, int predicate, const simt::Where& where = simt::Where::current()) {
  return simt::ballot(mask, predicate, where) != 0;
}
inline int __all_sync(unsigned mask, int predicate, const simt::Where& where = simt::Where::current()) {
  return simt::ballot(mask, !predicate, where) == 0;
}
/// The threads of the warp that happen to be here together: in this device, the calling one alone.
inline unsigned __activemask() { return simt::active_mask(); }

template <class T>
unsigned __match_any_sync(unsigned mask, T value, const simt::Where& where = simt::Where::current()) {
  std::uint64_t bits = 0;
  __builtin_memcpy(&bits, &value, sizeof(T));
  return simt::match_any(mask, bits, where);
}
template <class T>
unsigned __match_all_sync(unsigned mask, T value, int* all,
                          const simt::Where& where = simt::Where::current()) {
  std::uint64_t bits = 0;
  __builtin_memcpy(&bits, &value, sizeof(T));
  return simt::match_all(mask, bits, all, where);
}

#define SIMT_REDUCE(name, kind)                                                                            \
  inline unsigned name(unsigned mask, unsigned value, const simt::Where& where = simt::Where::current()) { \
    return static_cast<unsigned>(simt::reduce(simt::Reduction::kind, mask, value, where));                 \
  }
#define SIMT_REDUCE_SIGNED(name, kind)                                                           \
  inline int name(unsigned mask, int value, const simt::Where& where = simt::Where::current()) { \
    return static_cast<int>(simt::reduce(simt::Reduction::kind, mask, value, where));            \
  }
SIMT_REDUCE(__reduce_add_sync, add)
SIMT_REDUCE(__reduce_min_sync, min)
SIMT_REDUCE(__reduce_max_sync, max)
SIMT_REDUCE(__reduce_and_sync, bit_and)
SIMT_REDUCE(__reduce_or_sync, bit_or)
SIMT_REDUCE(__reduce_xor_sync, bit_xor)
SIMT_REDUCE_SIGNED(__reduce_add_sync, add)
SIMT_REDUCE_SIGNED(__reduce_min_sync, min)
SIMT_REDUCE_SIGNED(__reduce_max_sync, max)
#undef SIMT_REDUCE
#undef SIMT_REDUCE_SIGNED
