#pragma once

// What a warpgroup does with matrices in shared memory: wgmma, and the division of registers.

#include <cstdint>
#include <source_location>

#include "simt/matrix_units.hpp"

namespace simt {

/// Bits 0 to 13 of a matrix descriptor, the address in units of 16 bytes; in bits that the device does not
/// use stands which stretch of shared memory is meant, since the host's addresses are longer.
std::uint64_t shared_matrix_address(const void* shared, unsigned leading_bytes, unsigned stride_bytes,
                                    const std::source_location& where);

/// wgmma.fence: accumulators that threads wrote are the products' from now on.
void begin_products(const std::source_location& where);

/// wgmma.mma_async: d (64 x columns) += a b, of which a is given by its rows, or across, and b by its
/// columns, or across. Until the wait d is NaN, and who writes to d, or to the operands' memory, is reported.
/// Sums are in double and rounded once to float an instruction.
void multiply_add_group(MatrixType type, unsigned columns, bool rows_across, bool columns_across, float* d,
                        std::uint64_t a, std::uint64_t b, const std::source_location& where);

/// wgmma.commit_group.
void close_products(const std::source_location& where);
/// wgmma.wait_group.
void wait_for_products(unsigned newest, const std::source_location& where);

/// setmaxnreg.inc (`more`) and .dec.
void set_registers(unsigned count, bool more, const std::source_location& where);

}  // namespace simt
