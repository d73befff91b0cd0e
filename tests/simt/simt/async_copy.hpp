#pragma once

// cp.async: a copy from global to shared memory that lands when it is waited for, and not before.

namespace simt {

/// Copies `bytes` (4, 8 or 16); those past `source_bytes` become zero. Destination and source are aligned to
/// `bytes`.
void async_copy(void* shared, const void* global, unsigned bytes, unsigned source_bytes);
/// Closes the group of this thread's copies so far.
void async_commit();
/// Waits until at most `newest` of this thread's groups are still under way.
void async_wait(unsigned newest);

}  // namespace simt
