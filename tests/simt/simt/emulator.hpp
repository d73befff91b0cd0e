#pragma once

// What a test may ask of the emulated device beyond CUDA's own names.

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>

namespace simt {

/// What a kernel did wrong.
enum class Mistake {
  divergent_barrier,
  missing_lanes,     ///< a warp's operation names lanes that do not come, or that come to another one
  unwritten_shared,  ///< a read of shared memory that no thread of this block has written
  race,              ///< two threads, one of them writing, same bytes, no barrier between
  out_of_bounds,     ///< an access outside every allocation
  misaligned,
  deadlock,
  misused_barrier,  ///< a barrier in shared memory: not set up, too many arrivals, touched by ordinary code
  unpublished,      ///< written by a thread, and not shown to copies and products by publish_to_bulk()
  unfit_map,        ///< a bulk copy by what is no map of its kind, or from outside the map's box of pixels
  unfinished_copy,  ///< a block or thread ends while a bulk copy is under way
  accumulators,     ///< registers of a warpgroup's product, not handed over to it or touched while it runs
  registers,        ///< a warpgroup asks for registers that there are not
};

struct Position {
  unsigned x = 0, y = 0, z = 0;
  friend bool operator==(const Position&, const Position&) = default;
};

/// Thrown by the call that ran the kernel. what() has the whole report: kernel, block, thread, file and line,
/// what was met, and the seed that repeats it.
class Violation : public std::runtime_error {
 public:
  Violation(const std::string& report, Mistake mistake, std::string kernel, Position block, Position thread,
            std::string file, unsigned line);

  Mistake mistake;
  std::string kernel;  ///< demangled
  Position block, thread;
  std::string file;  ///< as the compiler was given it; empty where unknown
  unsigned line = 0;
};

/// Orders the threads of each block from now on, and counts launches from zero again. 0 keeps them in index
/// order. The start value is 1, or DECONV_SIMT_SEED.
void set_seed(std::uint64_t seed);
[[nodiscard]] std::uint64_t seed();

/// How many turns of a million accesses a block's threads may have without one of them ending or passing a
/// barrier, before it counts as deadlocked; given in accesses, 0 for the start value of 4 billion.
void set_patience(std::uint64_t accesses);

/// What the device pretends for the runtime API; also DECONV_SIMT_FAULT=no_driver, no_device,
/// old_architecture.
enum class Fault { none, no_driver, no_device, old_architecture };
void set_fault(Fault fault);

/// The device's memory in bytes; default 16 GiB, or DECONV_SIMT_MEMORY.
void set_memory_limit(std::size_t bytes);

/// Bytes and number of the allocations that live now on the device.
[[nodiscard]] std::size_t allocated_bytes();
[[nodiscard]] std::size_t allocation_count();

/// How many launches have run so far.
[[nodiscard]] std::uint64_t launches();

}  // namespace simt

/// For a debugger's condition: is the running thread this one?
extern "C" bool simt_thread_is(unsigned x, unsigned y, unsigned z);
extern "C" bool simt_block_is(unsigned x, unsigned y, unsigned z);
