// What threads know of each other's deeds by way of barriers that do not hold the whole block, and of what is
// read and written beside the threads.

#include "knowledge.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "worker.hpp"

namespace simt {

Relations& Worker::relations() {
  if (!relations_) relations_ = std::make_unique<Relations>(max_threads);
  if (!knowing_) {
    knowing_ = true;
    relations_->kernel = job->launch->kernel;
  }
  return *relations_;
}

void Worker::clear_relations() {
  if (!relations_) return;
  if (knowing_) {
    Relations& r = *relations_;
    for (Knowledge& known : r.known) known.clear();
    for (auto& times : r.published) times.clear();
    std::fill(r.handed_on.begin(), r.handed_on.end(), Time{});
    std::fill(std::begin(r.news), std::end(r.news), 0u);
    r.agents.clear();
    r.lists.clear();
    r.known_to_all.clear();
    r.agent_news = false;
  }
  // A kernel that has once had such barriers has them again: its readers are listed from the beginning.
  knowing_ = relations_->kernel == job->launch->kernel;
}

void Worker::hand_on(Knowledge& to) {
  Relations& r = relations();
  const unsigned self = current->number, first = self / 32 * 32;
  to.add(r.known[self]);
  const Warp& warp = warps_[self / 32];
  if (warp.met > barrier_time_ || warp.partly) {
    for (unsigned lane = 0; lane < 32 && first + lane < count_; ++lane) {
      to.add_thread(first + lane,
                    std::max(warp.met, warp.partly ? warp.known[self & 31][lane] : std::uint32_t{0}));
    }
  }
  to.add_thread(self, ++clock_);
  r.handed_on[self].value = clock_;
}

void Worker::learn(unsigned thread_number, const Knowledge& from) {
  Relations& r = relations();
  r.known[thread_number].add(from);
  r.news[thread_number / 32] |= 1u << (thread_number & 31);
  r.agent_news = true;
}

void Worker::learn_of_agent(unsigned thread_number, unsigned agent, std::uint32_t before) {
  Relations& r = relations();
  r.known[thread_number].add_agent(agent, before);
  r.news[thread_number / 32] |= 1u << (thread_number & 31);
  r.agent_news = true;
}

unsigned Worker::take_agent(const char* deed) {
  Relations& r = relations();
  if (r.agents.size() > Cell::thread_bits) {
    std::fputs("simt: a block has more barriers and copying threads than the emulator can tell apart\n",
               stderr);
    std::abort();
  }
  r.agents.push_back({deed});
  return static_cast<unsigned>(r.agents.size() - 1);
}

// Threads of a warp have met: each knows what any of them knew of other warps and of agents. That they know
// each other's deeds stands in the Warp.
void Worker::share_knowledge(const Warp& warp, unsigned mask) {
  Relations& r = *relations_;
  const auto number = static_cast<unsigned>(&warp - warps_.data());
  if (r.news[number] & mask) {
    Knowledge all;
    for (unsigned m = mask; m; m &= m - 1)
      all.add(r.known[number * 32 + static_cast<unsigned>(__builtin_ctz(m))]);
    for (unsigned m = mask; m; m &= m - 1)
      r.known[number * 32 + static_cast<unsigned>(__builtin_ctz(m))] = all;
    r.news[number] |= mask;  // for the lanes that have not met
  }
  if (mask == warp.lanes) {
    r.news[number] = 0;
  } else {
    for (unsigned m = mask; m; m &= m - 1)
      r.handed_on[number * 32 + static_cast<unsigned>(__builtin_ctz(m))].value = clock_;
  }
}

// The whole block has met.
void Worker::share_with_all() {
  Relations& r = *relations_;
  if (!r.agent_news) return;
  for (unsigned i = 0; i < count_; ++i) r.known_to_all.add_agents(r.known[i]);
  r.agent_news = false;
}

void Worker::publish() { relations().published[current->number].push_back({++clock_}); }

std::uint32_t Worker::known_of(unsigned other) const {
  const unsigned self = current->number;
  if (other == self) return ~std::uint32_t{0};
  std::uint32_t time = barrier_time_;
  if ((other ^ self) >> 5 == 0) {
    const Warp& warp = warps_[self >> 5];
    time = std::max(time, warp.met);
    if (warp.partly) time = std::max(time, warp.known[self & 31][other & 31]);
  }
  return knowing_ ? std::max(time, relations_->known[self].of_thread(other)) : time;
}

bool Worker::agent_is_over(unsigned agent, std::uint32_t time) const {
  return relations_->known_to_all.of_agent(agent) > time ||
         relations_->known[current->number].of_agent(agent) > time;
}

bool Worker::is_published(unsigned writer, std::uint32_t time) const {
  const auto& times = relations_->published[writer];
  const auto after = std::upper_bound(times.begin(), times.end(), time,
                                      [](std::uint32_t value, Time other) { return value < other.value; });
  return after != times.end() && after->value < known_of(writer);
}

bool Worker::some_thread_knows(unsigned agent, std::uint32_t time) const {
  const Relations& r = *relations_;
  return r.known_to_all.of_agent(agent) > time ||
         std::any_of(r.known.begin(), r.known.begin() + count_,
                     [&](const Knowledge& known) { return known.of_agent(agent) > time; });
}

// Takes from earlier readers those that a new reader makes superfluous, because whoever knows of it knows of
// them, and joins to it those that can be said to read now: who has handed nothing on since.
void Worker::join_readers(Readers& earlier, Readers& latest) const {
  if (earlier.is_agent()) {
    if (earlier.warp == latest.warp || agent_is_over(earlier.agent(), earlier.time)) earlier.lanes = 0;
    return;
  }
  if (earlier.time < barrier_time_) {
    earlier.lanes = 0;
  } else if (earlier.warp == latest.warp) {
    earlier.lanes &= ~latest.lanes;
    for (std::uint32_t m = earlier.lanes; m; m &= m - 1) {
      const auto lane = static_cast<unsigned>(__builtin_ctz(m));
      const unsigned number = earlier.warp * 32u + lane;
      if (ordered(number, earlier.time)) {
        earlier.lanes &= ~(1u << lane);
      } else if (relations_->handed_on[number].value <= earlier.time) {
        earlier.lanes &= ~(1u << lane);
        latest.lanes |= 1u << lane;
      }
    }
  }
}

// A list may hold what is superfluous, which does no harm but takes time: it is cleared up when as many have
// been put to it as would be looked at.
void Worker::note_readers(Cell& cell, Readers latest) {
  ReaderLists& lists = relations_->lists;
  std::uint32_t first = Readers::none;
  if (cell.has_list(block_start_)) {
    first = cell.readers;
    Readers head = lists[first];
    join_readers(head, latest);
    latest.put = static_cast<std::uint16_t>(head.put + 1);
    latest.kept = head.kept;
    if (head.lanes == 0) {
      latest.put = head.put;
      latest.next = head.next;
      lists[first] = latest;
      cell.read_time = clock_;
      cell.read_place = latest.place;
      return;
    }
    if (head.put >= 32 + head.kept) first = cleared_list(first, latest);
  } else if (cell.read_time >= barrier_time_ && cell.read_warp < Cell::listed) {
    Readers earlier{cell.read_time, cell.readers, cell.read_place, Readers::none, cell.read_warp};
    join_readers(earlier, latest);
    if (earlier.lanes) first = lists.add(earlier);
  }
  cell.read_time = clock_;
  cell.read_place = latest.place;
  if (first == Readers::none && !latest.is_agent()) {
    cell.read_warp = latest.warp;
    cell.readers = latest.lanes;
    return;
  }
  latest.next = first;
  cell.read_warp = Cell::listed;
  cell.readers = lists.add(latest);
}

// What a list must keep beside a new first one.
std::uint32_t Worker::cleared_list(std::uint32_t list, Readers& latest) {
  ReaderLists& lists = relations_->lists;
  std::uint32_t first = Readers::none;
  std::uint32_t* link = &first;
  latest.put = latest.kept = 0;
  for (std::uint32_t i = list; i != Readers::none;) {
    Readers& earlier = lists[i];
    const std::uint32_t next = earlier.next;
    join_readers(earlier, latest);
    if (earlier.lanes) {
      *link = i;
      link = &earlier.next;
      ++latest.kept;
    } else {
      lists.drop(i);
    }
    i = next;
  }
  *link = Readers::none;
  return first;
}

// Before a write: one of the listed readers that the running thread does not know to be done.
const Readers* Worker::unordered_reader(const Cell& cell, unsigned* thread_number) const {
  ReaderLists& lists = relations_->lists;
  for (std::uint32_t i = cell.readers; i != Readers::none; i = lists[i].next) {
    const Readers& readers = lists[i];
    if (readers.is_agent()) {
      if (!agent_is_over(readers.agent(), readers.time)) return &readers;
      continue;
    }
    if (readers.time < barrier_time_) continue;
    for (std::uint32_t m = readers.lanes; m; m &= m - 1) {
      const unsigned number = readers.warp * 32u + static_cast<unsigned>(__builtin_ctz(m));
      if (number == current->number || ordered(number, readers.time)) continue;
      *thread_number = number;
      return &readers;
    }
  }
  return nullptr;
}

void Worker::read_shared_async(unsigned agent, std::uintptr_t address, std::size_t bytes, Place place,
                               const void* code) {
  access_async(agent, address, bytes, reading | by_agent, place, code);
}

void Worker::write_shared_async(unsigned agent, std::uintptr_t address, std::size_t bytes, Place place,
                                const void* code) {
  access_async(agent, address, bytes, writing | by_agent, place, code);
}

void Worker::access_async(unsigned agent, std::uintptr_t address, std::size_t bytes, unsigned access,
                          Place place, const void* code) {
  constexpr std::size_t piece = 128;  // for which the bounds of a variable are known at once
  acting_agent_ = agent;
  acting_place_ = place;
  for (std::uintptr_t a = address; a < address + bytes; a += piece) {
    const std::size_t count = std::min(piece, address + bytes - a);
    if (dynamic_shadow.holds(a)) {
      shared_access(dynamic_shadow, a, count, access, code);
    } else if (static_shadow.holds(a)) {
      shared_access(static_shadow, a, count, access, code);
    } else {
      failing().fail_access(Mistake::out_of_bounds, a, count, access, code, "not shared memory");
    }
  }
}

}  // namespace simt
