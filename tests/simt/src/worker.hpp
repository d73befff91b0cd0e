#pragma once

// The inside of the emulator: one Worker an operating system's thread; it runs whole blocks, one fiber a
// thread.

#include <boost/context/detail/fcontext.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <source_location>
#include <string>
#include <vector>

#include "device_memory.hpp"
#include "knowledge.hpp"
#include "shadow.hpp"
#include "simt/block.hpp"
#include "simt/emulator.hpp"
#include "simt/launch.hpp"

namespace simt {

struct Job;
class Worker;
struct Operand;
class Warpgroup;
struct Warpgroups;
class NamedBarriers;
class PhaseBarriers;
class BulkCopies;

// The worker whose block runs on this OS thread; null outside kernels.
extern constinit thread_local Worker* active;

/// A place in the code: known by the compiler, or an address for the debug information.
struct Place {
  const char* file = nullptr;
  unsigned line = 0;
  const void* address = nullptr;

  Place() = default;
  Place(const std::source_location& where) : file(where.file_name()), line(where.line()) {}
  explicit Place(const void* address_) : address(address_) {}
};

/// Whether an operation of several threads stands on one line.
inline bool same_line(const std::source_location& a, const std::source_location& b) {
  return a.line() == b.line() && a.column() == b.column() &&
         (a.file_name() == b.file_name() || __builtin_strcmp(a.file_name(), b.file_name()) == 0);
}

/// What a report is made of; the text is put together after the launch has stopped.
struct Failure {
  Mistake mistake{};
  Position block, thread;
  std::uint64_t block_number = 0;
  std::string what;  ///< "reads 4 bytes of shared memory that ..."
  Place place;
  std::string other;  ///< "thread (1,0,0) wrote it", or empty
  Place other_place;
};

/// The threads of a warp that have met in one operation: each brought its own slot.
struct Meeting {
  void* slots[32] = {};
  unsigned mask = 0;
  unsigned first_thread = 0;
};
using Complete = void (*)(Worker&, Meeting&);

struct Fiber {
  boost::context::detail::fcontext_t context = nullptr;
  std::uintptr_t stack = 0;  // lowest usable address
};

struct Thread;
/// Says of a waiting thread, in words, what for, and who of the others lets it wait.
struct Explanation {
  Mistake mistake{};
  std::string what;
  const Thread* missing = nullptr;
};
using Explain = Explanation (*)(Worker&, const Thread&);

struct Thread {
  /// `waiting`: for something else than the block's barrier or the warp, which `explain` knows.
  enum class State : std::uint8_t { ready, at_barrier, in_warp, waiting, exited };
  uint3 index{};
  std::uint16_t number = 0;
  State state = State::ready;
  Fiber* fiber = nullptr;
  // While it waits:
  const char* operation = nullptr;
  unsigned mask = 0;
  std::source_location where;
  void* slot = nullptr;
  Explain explain = nullptr;
};

struct Warp {
  unsigned lanes = 0;           // that exist
  unsigned waiting = 0;         // lanes in a warp's operation
  std::uint32_t met = 0;        // when all lanes last met
  bool partly = false;          // some lanes have met without the others: then known is valid
  std::uint32_t known[32][32];  // [a][b]: b's deeds before this time are ordered before a
};

struct AsyncCopy {
  void* destination;
  const void* source;
  unsigned bytes, source_bytes;
  unsigned group;
  const void* place;
};
struct AsyncCopies {
  std::vector<AsyncCopy> copies;
  unsigned group = 0;  // that the next copy belongs to
};

class Worker {
 public:
  static constexpr unsigned max_threads = 1024;
  static constexpr std::size_t stack_bytes = 256 * 1024;
  static constexpr std::size_t max_shared_bytes = 227 * 1024;
  static constexpr std::size_t guard_bytes = 64 * 1024;

  Worker();
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;
  /// The calling OS thread's own.
  static Worker& mine();

  /// Runs one block; false after a failure, which stands in `failure`.
  bool run_block(const Job& job, std::uint64_t number);

  // For the running thread:
  int barrier(Vote vote, int predicate, const std::source_location& where);
  void meet(const char* operation, unsigned mask, const std::source_location& where, void* slot,
            Complete complete);
  /// Lets the running thread wait, until wake(). `operation` stands in reports: "waits in ...".
  void wait(const char* operation, const std::source_location& where, Explain explain);
  void wake(Thread& thread) {
    idle_turns_ = 0;
    release(thread);
  }
  [[nodiscard]] Thread& thread(unsigned number) { return threads_[number]; }
  [[nodiscard]] unsigned thread_count() const { return count_; }
  [[nodiscard]] std::uint32_t tick() { return ++clock_; }
  /// Ends the checks of accesses, which would find the report's own strings: the linker may have given us
  /// copies of std::string's functions that were compiled for a kernel's file. Comes before whatever else a
  /// report needs.
  Worker& failing() {
    active = nullptr;
    return *this;
  }
  /// Stops the block: does not return.
  [[noreturn]] void fail(Failure failure);
  [[noreturn]] void fail(Mistake mistake, const Thread& thread, std::string what, Place place,
                         std::string other = {}, Place other_place = {});
  [[noreturn]] void fail_lane(const Meeting& meeting, unsigned lane, const std::string& what);
  /// Lets the other threads run, or finds that none gets on.
  void yield(const void* place);

