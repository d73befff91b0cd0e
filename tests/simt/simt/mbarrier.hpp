#pragma once

// Barriers in shared memory, with phases that threads and asynchronous copies complete.

#include <cstdint>
#include <source_location>

namespace simt {

void mbarrier_init(std::uint64_t* barrier, unsigned arrivals, const std::source_location& where);
/// Shows the barriers that the calling thread has set up to the copies.
void publish_mbarriers(const std::source_location& where);
void mbarrier_arrive(std::uint64_t* barrier, const std::source_location& where);
/// Announces bytes, and arrives.
void mbarrier_arrive_expecting(std::uint64_t* barrier, unsigned bytes, const std::source_location& where);
/// Waits for the end of the phase of that parity.
void mbarrier_wait(std::uint64_t* barrier, unsigned parity, const std::source_location& where);

}  // namespace simt
