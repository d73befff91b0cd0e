// What all threads of a warpgroup wait for together, and the registers that they divide.

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>

#include "warpgroup.hpp"

namespace simt {

Warpgroup& Warpgroup::mine(const char* operation, const std::source_location& where) {
  if (!active) {
    std::fputs("simt: a function of the device was called outside a kernel\n", stderr);
    std::abort();
  }
  Worker& worker = *active;
  const unsigned group = worker.current->number / 128u;
  if (worker.thread_count() < (group + 1) * 128) {
    worker.failing().fail(Mistake::missing_lanes, *worker.current,
                          std::string("calls ") + operation + " in a warpgroup without 128 threads",
                          Place(where));
  }
  return worker.warpgroup(group);
}

Warpgroup& Worker::warpgroup(unsigned group) {
  if (!warpgroups_) warpgroups_ = std::make_unique<Warpgroups>();
  warpgroups_->used = true;
  return warpgroups_->groups[group];
}

bool Warpgroup::meet(const char* operation, unsigned value, const std::source_location& where) {
  Worker& worker = *active;
  Thread& self = *worker.current;
  if (met_ == 0) {
    value_ = value;
    first_met_ = self.number;
  } else {
    const Thread& first = worker.thread(first_met_);
    if (first.operation != operation || value_ != value || !same_line(first.where, where)) {
      worker.failing().fail(
          Mistake::missing_lanes, self,
          std::string("calls ") + operation + " where the rest of its warpgroup calls something else",
          Place(where), "thread " + text(first.index) + " waits in " + first.operation, Place(first.where));
    }
  }
  if (++met_ < 128) {
    worker.wait(operation, where, &Warpgroup::explain);
    return false;
  }
  met_ = 0;
  return true;
}

// Runs the others on, after meet() has said that all have come.
void Warpgroup::part() {
  Worker& worker = *active;
  const unsigned self = worker.current->number, first = self / 128 * 128;
  for (unsigned i = 0; i < 128; ++i) {
    if (first + i != self) worker.wake(worker.thread(first + i));
  }
}

Explanation Warpgroup::explain(Worker& worker, const Thread& thread) {
  Explanation explanation;
  explanation.mistake = Mistake::missing_lanes;
  unsigned come = 0;
  const unsigned first = thread.number / 128u * 128u;
  for (unsigned i = 0; i < 128; ++i) {
    const Thread& other = worker.thread(first + i);
    if (other.state == Thread::State::waiting && other.operation == thread.operation) {
      ++come;
    } else if (!explanation.missing) {
      explanation.missing = &other;
    }
  }
  explanation.what = std::to_string(come) + " of the 128 threads of its warpgroup have come";
  return explanation;
}

void Warpgroup::set_registers(unsigned count, bool more, const std::source_location& where) {
  if (!meet(more ? "take_registers" : "give_registers", count, where)) return;
  Worker& worker = *active;
  if (registers != 0 && (more ? count < registers : count > registers)) {
    worker.failing().fail(Mistake::registers, *worker.current,
                          std::string(more ? "takes up to " : "gives up all but ") + std::to_string(count) +
                              " registers where its warpgroup has " + std::to_string(registers) + " a thread",
                          Place(where));
  }
  registers = count;
  unsigned sum = 0;
  for (unsigned group = 0; group * 128 < worker.thread_count(); ++group)
    sum += worker.warpgroup(group).registers;
  if (sum > 512) {
    worker.failing().fail(Mistake::registers, *worker.current,
                          "asks for " + std::to_string(count) +
                              " registers a thread: the block's warpgroups together "
                              "would have " +
                              std::to_string(sum) + ", of 512 that there are",
                          Place(where));
  }
  part();
}

void set_registers(unsigned count, bool more, const std::source_location& where) {
  Warpgroup::mine(more ? "take_registers" : "give_registers", where).set_registers(count, more, where);
}

}  // namespace simt
