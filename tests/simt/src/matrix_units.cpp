// Matrix fragments: ldmatrix and mma. Element (row, column) of each fragment as the PTX manual's tables have
// it.

#include "simt/matrix_units.hpp"

#include <bit>
#include <cmath>
#include <cstring>
#include <string>

#include "../include/cuda_fp16.h"
#include "worker.hpp"

namespace simt {
namespace {

struct LoadSlot {
  const void* row;
  std::uint32_t* registers;
  unsigned count;
  bool transposed;
};

void complete_load(Worker&, Meeting& meeting) {
  std::uint16_t rows[32][8];
  const auto* first = static_cast<const LoadSlot*>(meeting.slots[0]);
  const unsigned count = first->count;
  for (unsigned lane = 0; lane < 8 * count; ++lane) {
    std::memcpy(rows[lane], static_cast<const LoadSlot*>(meeting.slots[lane])->row, 16);
  }
  for (unsigned lane = 0; lane < 32; ++lane) {
    const auto* slot = static_cast<const LoadSlot*>(meeting.slots[lane]);
    const unsigned line = lane / 4, pair = 2 * (lane % 4);
    for (unsigned m = 0; m < count; ++m) {
      const std::uint32_t low = slot->transposed ? rows[8 * m + pair][line] : rows[8 * m + line][pair];
      const std::uint32_t high =
          slot->transposed ? rows[8 * m + pair + 1][line] : rows[8 * m + line][pair + 1];
      slot->registers[m] = low | (high << 16);
    }
  }
}

struct ProductSlot {
  float* d;
  const std::uint32_t *a, *b;
};

struct At {
  unsigned row, column;
};

// 16-bit elements: e counts elements, two a register.
At a_of_16(unsigned lane, unsigned e) {
  return {lane / 4 + (e / 2 % 2 == 1 ? 8u : 0u), lane % 4 * 2 + e % 2 + (e >= 4 ? 8u : 0u)};
}
At b_of_16(unsigned lane, unsigned e) { return {lane % 4 * 2 + e % 2 + (e >= 2 ? 8u : 0u), lane / 4}; }
// tf32: one element a register.
At a_of_32(unsigned lane, unsigned e) {
  return {lane / 4 + (e % 2 == 1 ? 8u : 0u), lane % 4 + (e >= 2 ? 4u : 0u)};
}
At b_of_32(unsigned lane, unsigned e) { return {lane % 4 + (e == 1 ? 4u : 0u), lane / 4}; }
At d_of(unsigned lane, unsigned e) { return {lane / 4 + (e >= 2 ? 8u : 0u), lane % 4 * 2 + e % 2}; }

template <MatrixType type>
double element(const std::uint32_t* registers, unsigned e) {
  if constexpr (type == MatrixType::tf32) {
    return static_cast<double>(
        std::bit_cast<float>(registers[e] & 0xffffe000u));  // the rest is not looked at
  } else {
    const auto bits = static_cast<unsigned short>(registers[e / 2] >> (e % 2 * 16));
    if constexpr (type == MatrixType::half) return static_cast<double>(half_value(bits));
    return static_cast<double>(std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16));
  }
}

template <MatrixType type>
void complete_product(Worker&, Meeting& meeting) {
  constexpr bool wide = type == MatrixType::tf32;
  constexpr unsigned depth = wide ? 8 : 16, a_elements = wide ? 4 : 8, b_elements = wide ? 2 : 4;
  double a[16][depth], b[depth][8];
  for (unsigned lane = 0; lane < 32; ++lane) {
    const auto* slot = static_cast<const ProductSlot*>(meeting.slots[lane]);
    for (unsigned e = 0; e < a_elements; ++e) {
      const At at = wide ? a_of_32(lane, e) : a_of_16(lane, e);
      a[at.row][at.column] = element<type>(slot->a, e);
    }
    for (unsigned e = 0; e < b_elements; ++e) {
      const At at = wide ? b_of_32(lane, e) : b_of_16(lane, e);
      b[at.row][at.column] = element<type>(slot->b, e);
    }
  }
  for (unsigned lane = 0; lane < 32; ++lane) {
    const auto* slot = static_cast<const ProductSlot*>(meeting.slots[lane]);
    for (unsigned e = 0; e < 4; ++e) {
      const At at = d_of(lane, e);
      double sum = static_cast<double>(slot->d[e]);
      for (unsigned k = 0; k < depth; ++k) sum += a[at.row][k] * b[k][at.column];
      slot->d[e] = static_cast<float>(sum);
    }
  }
}

constexpr unsigned all_lanes = 0xffffffffu;

// A warp of fewer than 32 threads cannot do these at all.
void require_whole_warp(const char* operation, const std::source_location& where) {
  Worker& worker = *active;
  if (worker.lanes_of_current() == all_lanes) return;
  worker.failing().fail(Mistake::missing_lanes, *worker.current,
                        std::string("calls ") + operation + " in a warp without 32 threads", Place(where));
}

}  // namespace

void load_matrix(std::uint32_t* registers, const void* shared_row, unsigned count, bool transposed,
                 const std::source_location& where) {
  require_whole_warp("ldmatrix", where);
  LoadSlot slot{shared_row, registers, count, transposed};
  Worker& worker = *active;
  const unsigned lane = worker.current->number % 32u;
  if (lane < 8 * count) {  // the others' addresses are not looked at
    const auto address = reinterpret_cast<std::uintptr_t>(shared_row);
    if (address % 16 != 0) worker.failing().misaligned(address, 16, "a row of ldmatrix", Place(where));
    worker.read_shared(address, 16, Place(where), __builtin_return_address(0));
  }
  // Kinds that differ do not meet.
  static constexpr const char* names[2][5] = {
      {"", "ldmatrix.x1", "ldmatrix.x2", "", "ldmatrix.x4"},
      {"", "ldmatrix.x1.trans", "ldmatrix.x2.trans", "", "ldmatrix.x4.trans"}};
  worker.meet(names[transposed][count], all_lanes, where, &slot, &complete_load);
}

void multiply_add(MatrixType type, float* d, const std::uint32_t* a, const std::uint32_t* b,
                  const std::source_location& where) {
  require_whole_warp("mma", where);
  ProductSlot slot{d, a, b};
  switch (type) {
    case MatrixType::tf32:
      return active->meet("mma.m16n8k8.tf32", all_lanes, where, &slot, &complete_product<MatrixType::tf32>);
    case MatrixType::half:
      return active->meet("mma.m16n8k16.f16", all_lanes, where, &slot, &complete_product<MatrixType::half>);
    case MatrixType::bfloat16:
      return active->meet("mma.m16n8k16.bf16", all_lanes, where, &slot,
                          &complete_product<MatrixType::bfloat16>);
  }
}

std::uint32_t rounded_to_tf32(float value) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
  if ((bits & 0x7f800000u) == 0x7f800000u) return bits & 0xffffe000u;  // infinity; NaN keeps its upper bits
  return (bits + 0x1000u) & 0xffffe000u;
}

}  // namespace simt
