// Operations of a warp: the threads that a mask names meet, the last to come does the work for all.

#include <algorithm>
#include <cstring>

#include "simt/warp.hpp"
#include "worker.hpp"

namespace simt {
namespace {

Worker& running() {
  if (!active) {
    std::fputs("simt: a function of the device was called outside a kernel\n", stderr);
    std::abort();
  }
  return *active;
}

}  // namespace

void Worker::order(Warp& warp, unsigned mask) {
  ++clock_;
  if (knowing_) share_knowledge(warp, mask);
  if (mask == warp.lanes) {
    warp.met = clock_;
    return;
  }
  if (!warp.partly) {
    std::memset(warp.known, 0, sizeof warp.known);
    warp.partly = true;
  }
  // All that one of them knew, all know now, and what each has done.
  std::uint32_t known[32] = {};
  for (unsigned m = mask; m; m &= m - 1) {
    const auto lane = static_cast<unsigned>(__builtin_ctz(m));
    for (unsigned other = 0; other < 32; ++other)
      known[other] = std::max(known[other], warp.known[lane][other]);
  }
  for (unsigned m = mask; m; m &= m - 1) known[__builtin_ctz(m)] = clock_;
  for (unsigned m = mask; m; m &= m - 1) std::copy_n(known, 32, warp.known[__builtin_ctz(m)]);
}

void Worker::meet(const char* operation, unsigned mask, const std::source_location& where, void* slot,
                  Complete complete) {
  Thread& self = *current;
  Warp& warp = warps_[self.number / 32];
  const unsigned first = self.number / 32u * 32u, lane = self.number % 32u;
  if (!(mask >> lane & 1u)) {
    failing().fail(Mistake::missing_lanes, self,
                   std::string("calls ") + operation + " with a mask that lacks the thread itself",
                   Place(where));
  }
  self.operation = operation;
  self.mask = mask;
  self.where = where;
  self.slot = slot;
  self.state = Thread::State::in_warp;
  warp.waiting |= 1u << lane;

  const unsigned needed = mask & warp.lanes;  // a block's last warp may be short
  if ((warp.waiting & needed) != needed) return leave();
  for (unsigned m = needed; m; m &= m - 1) {
    const Thread& other = threads_[first + static_cast<unsigned>(__builtin_ctz(m))];
    if (other.mask == mask && other.operation == operation) continue;
    if (other.mask >> lane & 1u) {
      failing().fail(Mistake::missing_lanes, self,
                     std::string("calls ") + operation +
                         " where another thread that its mask names calls something else",
                     Place(where), "thread " + text(other.index) + " waits in " + other.operation,
                     Place(other.where));
    }
    return leave();  // the other is in a meeting of its own, and may still come
  }

  Meeting meeting;
  meeting.mask = needed;
  meeting.first_thread = first;
  for (unsigned m = needed; m; m &= m - 1) {
    const auto l = static_cast<unsigned>(__builtin_ctz(m));
    meeting.slots[l] = threads_[first + l].slot;
  }
  if (complete) complete(*this, meeting);
  order(warp, needed);
  idle_turns_ = 0;
  warp.waiting &= ~needed;
  self.state = Thread::State::ready;
  for (unsigned m = needed & ~(1u << lane); m; m &= m - 1) {
    release(threads_[first + static_cast<unsigned>(__builtin_ctz(m))]);
  }
}

void Worker::fail_lane(const Meeting& meeting, unsigned lane, const std::string& what) {
  const Thread& thread = threads_[meeting.first_thread + lane];
  failing().fail(Mistake::missing_lanes, thread, what, Place(thread.where));
}

void warp_barrier(unsigned mask, const Where& where) {
  running().meet("__syncwarp", mask, where, nullptr, nullptr);
}

namespace {

struct ShuffleSlot {
  std::uint64_t value;
  int lane, width;
  std::uint64_t result;
};

template <Shuffle kind>
void complete_shuffle(Worker& worker, Meeting& meeting) {
  for (unsigned lane = 0; lane < 32; ++lane) {
    auto* slot = static_cast<ShuffleSlot*>(meeting.slots[lane]);
    if (!slot) continue;
    const int self = static_cast<int>(lane), width = slot->width;
    const int first = self / width * width;
    int source = self;
    switch (kind) {
      case Shuffle::index:
        source = first + (slot->lane & (width - 1));
        break;
      case Shuffle::up:
        source = self - slot->lane < first ? self : self - slot->lane;
        break;
      case Shuffle::down:
        source = self + slot->lane >= first + width ? self : self + slot->lane;
        break;
      case Shuffle::exclusive_or:
        source = (self ^ slot->lane) >= first + width ? self : self ^ slot->lane;
        break;
    }
    const auto* from = static_cast<ShuffleSlot*>(meeting.slots[source]);
    if (!from) {
      worker.failing().fail_lane(
          meeting, lane, "shuffles from lane " + std::to_string(source) + ", which does not take part");
    }
    slot->result = from->value;
  }
}

struct VoteSlot {
  unsigned value, result;
};
void complete_ballot(Worker&, Meeting& meeting) {
  unsigned result = 0;
  for (unsigned lane = 0; lane < 32; ++lane) {
    auto* slot = static_cast<VoteSlot*>(meeting.slots[lane]);
    if (slot && slot->value) result |= 1u << lane;
  }
  for (void* slot : meeting.slots) {
    if (slot) static_cast<VoteSlot*>(slot)->result = result;
  }
}

struct MatchSlot {
  std::uint64_t value;
  unsigned any, all;
};
void complete_match(Worker&, Meeting& meeting) {
  for (unsigned a = 0; a < 32; ++a) {
    auto* slot = static_cast<MatchSlot*>(meeting.slots[a]);
    if (!slot) continue;
    slot->any = 0;
    for (unsigned b = 0; b < 32; ++b) {
      const auto* other = static_cast<MatchSlot*>(meeting.slots[b]);
      if (other && other->value == slot->value) slot->any |= 1u << b;
    }
    slot->all = slot->any == meeting.mask;
  }
}

struct ReduceSlot {
  std::int64_t value, result;
};
template <Reduction kind>
void complete_reduce(Worker&, Meeting& meeting) {
  std::int64_t result = 0;
  bool first = true;
  for (void* s : meeting.slots) {
    if (!s) continue;
    const std::int64_t value = static_cast<ReduceSlot*>(s)->value;
    if (first) {
      result = value;
    } else if constexpr (kind == Reduction::add) {
      result += value;
    } else if constexpr (kind == Reduction::min) {
      result = std::min(result, value);
    } else if constexpr (kind == Reduction::max) {
      result = std::max(result, value);
    } else if constexpr (kind == Reduction::bit_and) {
      result &= value;
    } else if constexpr (kind == Reduction::bit_or) {
      result |= value;
    } else {
      result ^= value;
    }
    first = false;
  }
  for (void* s : meeting.slots) {
    if (s) static_cast<ReduceSlot*>(s)->result = result;
  }
}

}  // namespace

std::uint64_t shuffle(Shuffle kind, unsigned mask, std::uint64_t value, int lane, int width,
                      const Where& where) {
  ShuffleSlot slot{value, lane, width, 0};
  Worker& worker = running();
  if (width <= 0 || width > 32 || (width & (width - 1)) != 0) {
    worker.failing().fail(
        Mistake::missing_lanes, *worker.current,
        "shuffles with the width " + std::to_string(width) + ", which is not a power of two up to 32",
        Place(where));
  }
  switch (kind) {
    case Shuffle::index:
      worker.meet("__shfl_sync", mask, where, &slot, &complete_shuffle<Shuffle::index>);
      break;
    case Shuffle::up:
      worker.meet("__shfl_up_sync", mask, where, &slot, &complete_shuffle<Shuffle::up>);
      break;
    case Shuffle::down:
      worker.meet("__shfl_down_sync", mask, where, &slot, &complete_shuffle<Shuffle::down>);
      break;
    case Shuffle::exclusive_or:
      worker.meet("__shfl_xor_sync", mask, where, &slot, &complete_shuffle<Shuffle::exclusive_or>);
      break;
  }
  return slot.result;
}

unsigned ballot(unsigned mask, int predicate, const Where& where) {
  VoteSlot slot{predicate != 0, 0};
  running().meet("a vote of the warp", mask, where, &slot, &complete_ballot);
  return slot.result;
}

unsigned match_any(unsigned mask, std::uint64_t value, const Where& where) {
  MatchSlot slot{value, 0, 0};
  running().meet("__match_any_sync", mask, where, &slot, &complete_match);
  return slot.any;
}

unsigned match_all(unsigned mask, std::uint64_t value, int* all, const Where& where) {
  MatchSlot slot{value, 0, 0};
  running().meet("__match_all_sync", mask, where, &slot, &complete_match);
  *all = slot.all != 0;
  return slot.all ? slot.any : 0;
}

std::int64_t reduce(Reduction kind, unsigned mask, std::int64_t value, const Where& where) {
  ReduceSlot slot{value, 0};
  Worker& worker = running();
  switch (kind) {
    case Reduction::add:
      worker.meet("__reduce_add_sync", mask, where, &slot, &complete_reduce<Reduction::add>);
      break;
    case Reduction::min:
      worker.meet("__reduce_min_sync", mask, where, &slot, &complete_reduce<Reduction::min>);
      break;
    case Reduction::max:
      worker.meet("__reduce_max_sync", mask, where, &slot, &complete_reduce<Reduction::max>);
      break;
    case Reduction::bit_and:
      worker.meet("__reduce_and_sync", mask, where, &slot, &complete_reduce<Reduction::bit_and>);
      break;
    case Reduction::bit_or:
      worker.meet("__reduce_or_sync", mask, where, &slot, &complete_reduce<Reduction::bit_or>);
      break;
    case Reduction::bit_xor:
      worker.meet("__reduce_xor_sync", mask, where, &slot, &complete_reduce<Reduction::bit_xor>);
      break;
  }
  return slot.result;
}

unsigned active_mask() { return 1u << (running().current->number % 32u); }

}  // namespace simt
