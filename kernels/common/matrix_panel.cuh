#pragma once

#include <cuda_runtime.h>

// Operands of the matrix units in shared memory. A line of a panel is one row (or column) of the product, or
// one step of the depth, and has 128 bytes: eight chunks of 16. Eight lines that lie below each other are
// read at once, the same chunk of each, so chunks are exchanged within their line: chunk c of line r stands
// at c ^ (r % 8), and the eight meet eight different groups of banks. This is also what the tensor copy of
// sm_90 writes and wgmma reads as "128-byte swizzle", provided that panels begin at multiples of 1024.
namespace deconv::cuda {

inline constexpr int chunk_bytes = 16, line_chunks = 8, line_bytes = chunk_bytes * line_chunks;

/// Elements of a type to a chunk.
template <class T>
inline constexpr int chunk_of = chunk_bytes / static_cast<int>(sizeof(T));

/// Byte offset of a chunk in a panel.
__device__ __forceinline__ constexpr int panel_offset(int line, int chunk) {
  return line * line_bytes + (chunk ^ (line % line_chunks)) * chunk_bytes;
}

/// The same for panels of floats whose lines are steps of the depth, read one float at a time: there it is
/// four lines and two chunks of each that a warp reads at once.
__device__ __forceinline__ constexpr int panel_offset_of_floats(int line, int chunk) {
  return line * line_bytes + (chunk ^ (line % 4 * 2)) * chunk_bytes;
}

}  // namespace deconv::cuda
