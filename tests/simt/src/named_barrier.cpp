// bar.sync and bar.arrive. The device counts whole warps, we threads: lanes that do not come are found.

#include "named_barrier.hpp"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>

#include "simt/named_barrier.hpp"

namespace simt {
void NamedBarriers::clear() {
  if (!used_) return;
  for (Barrier& barrier : barriers_) {
    barrier.come = barrier.waiters = 0;
    std::memset(barrier.lanes, 0, sizeof barrier.lanes);
    barrier.knowledge.clear();
  }
  used_ = false;
}

void NamedBarriers::come(Worker& worker, bool wait, int id, int threads, const std::source_location& where) {
  Thread& self = *worker.current;
  if (id < 1 || id > 15) {
    worker.failing().fail(Mistake::divergent_barrier, self,
                          "comes to the barrier number " + std::to_string(id) + ": there are 1 to 15",
                          Place(where));
  }
  if (threads <= 0 || threads % 32 != 0 || static_cast<unsigned>(threads) > worker.thread_count()) {
    worker.failing().fail(Mistake::divergent_barrier, self,
                          "comes to a barrier of " + std::to_string(threads) + " threads in a block of " +
                              std::to_string(worker.thread_count()) + ": whole warps of the block can meet",
                          Place(where));
  }
  used_ = true;
  Barrier& barrier = barriers_[id];
  const unsigned warp = self.number / 32u, lane = self.number % 32u;
  const auto first_came = [&] {
    return "thread " + text(worker.thread(barrier.first).index) + " came first";
  };
  if (barrier.come == 0) {
    barrier.expected = static_cast<unsigned>(threads);
    barrier.first = self.number;
    barrier.first_where = where;
  } else if (barrier.expected != static_cast<unsigned>(threads)) {
    worker.failing().fail(Mistake::divergent_barrier, self,
                          "comes to barrier " + std::to_string(id) + " of " + std::to_string(threads) +
                              " threads, which others take for one of " + std::to_string(barrier.expected),
                          Place(where), first_came(), Place(barrier.first_where));
  }
  if (barrier.lanes[warp] >> lane & 1u) {
    worker.failing().fail(Mistake::divergent_barrier, self,
                          "comes to barrier " + std::to_string(id) + " again, of which " +
                              std::to_string(barrier.come) + " of " + std::to_string(barrier.expected) +
                              " threads have come",
                          Place(where), first_came(), Place(barrier.first_where));
  }
  if (barrier.lanes[warp] == 0) {
    barrier.lines[warp] = where;
  } else if (!same_line(barrier.lines[warp], where)) {
    worker.failing().fail(Mistake::divergent_barrier, self,
                          "comes to barrier " + std::to_string(id) + " by another line than its warp",
                          Place(where), "the others came", Place(barrier.lines[warp]));
  }
  barrier.lanes[warp] |= 1u << lane;
  worker.hand_on(barrier.knowledge);
  if (++barrier.come < barrier.expected) {
    if (!wait) return;
    barrier.waiting[barrier.waiters++] = self.number;
    self.slot = &barrier;
    return worker.wait("named_barrier_sync", where, &NamedBarriers::explain);
  }
  for (unsigned i = 0; i < barrier.waiters; ++i) {
    worker.learn(barrier.waiting[i], barrier.knowledge);
    worker.wake(worker.thread(barrier.waiting[i]));
  }
  if (wait) worker.learn(self.number, barrier.knowledge);
  barrier.knowledge.clear();
  barrier.come = barrier.waiters = 0;
  std::memset(barrier.lanes, 0, sizeof barrier.lanes);
}

Explanation NamedBarriers::explain(Worker& worker, const Thread& thread) {
  const Barrier& barrier = *static_cast<const Barrier*>(thread.slot);
  Explanation explanation;
  explanation.mistake = Mistake::deadlock;
  explanation.what =
      std::to_string(barrier.come) + " of " + std::to_string(barrier.expected) + " threads have come";
  for (unsigned i = 0; i < worker.thread_count() && !explanation.missing; ++i) {
    if (!(barrier.lanes[i / 32] >> (i % 32) & 1u)) explanation.missing = &worker.thread(i);
  }
  return explanation;
}

NamedBarriers& Worker::named_barriers() {
  if (!named_barriers_) named_barriers_ = std::make_unique<NamedBarriers>();
  return *named_barriers_;
}

void named_barrier(bool wait, int id, int threads, const std::source_location& where) {
  if (!active) {
    std::fputs("simt: a barrier outside a kernel\n", stderr);
    std::abort();
  }
  active->named_barriers().come(*active, wait, id, threads, where);
}

}  // namespace simt
