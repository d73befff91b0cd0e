#pragma once

// Copies of boxes of a tensor between global and shared memory, as a map describes them (128 bytes that
// cuTensorMapEncodeTiled or cuTensorMapEncodeIm2col of this emulator has filled).

#include <cstdint>
#include <source_location>

namespace simt {

/// Loads the box at the coordinates; lands when its barrier's phase ends.
void bulk_load(void* shared, const void* map, std::uint64_t* barrier, const int* coordinates, unsigned rank,
               const std::source_location& where);
/// Loads a column of pixels; coordinates are (channel, w, h, n), offsets (w, h).
void bulk_load_im2col(void* shared, const void* map, std::uint64_t* barrier, const int* coordinates,
                      const std::uint16_t* offsets, const std::source_location& where);
/// Stores a box; lands when the thread has waited for the group.
void bulk_store(const void* map, const void* shared, const int* coordinates, unsigned rank,
                const std::source_location& where);
/// Closes the group of this thread's stores so far.
void close_bulk_stores();
/// Waits until at most `newest` of this thread's groups are still under way.
void wait_for_bulk_stores(unsigned newest);
/// Shows what the thread has written to shared memory to stores and to matrix products.
void publish_to_bulk(const std::source_location& where);

}  // namespace simt
