#pragma once

// bar.sync and bar.arrive: the block's barriers by number.

#include <source_location>

namespace simt {

/// Arrives at barrier `id` (1 to 15) of which `threads` threads are to come, and waits for them if `wait`.
void named_barrier(bool wait, int id, int threads, const std::source_location& where);

}  // namespace simt
