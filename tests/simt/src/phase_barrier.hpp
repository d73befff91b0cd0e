#pragma once

// The block's barriers in shared memory.

#include <cstdint>
#include <deque>
#include <source_location>
#include <string>
#include <vector>

#include "worker.hpp"

namespace simt {

struct PhaseBarrier {
  std::uintptr_t address = 0;
  unsigned arrivals = 0;       // of each phase
  unsigned missing = 0;        // of the phase under way
  std::int64_t announced = 0;  // bytes that have not come yet; below zero: that came and were not announced
  std::uint64_t ended = 0;     // phases
  unsigned agent = 0;          // that stands for the loads that arrive here
  unsigned set_up_by = 0;      // thread
  std::uint32_t set_up = 0;    // time
  std::source_location set_up_where;
  Knowledge arrived, passed;  // of those who have arrived, and at the end of the last phase
  std::vector<Thread*> waiting;
  // How many phases had ended when a thread last came back from waiting, and whether it may have missed one.
  struct Seen {
    std::uint64_t ended = 0;
    bool missed = false;
  };
  std::vector<Seen> seen;       // by thread
  std::uint32_t last_load = 0;  // time
  std::source_location last_load_where;
  unsigned last_load_by = 0;

  void comes_back(unsigned thread) {
    seen[thread].missed |= ended - seen[thread].ended >= 2;
    seen[thread].ended = ended;
  }
};

class PhaseBarriers {
 public:
  void clear() { barriers_.clear(); }
  void init(Worker& worker, std::uintptr_t address, unsigned arrivals, const std::source_location& where,
            const void* code);
  void arrive(Worker& worker, std::uintptr_t address, const std::source_location& where);
  void announce(Worker& worker, std::uintptr_t address, unsigned bytes, const std::source_location& where);
  void wait(Worker& worker, std::uintptr_t address, unsigned parity, const std::source_location& where);
  /// The barrier on which a load of the running thread is to arrive.
  PhaseBarrier& for_load(Worker& worker, std::uintptr_t address, const std::source_location& where);
  /// The load has brought its bytes.
  void bring(Worker& worker, PhaseBarrier& barrier, unsigned bytes, const std::source_location& where);
  /// The block's last thread ends: have its loads been waited for?
  void finish(Worker& worker);

 private:
  PhaseBarrier& find(Worker& worker, std::uintptr_t address, const char* operation,
                     const std::source_location& where);
  void count_bytes(Worker& worker, PhaseBarrier& barrier, std::int64_t bytes,
                   const std::source_location& where);
  void end_phase(Worker& worker, PhaseBarrier& barrier);
  static Explanation explain(Worker& worker, const Thread& thread);

  std::deque<PhaseBarrier> barriers_;
};

}  // namespace simt