  // Accesses (access.cpp), by the running thread.
  /// True for a read of a whole word that is certainly right and tells nothing that is not known yet: most
  /// are so.
  bool quick_read(Shadow& shadow, std::uintptr_t address) const {
    if (&shadow == &static_shadow
            ? room_[address - shadow.start()] < 4
            : address - reinterpret_cast<std::uintptr_t>(dynamic_memory) + 4 > dynamic_bytes) {
      return false;
    }
    return nothing_new(shadow.word(address));
  }
  void shared_access(Shadow& shadow, std::uintptr_t address, std::size_t bytes, unsigned access,
                     const void* place);
  void slow_access(std::uintptr_t address, std::size_t bytes, unsigned access, const void* place);
  void async_copy(void* destination, const void* source, unsigned bytes, unsigned source_bytes,
                  const void* place);
  void async_commit();
  void async_wait(unsigned newest_groups);
  /// Checks a read of shared memory by an operation of the warp.
  void read_shared(std::uintptr_t address, std::size_t bytes, Place place, const void* code);
  /// Checks that the running warpgroup's product may read an operand, by the agent.
  void read_operand(const Operand& operand, unsigned agent, const std::source_location& where,
                    const void* code);
  [[noreturn]] void fail_not_shared(std::uintptr_t address, const char* verb, Place place);
  [[nodiscard]] unsigned lanes_of_current() const { return warps_[current->number / 32u].lanes; }
  [[noreturn]] void misaligned(std::uintptr_t address, std::size_t alignment, const char* type, Place place);

  /// The block's.
  Warpgroup& warpgroup(unsigned group);
  NamedBarriers& named_barriers();
  PhaseBarriers& phase_barriers();
  BulkCopies& bulk_copies();

  // Order beyond the block's barriers and the warps' meetings (knowledge.cpp).
  /// What the running thread has done, and what it knows of, becomes part of `to`.
  void hand_on(Knowledge& to);
  /// What `from` holds was done before whatever that thread does next.
  void learn(unsigned thread_number, const Knowledge& from);
  /// A new agent of this block; `deed` stands in reports: "bulk store".
  unsigned take_agent(const char* deed);
  /// That thread knows that all that the agent has done before that time is over.
  void learn_of_agent(unsigned thread_number, unsigned agent, std::uint32_t before);
  /// Checks a read of shared memory that the agent does from now on, on the running thread's word: all is
  /// written, ordered before this thread, and shown to the agents by publish(). Until a thread knows that it
  /// is over (learn_of_agent, with a time of tick(), and whoever learns from it) nobody may write there.
  void read_shared_async(unsigned agent, std::uintptr_t address, std::size_t bytes, Place place,
                         const void* code);
  /// Checks a write that the agent does from now on. Until a thread knows that it is over nobody may read or
  /// write there.
  void write_shared_async(unsigned agent, std::uintptr_t address, std::size_t bytes, Place place,
                          const void* code);
  /// Shows the agents what the running thread has written.
  void publish();
  /// The time before which the running thread knows all deeds of another.
  [[nodiscard]] std::uint32_t known_of(unsigned other) const;
  /// Whether it knows that what that thread wrote at that time has been published.
  [[nodiscard]] bool is_published(unsigned writer, std::uint32_t time) const;
  /// Whether any thread knows that what the agent did at that time is over.
  [[nodiscard]] bool some_thread_knows(unsigned agent, std::uint32_t time) const;
  /// Makes the 8 bytes there a barrier's.
  void place_barrier(std::uintptr_t address, const std::source_location& where, const void* code);
  /// Words for an address: the variable or allocation that it lies in or near.
  [[nodiscard]] std::string describe(std::uintptr_t address) const;
  [[noreturn]] void fail_bulk(std::uintptr_t address, std::size_t bytes, unsigned access, Place place,
                              const void* code);

  // Read by every access, hence together.
  std::uintptr_t stack = 0;  // of the running fiber
  int patience = 0;          // accesses until the others get their turn
  Shadow dynamic_shadow, static_shadow;
  const DeviceMemory* memory = nullptr;

  Thread* current = nullptr;
  uint3 block_index{};
  dim3 block_extents, grid_extents;
  const Job* job = nullptr;
  std::uint64_t job_serial = 0;
  std::uint64_t block_number = 0;
  char* dynamic_memory = nullptr;
  std::size_t dynamic_bytes = 0;
  Failure failure;

