// The scheduler: fibers, the order of threads, and the block's barriers.

#include "worker.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <new>

#include "bulk_copy.hpp"
#include "named_barrier.hpp"
#include "phase_barrier.hpp"
#include "program.hpp"
#include "warpgroup.hpp"

namespace simt {

constinit thread_local Worker* active = nullptr;

namespace {

using boost::context::detail::jump_fcontext;
using boost::context::detail::make_fcontext;
using boost::context::detail::transfer_t;

constexpr std::size_t page = 4096;
constexpr int turn = 1 << 20;  // accesses of one thread before the others get their turn
// Turns without any thread ending or passing a barrier, before the block counts as deadlocked.
constexpr std::uint64_t usual_idle_turns = 4096;
std::atomic<std::uint64_t> idle_turns_allowed{usual_idle_turns};

std::uint64_t mixed(std::uint64_t x) {  // splitmix64's finaliser
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

}  // namespace

void set_patience(std::uint64_t accesses) {
  idle_turns_allowed = accesses == 0 ? usual_idle_turns : (accesses + turn - 1) / turn;
}

Worker::Worker() : threads_(max_threads), warps_(max_threads / 32), copies_(max_threads), ring_(max_threads) {
  const std::size_t whole = max_shared_bytes + 2 * guard_bytes + page;
  void* shared =
      mmap(nullptr, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (shared == MAP_FAILED) throw std::bad_alloc();
  dynamic_memory = static_cast<char*>(shared) + guard_bytes;
  dynamic_shadow.map(shared, whole);
  memory = &DeviceMemory::instance();
  const ThreadLocalImage image = Program::instance().thread_local_image();
  static_shadow.map(image.start, image.bytes);
  room_.assign(static_shadow.bytes() + 4, 0);
  program_ = reinterpret_cast<std::uintptr_t>(Program::instance().address(0));
}

Worker::~Worker() {
  munmap(dynamic_memory - guard_bytes, max_shared_bytes + 2 * guard_bytes + page);
  for (const auto& fiber : fibers_) munmap(reinterpret_cast<void*>(fiber->stack - page), stack_bytes + page);
}

Worker& Worker::mine() {
  static thread_local std::unique_ptr<Worker> worker;
  if (!worker) worker = std::make_unique<Worker>();
  return *worker;
}

Fiber* Worker::take_fiber() {
  if (idle_.empty()) {
    void* stack_memory = mmap(nullptr, stack_bytes + page, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (stack_memory == MAP_FAILED) throw std::bad_alloc();
    mprotect(stack_memory, page, PROT_NONE);
    auto fiber = std::make_unique<Fiber>();
    fiber->stack = reinterpret_cast<std::uintptr_t>(stack_memory) + page;
    idle_.push_back(fiber.get());
    fibers_.push_back(std::move(fiber));
  }
  Fiber* fiber = idle_.back();
  idle_.pop_back();
  if (!fiber->context) {
    fiber->context =
        make_fcontext(reinterpret_cast<void*>(fiber->stack + stack_bytes), stack_bytes, &fiber_main);
  }
  return fiber;
}

// After a failure the fibers are left where they stand: kernels own nothing that would need unwinding.
void Worker::abandon_fibers() {
  idle_.clear();
  for (const auto& fiber : fibers_) {
    fiber->context = nullptr;
    idle_.push_back(fiber.get());
  }
}

void Worker::prepare(const Job& new_job, std::uint64_t number) {
  const Launch& launch = *new_job.launch;
  if (job_serial != new_job.serial) {
    block_extents = launch.block;
    grid_extents = launch.grid;
    count_ = launch.block.x * launch.block.y * launch.block.z;
    dynamic_bytes = launch.shared_bytes;
    for (unsigned i = 0; i < count_; ++i) {
      threads_[i].index = {i % launch.block.x, i / launch.block.x % launch.block.y,
                           i / (launch.block.x * launch.block.y)};
      threads_[i].number = static_cast<std::uint16_t>(i);
    }
    if (room_of_ != launch.kernel) {
      std::fill(room_.begin(), room_.end(), static_cast<unsigned char>(0));
      room_of_ = launch.kernel;
    }
    job = &new_job;
    job_serial = new_job.serial;
  }
  block_number = number;
  block_index = {static_cast<unsigned>(number % launch.grid.x),
                 static_cast<unsigned>(number / launch.grid.x % launch.grid.y),
                 static_cast<unsigned>(number / launch.grid.x / launch.grid.y)};
  for (unsigned i = 0; i < count_; ++i) {
    threads_[i].state = Thread::State::ready;
    threads_[i].fiber = nullptr;
    ring_[i] = static_cast<std::uint16_t>(i);
  }
  for (unsigned w = 0; w * 32 < count_; ++w) {
    const unsigned lanes = std::min(32u, count_ - w * 32);
    warps_[w].lanes = lanes == 32 ? 0xffffffffu : (1u << lanes) - 1;
    warps_[w].waiting = 0;
    warps_[w].met = 0;
    warps_[w].partly = false;
  }
  if (copies_used_) {
    for (AsyncCopies& c : copies_) c = {};
    copies_used_ = false;
  }
  if (warpgroups_) warpgroups_->clear();
  if (named_barriers_) named_barriers_->clear();
  if (phase_barriers_) phase_barriers_->clear();
  if (bulk_copies_) bulk_copies_->clear();
  clear_relations();
  if (clock_ > 0xf0000000u) {
    dynamic_shadow.clear();
    static_shadow.clear();
    clock_ = 0;
  }
  block_start_ = barrier_time_ = ++clock_;
  head_ = 0;
  ready_ = count_;
  exited_ = arrived_ = 0;
  votes_ = 0;
  next_ = first_arrived_ = nullptr;
  idle_turns_ = 0;
  patience = turn;
  shuffled_ = new_job.seed != 0;
  random_ = mixed(mixed(mixed(new_job.seed) + new_job.ordinal) + number) | 1u;
  failed_ = false;
}

Thread* Worker::pick() {
  if (ready_ == 0) return nullptr;
  constexpr unsigned mask = max_threads - 1;
  if (shuffled_ && ready_ > 1) {
    random_ ^= random_ << 13;
    random_ ^= random_ >> 7;
    random_ ^= random_ << 17;
    const auto offset = static_cast<unsigned>(((random_ >> 32) * ready_) >> 32);
    std::swap(ring_[head_], ring_[(head_ + offset) & mask]);
  }
  Thread* thread = &threads_[ring_[head_]];
  head_ = (head_ + 1) & mask;
  --ready_;
  return thread;
}

void Worker::release(Thread& thread) {
  thread.state = Thread::State::ready;
  ring_[(head_ + ready_++) & (max_threads - 1)] = thread.number;
}

bool Worker::run_block(const Job& new_job, std::uint64_t number) {
  prepare(new_job, number);
  active = this;
  try {
    while (!failed_) {
      Thread* thread = next_ ? next_ : pick();
      next_ = nullptr;
      if (!thread) {
        if (exited_ != count_) failing().diagnose();
        break;
      }
      if (!thread->fiber) thread->fiber = take_fiber();
      Fiber* fiber = thread->fiber;
      current = thread;
      stack = fiber->stack;
      patience = turn;
      const transfer_t back = jump_fcontext(fiber->context, this);
      fiber->context = back.fctx;
    }
  } catch (...) {
    active = nullptr;
    abandon_fibers();
    throw;
  }
  active = nullptr;
  if (failed_) abandon_fibers();
  return !failed_;
}

void Worker::fiber_main(transfer_t transfer) {
  Worker& worker = *static_cast<Worker*>(transfer.data);
  worker.scheduler_ = transfer.fctx;
  Fiber* const self = worker.current->fiber;
  for (;;) {
    const Launch& launch = *worker.job->launch;
    launch.call(launch.arguments.get());
    worker.finish_current();
    // A thread that never waits costs no switch: this fiber takes the next one.
    Thread* next = worker.pick();
    if (next && !next->fiber) {
      next->fiber = self;
      worker.current = next;
      worker.patience = turn;
      continue;
    }
    worker.next_ = next;
    worker.idle_.push_back(self);
    worker.leave();
  }
}

void Worker::leave() {
  const transfer_t back = jump_fcontext(scheduler_, nullptr);
  scheduler_ = back.fctx;
}

void Worker::finish_current() {
  if (copies_used_) async_wait(0);
  if (warpgroups_ && warpgroups_->used) warpgroups_->groups[current->number / 128u].finish();
  if (bulk_copies_) bulk_copies_->finish(*this);
  if (phase_barriers_ && exited_ + 1 == count_) phase_barriers_->finish(*this);
  current->state = Thread::State::exited;
  current->fiber = nullptr;
  ++exited_;
  idle_turns_ = 0;
}

void Worker::yield(const void* place) {
  patience = turn;
  if (++idle_turns_ > idle_turns_allowed) {
    failing().fail(Mistake::deadlock, *current,
                   "goes on without end: for " + std::to_string(idle_turns_) +
                       " million accesses no thread of the block has ended or passed a barrier",
                   Place(place));
  }
  release(*current);
  leave();
}

void Worker::wait(const char* operation, const std::source_location& where, Explain explain) {
  current->operation = operation;
  current->where = where;
  current->explain = explain;
  current->state = Thread::State::waiting;
  leave();
}

int Worker::barrier(Vote vote, int predicate, const std::source_location& where) {
  Thread& self = *current;
  self.where = where;
  if (arrived_ > 0) {
    const std::source_location& first = first_arrived_->where;
    if (!same_line(first, where)) {
      failing().fail(Mistake::divergent_barrier, self, "comes to another barrier than the rest of its block",
                     Place(where), "thread " + text(first_arrived_->index) + " waits", Place(first));
    }
  } else {
    first_arrived_ = &self;
    vote_ = vote;
    votes_ = 0;
  }
  votes_ += predicate != 0;
  if (++arrived_ < count_) {
    self.state = Thread::State::at_barrier;
    leave();
    return vote_result_;
  }
  const int all = static_cast<int>(count_);
  vote_result_ = vote == Vote::all ? votes_ == all : vote == Vote::any ? votes_ != 0 : votes_;
  arrived_ = 0;
  idle_turns_ = 0;
  barrier_time_ = ++clock_;
  if (knowing_) share_with_all();
  for (unsigned i = 0; i < count_; ++i) {
    if (&threads_[i] != &self) release(threads_[i]);
  }
  return vote_result_;
}

void Worker::fail(Failure new_failure) {
  failure = std::move(new_failure);
  failure.block_number = block_number;
  failure.block = {block_index.x, block_index.y, block_index.z};
  failed_ = true;
  leave();
  std::abort();  // a failed block is never resumed
}

void Worker::fail(Mistake mistake, const Thread& thread, std::string what, Place place, std::string other,
                  Place other_place) {
  Failure f;
  f.mistake = mistake;
  f.thread = {thread.index.x, thread.index.y, thread.index.z};
  f.what = std::move(what);
  f.place = place;
  f.other = std::move(other);
  f.other_place = other_place;
  fail(std::move(f));
}

// Nobody can run and not all have ended: says who waits for whom. Runs on the scheduler's stack.
void Worker::diagnose() {
  const auto doing = [this](const Thread& t) -> std::string {
    if (t.state == Thread::State::exited) return "has ended";
    if (t.state == Thread::State::ready) return "does something else";
    if (t.state == Thread::State::waiting)
      return std::string("waits in ") + t.operation + ": " + t.explain(*this, t).what;
    return t.state == Thread::State::at_barrier ? "waits at __syncthreads"
                                                : std::string("waits in ") + t.operation;
  };
  Failure f;
  const Thread *waiting = nullptr, *missing = nullptr;
  for (unsigned i = 0; i < count_ && !waiting; ++i) {  // a warp's operation says most
    const Thread& t = threads_[i];
    if (t.state != Thread::State::in_warp) continue;
    for (unsigned lane = 0; lane < 32; ++lane) {
      const unsigned number = i / 32 * 32 + lane;
      if (!(t.mask >> lane & 1u) || number >= count_) continue;
      const Thread& other = threads_[number];
      if (other.state == Thread::State::in_warp && other.operation == t.operation && other.mask == t.mask)
        continue;
      waiting = &t;
      missing = &other;
      break;
    }
  }
  for (unsigned i = 0; i < count_ && !waiting; ++i) {
    const Thread& t = threads_[i];
    if (t.state != Thread::State::waiting) continue;
    waiting = &t;
    Explanation why = t.explain(*this, t);
    missing = why.missing;
    f.mistake = why.mistake;
    f.what = std::string("waits in ") + t.operation + ": " + why.what;
    if (missing) f.other = "thread " + text(missing->index) + " " + doing(*missing);
  }
  if (waiting && waiting->state == Thread::State::in_warp) {
    f.mistake = Mistake::missing_lanes;
    char mask[16];
    std::snprintf(mask, sizeof mask, "0x%08x", waiting->mask);
    f.what = std::string("waits in ") + waiting->operation + " with the mask " + mask +
             ", which names a thread that does not come";
    f.other = "thread " + text(missing->index) + " " + doing(*missing);
  } else if (!waiting) {
    unsigned at_barrier = 0;
    for (unsigned i = 0; i < count_; ++i) {
      const Thread& t = threads_[i];
      if (t.state == Thread::State::at_barrier) {
        ++at_barrier;
        if (!waiting) waiting = &t;
      } else if (!missing) {
        missing = &t;
      }
    }
    f.mistake =
        missing && missing->state == Thread::State::exited ? Mistake::divergent_barrier : Mistake::deadlock;
    f.what = "waits with " + std::to_string(at_barrier - 1) + " others of the block's " +
             std::to_string(count_) + " threads at a barrier that the rest does not come to";
    if (missing) f.other = "thread " + text(missing->index) + " " + doing(*missing);
  }
  f.thread = {waiting->index.x, waiting->index.y, waiting->index.z};
  f.place = Place(waiting->where);
  if (missing && missing->state != Thread::State::exited) f.other_place = Place(missing->where);
  failure = std::move(f);
  failure.block_number = block_number;
  failure.block = {block_index.x, block_index.y, block_index.z};
  failed_ = true;
}

}  // namespace simt
