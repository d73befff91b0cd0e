// Matrix operands in shared memory: where a descriptor says that each 16 bytes lie, and their product.

#include <bit>
#include <cstring>
#include <string>

#include "../include/cuda_fp16.h"
#include "warpgroup.hpp"

namespace simt {
namespace {

// Where the swizzle puts the 16 bytes whose unswizzled address is this.
std::uintptr_t swizzled(std::uintptr_t address, unsigned span) noexcept {
  return address ^ ((address >> 3) & (span - 16u));
}

template <MatrixType type>
double element(const std::uint16_t* bits) {
  if constexpr (type == MatrixType::half) return static_cast<double>(half_value(*bits));
  return static_cast<double>(std::bit_cast<float>(static_cast<std::uint32_t>(*bits) << 16));
}

// The operand as rows of `depth` numbers.
template <MatrixType type>
void fetch(const Operand& operand, double* rows, std::size_t row_step, std::size_t k_step) {
  for (unsigned number = 0; number < operand.pieces(); ++number) {
    const std::uintptr_t address = operand.piece(number);
    if constexpr (type == MatrixType::tf32) {
      std::uint32_t bits[4];
      std::memcpy(bits, reinterpret_cast<const void*>(address), 16);
      for (unsigned i = 0; i < 4; ++i) {
        rows[number / 2 * row_step + (number % 2 * 4 + i) * k_step] =
            static_cast<double>(std::bit_cast<float>(bits[i] & 0xffffe000u));  // the rest is not looked at
      }
    } else {
      std::uint16_t bits[8];
      std::memcpy(bits, reinterpret_cast<const void*>(address), 16);
      for (unsigned i = 0; i < 8; ++i) {
        const std::size_t row = operand.across ? number / 16 * 8 + i : number / 2;
        const std::size_t k = operand.across ? number % 16 : number % 2 * 8 + i;
        rows[row * row_step + k * k_step] = element<type>(bits + i);
      }
    }
  }
}

template <MatrixType type>
void multiply_as(const Product& product, float* sums) {
  constexpr std::size_t depth = type == MatrixType::tf32 ? 8 : 16;
  const std::size_t columns = product.columns;
  double a[64 * depth], b[depth * 256];
  fetch<type>(product.a, a, depth, 1);
  fetch<type>(product.b, b, 1, columns);
  for (std::size_t row = 0; row < 64; ++row) {
    float* const d = sums + row * columns;
    for (std::size_t first = 0; first < columns; first += 8) {  // every count is a multiple of 8
      double sum[8];
      for (std::size_t j = 0; j < 8; ++j) sum[j] = static_cast<double>(d[first + j]);
      for (std::size_t k = 0; k < depth; ++k) {
        const double factor = a[row * depth + k];
        const double* const line = b + k * columns + first;
        for (std::size_t j = 0; j < 8; ++j) sum[j] += factor * line[j];
      }
      for (std::size_t j = 0; j < 8; ++j) d[first + j] = static_cast<float>(sum[j]);
    }
  }
}

constexpr unsigned dynamic = 0;  // which stretch of shared memory: static ones count from 1, each 256 KiB

}  // namespace

std::uintptr_t Operand::along(unsigned row, unsigned piece) const noexcept {
  const std::uintptr_t line = start + row / 8 * stride + row % 8 * std::size_t{span};
  return swizzled(line + piece * (span == 16 ? leading : 16), span);
}

std::uintptr_t Operand::over(unsigned k, unsigned piece) const noexcept {
  const unsigned wide = span / 16;
  const std::size_t spans = span == 16 ? stride : leading, eights = span == 16 ? leading : stride;
  return swizzled(
      start + piece / wide * spans + piece % wide * 16 + k % 8 * std::size_t{span} + k / 8 * eights, span);
}

std::uint64_t shared_matrix_address(const void* shared, unsigned leading_bytes, unsigned stride_bytes,
                                    const std::source_location& where) {
  Worker& worker = *active;
  const auto address = reinterpret_cast<std::uintptr_t>(shared);
  if (address % 16 != 0) {
    worker.failing().misaligned(address, 16, "a matrix operand", Place(where));
  }
  if ((leading_bytes | stride_bytes) % 16 != 0 || leading_bytes >= 1u << 18 || stride_bytes >= 1u << 18) {
    worker.failing().fail(Mistake::misaligned, *worker.current,
                          "describes a matrix operand with steps of " + std::to_string(leading_bytes) +
                              " and " + std::to_string(stride_bytes) +
                              " bytes: multiples of 16 below 256 KiB can be described",
                          Place(where));
  }
  if (worker.dynamic_shadow.holds(address)) {
    const std::uintptr_t offset = address - reinterpret_cast<std::uintptr_t>(worker.dynamic_memory);
    return (offset & 0x3ffffu) >> 4 | std::uint64_t{dynamic} << 52;
  }
  if (worker.static_shadow.holds(address)) {
    // Counted from a multiple of 16 bytes, whatever the shadow begins with.
    const std::uintptr_t offset = address - (worker.static_shadow.start() & ~std::uintptr_t{15});
    return (offset & 0x3ffffu) >> 4 | ((offset >> 18) + 1) << 52;
  }
  worker.failing().fail_not_shared(address, "describes a matrix operand in ", Place(where));
}

Operand decoded(std::uint64_t bits, unsigned rows, bool across) {
  static constexpr unsigned spans[] = {16, 128, 64, 32};
  const Worker& worker = *active;
  const auto stretch = static_cast<unsigned>(bits >> 52 & 1023u);
  // Two bits more than the device has: they hold the carry of advanced().
  const std::uintptr_t offset = (bits & 0xffffu) << 4;
  Operand operand;
  operand.start = stretch == dynamic ? reinterpret_cast<std::uintptr_t>(worker.dynamic_memory) + offset
                                     : (worker.static_shadow.start() & ~std::uintptr_t{15}) +
                                           (std::uintptr_t{stretch - 1} << 18) + offset;
  operand.leading = (bits >> 16 & 0x3fffu) << 4;
  operand.stride = (bits >> 32 & 0x3fffu) << 4;
  operand.span = spans[bits >> 62];
  operand.rows = rows;
  operand.across = across;
  return operand;
}

// What a product reads must be there for each of its threads. They take turns at reading: a panel that
// somebody must wait for has many pieces.
void Worker::read_operand(const Operand& operand, unsigned agent, const std::source_location& where,
                          const void* code) {
  Thread* const self = current;
  const unsigned first = self->number / 128u * 128u;
  if (const std::size_t period = operand.span * std::size_t{8};
      operand.span > 16 && operand.start % period >= operand.span) {
    failing().fail(Mistake::misaligned, *self,
                   "multiplies by an operand that does not begin in the first row of its swizzle's pattern, "
                   "which repeats every " +
                       std::to_string(period) + " bytes: at " + describe(operand.start),
                   Place(where));
  }
  for (unsigned number = 0; number < operand.pieces(); ++number) {
    current = &threads_[first + number * 37 % 128];  // all of them, mostly of another warp each time
    read_shared_async(agent, operand.piece(number), 16, Place(where), code);
  }
  current = self;
}

void multiply(const Product& product, float* sums) {
  switch (product.type) {
    case MatrixType::tf32:
      return multiply_as<MatrixType::tf32>(product, sums);
    case MatrixType::half:
      return multiply_as<MatrixType::half>(product, sums);
    case MatrixType::bfloat16:
      return multiply_as<MatrixType::bfloat16>(product, sums);
  }
}

}  // namespace simt
