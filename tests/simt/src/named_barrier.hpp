#pragma once

// The block's barriers by number.

#include <cstdint>
#include <source_location>

#include "worker.hpp"

namespace simt {

class NamedBarriers {
 public:
  void clear();
  void come(Worker& worker, bool wait, int id, int threads, const std::source_location& where);

 private:
  struct Barrier {
    unsigned expected = 0, come = 0;  // in this round
    std::uint32_t lanes[32] = {};     // that have come, of each warp
    std::source_location lines[32];   // on which its first lane did
    std::uint16_t waiting[1024];
    unsigned waiters = 0;
    Knowledge knowledge;  // of those that have come
    unsigned first = 0;   // thread
    std::source_location first_where;
  };
  static Explanation explain(Worker& worker, const Thread& thread);

  Barrier barriers_[16];
  bool used_ = false;
};

}  // namespace simt
