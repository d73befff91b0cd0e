// Work that streams keep for later, and the order in which it is done.

#include "simt/stream_order.hpp"

#include <algorithm>
#include <random>

#include "runtime.hpp"

namespace simt {
namespace {

struct Order {
  std::recursive_mutex mutex;
  bool shuffled = false;
  std::mt19937_64 random;
  std::vector<Stream*> busy;  // those with work left
};
Order& order() {
  static Order* instance = new Order;
  return *instance;
}

bool blocked(const Stream& stream) {
  const auto& awaited = stream.pending.front().awaited;
  return awaited && !awaited->reached;
}

/// Does the first piece of a stream's work, and before it what that waits for.
void do_first(Stream& stream) {
  if (blocked(stream)) {
    const auto awaited = stream.pending.front().awaited;
    finish(*awaited);
  }
  const Pending first = std::move(stream.pending.front());
  stream.pending.pop_front();
  if (stream.pending.empty()) std::erase(order().busy, &stream);
  if (first.work) first.work();
  if (first.reached) first.reached->reached = true;
}

}  // namespace

bool streams_shuffled() {
  const std::lock_guard lock(order().mutex);
  return order().shuffled;
}

void put(Stream& stream, Pending pending) {
  const std::lock_guard lock(order().mutex);
  if (pending.reached) pending.reached->stream = &stream;
  if (stream.pending.empty()) order().busy.push_back(&stream);
  stream.pending.push_back(std::move(pending));
  // Half of the time nothing goes ahead now, else up to four pieces of any stream's work.
  const std::uint64_t drawn = order().random() % 8;
  for (std::uint64_t steps = drawn < 4 ? 0 : drawn - 3; steps > 0 && !order().busy.empty(); --steps) {
    Stream& chosen = *order().busy[order().random() % order().busy.size()];
    if (!blocked(chosen)) do_first(chosen);
  }
}

void finish(Stream* stream) {
  const std::lock_guard lock(order().mutex);
  while (std::find(order().busy.begin(), order().busy.end(), stream) != order().busy.end()) do_first(*stream);
}

void finish(const Mark& mark) {
  const std::lock_guard lock(order().mutex);
  while (!mark.reached) do_first(*mark.stream);
}

void finish_all() {
  const std::lock_guard lock(order().mutex);
  while (!order().busy.empty()) do_first(*order().busy.front());
}

ShuffledStreams::ShuffledStreams(std::uint64_t seed) {
  const std::lock_guard lock(order().mutex);
  order().shuffled = true;
  order().random.seed(seed);
}

ShuffledStreams::~ShuffledStreams() {
  finish_all();
  const std::lock_guard lock(order().mutex);
  order().shuffled = false;
}

}  // namespace simt
