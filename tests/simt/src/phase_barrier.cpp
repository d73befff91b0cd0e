// mbarriers: arrivals of threads, bytes of loads, phases, and who waits.

#include "phase_barrier.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>

#include "simt/bulk_copy.hpp"
#include "simt/mbarrier.hpp"

namespace simt {
namespace {

constexpr std::int64_t count_end = std::int64_t{1} << 20;  // arrivals and bytes stay below

Worker& running() {
  if (!active) {
    std::fputs("simt: a function of the device was called outside a kernel\n", stderr);
    std::abort();
  }
  return *active;
}

std::string number_of(std::uint64_t count, const char* what) {
  return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
}

// What the phase under way still lacks.
std::string lack_of(const PhaseBarrier& barrier) {
  std::string text = std::to_string(barrier.missing) + " of " + number_of(barrier.arrivals, "arrival");
  if (barrier.announced > 0) {
    text += " and " + number_of(static_cast<std::uint64_t>(barrier.announced), "announced byte");
  } else if (barrier.announced < 0) {
    text += ", and " + number_of(static_cast<std::uint64_t>(-barrier.announced), "byte") +
            " have come that nobody has announced";
  }
  return text;
}

}  // namespace

PhaseBarrier& PhaseBarriers::find(Worker& worker, std::uintptr_t address, const char* operation,
                                  const std::source_location& where) {
  const auto found = std::find_if(barriers_.begin(), barriers_.end(),
                                  [&](const PhaseBarrier& barrier) { return barrier.address == address; });
  if (found == barriers_.end()) {
    worker.failing().fail(
        Mistake::misused_barrier, *worker.current,
        std::string(operation) + " a barrier that nobody has set up, at " + worker.describe(address),
        Place(where));
  }
  if (found->set_up_by != worker.current->number && worker.known_of(found->set_up_by) <= found->set_up) {
    worker.failing().fail(
        Mistake::race, *worker.current,
        std::string(operation) + " a barrier without having met, since it was set up, the thread that did so",
        Place(where), "thread " + text(worker.thread(found->set_up_by).index) + " has set it up",
        Place(found->set_up_where));
  }
  return *found;
}

void PhaseBarriers::init(Worker& worker, std::uintptr_t address, unsigned arrivals,
                         const std::source_location& where, const void* code) {
  if (address % 8 != 0) worker.failing().misaligned(address, 8, "a barrier", Place(where));
  if (arrivals == 0 || arrivals >= count_end) {
    worker.failing().fail(
        Mistake::misused_barrier, *worker.current,
        "sets up a barrier of " + std::to_string(arrivals) + " arrivals a phase: there can be 1 to 2^20 - 1",
        Place(where));
  }
  for (const PhaseBarrier& other : barriers_) {
    if (other.address != address) continue;
    worker.failing().fail(Mistake::misused_barrier, *worker.current,
                          "sets up a barrier that is in use, at " + worker.describe(address), Place(where),
                          "thread " + text(worker.thread(other.set_up_by).index) + " has set it up",
                          Place(other.set_up_where));
  }
  worker.place_barrier(address, where, code);
  PhaseBarrier& barrier = barriers_.emplace_back();
  barrier.address = address;
  barrier.arrivals = barrier.missing = arrivals;
  barrier.agent = worker.take_agent("bulk load");
  barrier.set_up_by = worker.current->number;
  barrier.set_up = worker.tick();
  barrier.set_up_where = where;
}

void PhaseBarriers::arrive(Worker& worker, std::uintptr_t address, const std::source_location& where) {
  PhaseBarrier& barrier = find(worker, address, "arrives on", where);
  if (barrier.missing == 0) {
    worker.failing().fail(Mistake::misused_barrier, *worker.current,
                          "arrives on a barrier on which all " + number_of(barrier.arrivals, "arrival") +
                              " of this phase have come: it lacks " + lack_of(barrier),
                          Place(where));
  }
  worker.hand_on(barrier.arrived);
  --barrier.missing;
  end_phase(worker, barrier);
}

void PhaseBarriers::announce(Worker& worker, std::uintptr_t address, unsigned bytes,
                             const std::source_location& where) {
  count_bytes(worker, find(worker, address, "announces bytes on", where), bytes, where);
}

void PhaseBarriers::count_bytes(Worker& worker, PhaseBarrier& barrier, std::int64_t bytes,
                                const std::source_location& where) {
  barrier.announced += bytes;
  if (bytes < count_end && barrier.announced < count_end && -barrier.announced < count_end) return;
  worker.failing().fail(Mistake::misused_barrier, *worker.current,
                        "overflows a barrier's count of bytes, which must stay below 2^20: " +
                            std::to_string(barrier.announced < 0 ? -barrier.announced : barrier.announced),
                        Place(where));
}

// Ends the phase if it lacks nothing.
void PhaseBarriers::end_phase(Worker& worker, PhaseBarrier& barrier) {
  if (barrier.missing > 0 || barrier.announced != 0) return;
  if (barrier.last_load != 0) barrier.arrived.add_agent(barrier.agent, worker.tick());
  barrier.passed = barrier.arrived;
  ++barrier.ended;
  barrier.missing = barrier.arrivals;
  for (Thread* const thread : barrier.waiting) {
    worker.learn(thread->number, barrier.passed);
    barrier.comes_back(thread->number);
    worker.wake(*thread);
  }
  barrier.waiting.clear();
}

void PhaseBarriers::wait(Worker& worker, std::uintptr_t address, unsigned parity,
                         const std::source_location& where) {
  PhaseBarrier& barrier = find(worker, address, "waits for", where);
  if (parity > 1) {
    worker.failing().fail(Mistake::misused_barrier, *worker.current,
                          "waits for a phase of parity " + std::to_string(parity) + ": there are 0 and 1",
                          Place(where));
  }
  if (barrier.seen.empty()) barrier.seen.resize(worker.thread_count());
  if (barrier.ended % 2 != parity) {
    barrier.comes_back(worker.current->number);
    return worker.learn(worker.current->number, barrier.passed);
  }
  barrier.waiting.push_back(worker.current);
  worker.current->slot = &barrier;
  worker.wait("mbarrier_wait", where, &PhaseBarriers::explain);
}

Explanation PhaseBarriers::explain(Worker& worker, const Thread& thread) {
  const PhaseBarrier& barrier = *static_cast<const PhaseBarrier*>(thread.slot);
  Explanation explanation;
  explanation.mistake = Mistake::deadlock;
  explanation.what = "for the end of phase " + std::to_string(barrier.ended) +
                     ", counted from 0, of the barrier at " + worker.describe(barrier.address) +
                     "; it lacks " + lack_of(barrier);
  const PhaseBarrier::Seen& seen = barrier.seen[thread.number];
  if (seen.missed || barrier.ended - seen.ended >= 2) {
    explanation.what +=
        ". The thread may have missed a phase: two or more have ended between its waits for this barrier";
  }
  for (unsigned i = 0; i < worker.thread_count() && !explanation.missing; ++i) {
    const Thread& other = worker.thread(i);
    if (other.state != Thread::State::exited && other.slot != thread.slot) explanation.missing = &other;
  }
  return explanation;
}

PhaseBarrier& PhaseBarriers::for_load(Worker& worker, std::uintptr_t address,
                                      const std::source_location& where) {
  PhaseBarrier& barrier = find(worker, address, "loads in bulk on", where);
  if (!worker.is_published(barrier.set_up_by, barrier.set_up)) {
    worker.failing().fail(Mistake::unpublished, *worker.current,
                          "loads in bulk on a barrier that publish_mbarriers() has not shown to the copies",
                          Place(where),
                          "thread " + text(worker.thread(barrier.set_up_by).index) + " has set it up",
                          Place(barrier.set_up_where));
  }
  barrier.last_load = worker.tick();
  barrier.last_load_where = where;
  barrier.last_load_by = worker.current->number;
  return barrier;
}

void PhaseBarriers::bring(Worker& worker, PhaseBarrier& barrier, unsigned bytes,
                          const std::source_location& where) {
  count_bytes(worker, barrier, -static_cast<std::int64_t>(bytes), where);
  end_phase(worker, barrier);
}

void PhaseBarriers::finish(Worker& worker) {
  for (const PhaseBarrier& barrier : barriers_) {
    if (barrier.last_load == 0 || worker.some_thread_knows(barrier.agent, barrier.last_load)) continue;
    worker.failing().fail(Mistake::unfinished_copy, worker.thread(barrier.last_load_by),
                          "has started a bulk load that nobody has waited for when the block ends",
                          Place(barrier.last_load_where));
  }
}

// A barrier's words belong to it alone.
void Worker::place_barrier(std::uintptr_t address, const std::source_location& where, const void* code) {
  acting_place_ = Place(where);
  if (dynamic_shadow.holds(address)) {
    shared_access(dynamic_shadow, address, 8, writing | placed, code);
  } else if (static_shadow.holds(address)) {
    shared_access(static_shadow, address, 8, writing | placed, code);
  } else {
    failing().fail_not_shared(address, "sets up a barrier in ", Place(where));
  }
  Shadow& shadow = dynamic_shadow.holds(address) ? dynamic_shadow : static_shadow;
  shadow.word(address).writer |= Cell::barrier;
  shadow.word(address + 4).writer |= Cell::barrier;
}

PhaseBarriers& Worker::phase_barriers() {
  if (!phase_barriers_) phase_barriers_ = std::make_unique<PhaseBarriers>();
  return *phase_barriers_;
}

void mbarrier_init(std::uint64_t* barrier, unsigned arrivals, const std::source_location& where) {
  Worker& worker = running();
  worker.phase_barriers().init(worker, reinterpret_cast<std::uintptr_t>(barrier), arrivals, where,
                               __builtin_return_address(0));
}

void publish_mbarriers(const std::source_location&) { running().publish(); }
void publish_to_bulk(const std::source_location&) { running().publish(); }

void mbarrier_arrive(std::uint64_t* barrier, const std::source_location& where) {
  Worker& worker = running();
  worker.phase_barriers().arrive(worker, reinterpret_cast<std::uintptr_t>(barrier), where);
}

void mbarrier_arrive_expecting(std::uint64_t* barrier, unsigned bytes, const std::source_location& where) {
  Worker& worker = running();
  const auto address = reinterpret_cast<std::uintptr_t>(barrier);
  worker.phase_barriers().announce(worker, address, bytes, where);
  worker.phase_barriers().arrive(worker, address, where);
}

void mbarrier_wait(std::uint64_t* barrier, unsigned parity, const std::source_location& where) {
  Worker& worker = running();
  worker.phase_barriers().wait(worker, reinterpret_cast<std::uintptr_t>(barrier), parity, where);
}

}  // namespace simt
