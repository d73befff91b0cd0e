#pragma once

// What a warp does with matrix fragments: ldmatrix and mma, with the layouts of the PTX manual.

#include <cstdint>
#include <source_location>

namespace simt {

/// Loads `count` (1, 2, 4) 8x8 matrices of 16-bit elements. Thread 8 m + r gives the address of row r of
/// matrix m: 16 bytes, aligned to 16. Thread t receives from each matrix the elements 2 (t % 4) and the next
/// of row t / 4; transposed, of column t / 4.
void load_matrix(std::uint32_t* registers, const void* shared_row, unsigned count, bool transposed,
                 const std::source_location& where);

enum class MatrixType { tf32, half, bfloat16 };

/// d += a b for a warp's fragments: 16 x 8 x 8 for tf32 (4 registers of a, 2 of b), 16 x 8 x 16 for half and
/// bfloat16 (4 of a, 2 of b, two elements each). Products are exact, summed in double and rounded once to
/// float: the device rounds oftener, and never the same way for two generations.
void multiply_add(MatrixType type, float* d, const std::uint32_t* a, const std::uint32_t* b,
                  const std::source_location& where);

/// cvt.rna.tf32.f32: to 10 bits of mantissa, ties away from zero.
std::uint32_t rounded_to_tf32(float value);

}  // namespace simt