 private:
  static void fiber_main(boost::context::detail::transfer_t transfer);
  void prepare(const Job& new_job, std::uint64_t number);
  void finish_current();
  Thread* pick();
  Fiber* take_fiber();
  void abandon_fibers();
  void leave();  // to the scheduler, until resumed
  void release(Thread& thread);
  void order(Warp& warp, unsigned mask);
  Relations& relations();
  void clear_relations();
  void share_knowledge(const Warp& warp, unsigned mask);
  void share_with_all();
  bool agent_is_over(unsigned agent, std::uint32_t time) const;
  void join_readers(Readers& earlier, Readers& latest) const;
  void note_readers(Cell& cell, Readers latest);
  std::uint32_t cleared_list(std::uint32_t list, Readers& latest);
  const Readers* unordered_reader(const Cell& cell, unsigned* thread_number) const;
  void access_async(unsigned agent, std::uintptr_t address, std::size_t bytes, unsigned access, Place place,
                    const void* code);
  void diagnose();
  bool in_own_variable(std::uintptr_t address, std::size_t bytes, const void* place);
  bool nothing_new(const Cell& cell) const {
    const unsigned self = current->number;
    const bool right = cell.write_time >= block_start_ &&
                       !(cell.writer & (Cell::split | Cell::pending | Cell::of_agent | Cell::barrier)) &&
                       (cell.write_time < barrier_time_ || (cell.writer & Cell::thread_bits) == self);
    const bool known =
        cell.read_time == clock_ && (cell.read_warp == Cell::many_warps ||
                                     (cell.read_warp == self >> 5 && (cell.readers >> (self & 31) & 1)));
    return right && known;
  }
  bool ordered(unsigned other, std::uint32_t time) const;
  std::uint32_t offset(const void* place) const {
    return static_cast<std::uint32_t>(reinterpret_cast<std::uintptr_t>(place) - program_);
  }
  void read_cell(Cell& cell, std::uintptr_t address, std::size_t bytes, unsigned access, const void* place);
  void write_cell(Cell& cell, std::uintptr_t address, std::size_t bytes, unsigned access, const void* place);
  void check_flags(const Cell& cell, std::uintptr_t address, std::size_t bytes, unsigned access,
                   const void* place);
  void check_published(const Cell& cell, std::uintptr_t address, std::size_t bytes, unsigned access,
                       const void* place);
  void check_readers(const Cell& cell, std::uintptr_t address, std::size_t bytes, unsigned access,
                     const void* place);
  void split(Shadow& shadow, std::uintptr_t address, Cell& word);
  [[noreturn]] void fail_access(Mistake mistake, std::uintptr_t address, std::size_t bytes, unsigned access,
                                const void* place, const std::string& why, const std::string& other = {},
                                Place other_place = {});

  // For each byte of the static shared memory: how many bytes from there on, at most 255, lie in a variable
  // that is known to be the running kernel's.
  std::vector<unsigned char> room_;
  const void* room_of_ = nullptr;
  std::uintptr_t program_ = 0;  // where its code begins
  boost::context::detail::fcontext_t scheduler_ = nullptr;
  std::vector<std::unique_ptr<Fiber>> fibers_;
  std::vector<Fiber*> idle_;
  std::vector<Thread> threads_;
  std::vector<Warp> warps_;
  std::vector<AsyncCopies> copies_;
  bool copies_used_ = false;
  std::unique_ptr<Warpgroups> warpgroups_;  // made where a kernel uses them
  std::unique_ptr<NamedBarriers> named_barriers_;
  std::unique_ptr<PhaseBarriers> phase_barriers_;
  std::unique_ptr<BulkCopies> bulk_copies_;
  std::unique_ptr<Relations> relations_;  // made where a kernel needs them
  bool knowing_ = false;                  // this block does
  unsigned acting_agent_ = 0;             // of an access that is by_agent
  Place acting_place_;                    // of that, and of one that is placed
  std::vector<std::uint16_t> ring_;       // ready threads
  unsigned head_ = 0, ready_ = 0;
  unsigned count_ = 0, exited_ = 0, arrived_ = 0;
  Thread* next_ = nullptr;
  Thread* first_arrived_ = nullptr;
  Vote vote_ = Vote::none;
  int votes_ = 0, vote_result_ = 0;
  std::uint64_t random_ = 0;
  bool shuffled_ = true, failed_ = false;
  std::uint64_t idle_turns_ = 0;
  std::uint32_t clock_ = 0, block_start_ = 0, barrier_time_ = 0;
};

/// One launch, shared by the workers.
struct Job {
  const Launch* launch = nullptr;
  std::uint64_t seed = 0, ordinal = 0;
  std::uint64_t serial = 0;  // of all launches of this process, from 1
  std::uint64_t blocks = 0;
};

/// An atomic operation of the running thread, if there is one.
void check_atomic(const void* pointer, std::size_t bytes, const void* place);

// Kinds of access.
inline constexpr unsigned reading = 0, writing = 1, atomically = 2, asynchronously = 4, by_agent = 8,
                          placed = 16;

/// Runs the launch on all cores; throws Violation.
void run_launch(const Launch& launch);

std::string text(const uint3& v);
std::string text(const Position& v);
Violation make_violation(const Failure& failure, const Launch& launch, std::uint64_t launch_seed);
bool is_pinned(std::uintptr_t address, std::size_t bytes);

}  // namespace simt
