#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "deconv/core/context.hpp"
#include "deconv/core/error.hpp"
#include "deconv/core/shape.hpp"
#include "deconv/core/shard.hpp"

// What the processes of one training run say to each other. Each process is a rank, 0 to size() - 1. All
// ranks call the same functions in the same order with the same counts; where they do not, that is an error
// where it can be seen and a time limit elsewhere.
namespace deconv::dist {

/// Another process of the run failed, does not answer or does something else.
class CommunicationError : public Error {
 public:
  using Error::Error;
};

/// Small pieces of host memory between the ranks. All calls wait until every rank that matters has come. They
/// throw CommunicationError; after that nothing but abort() makes sense.
class ProcessGroup {
 public:
  ProcessGroup() = default;
  ProcessGroup(const ProcessGroup&) = delete;
  ProcessGroup& operator=(const ProcessGroup&) = delete;
  virtual ~ProcessGroup() = default;

  [[nodiscard]] virtual int rank() const noexcept = 0;
  [[nodiscard]] virtual int size() const noexcept = 0;

  /// values[i] = sum over all ranks of values[i]: the same bits on every rank and in every run.
  virtual void sum(std::span<double> values) = 0;
  /// Every rank gets what rank `root` has, in content and length. Throws ArgumentError for no such rank.
  virtual void broadcast(std::vector<std::byte>& bytes, int root) = 0;
  /// Rank 0 gets each rank's bytes, in the order of ranks; the others get nothing.
  [[nodiscard]] virtual std::vector<std::vector<std::byte>> gather(std::span<const std::byte> bytes) = 0;
  /// Returns when every rank has come.
  virtual void barrier() = 0;
  /// Ends the whole run because of this rank: the other ranks are ended, or their next call throws
  /// CommunicationError. In a process of its own, prints `deconv: rank 1: <reason>` as one line on standard
  /// error and does not return.
  virtual void abort(std::string_view reason) noexcept = 0;

  /// Whether it is known, without asking anyone, that another rank has ended. Any thread may call it. Where
  /// the launcher ends all ranks when one ends, always false.
  [[nodiscard]] virtual bool broken() const noexcept { return false; }
  /// Whether this is the rank that writes files and prints.
  [[nodiscard]] bool leads() const noexcept { return rank() == 0; }
};

/// Adds what the ranks computed: arrays of floats in a device's memory. Sums are in place, may be many at a
/// time, and go on while the caller computes. Every rank gets the same bits, run after run, whatever the
/// timing; each communicator says in which order it adds.
template <Device D>
class Communicator : public ProcessGroup {
 public:
  /// A sum under way. Throws nothing; use each once.
  enum class Ticket : std::uint64_t {};

  using ProcessGroup::broadcast;

  /// Begins data[i] = sum over all ranks of data[i], once what was put on the context's stream so far is
  /// done. Until wait() nobody else may read or write the array. All ranks begin the same sums in the same
  /// order. Throws CommunicationError, ArgumentError for a negative count.
  [[nodiscard]] virtual Ticket begin_sum(const Context<D>& context, float* data, Index count) = 0;
  /// Returns when the sum is in the array (Cuda: when work put on the context's stream from here on will see
  /// it). Throws what went wrong in the sum, ArgumentError for a ticket that is not under way.
  virtual void wait(const Context<D>& context, Ticket ticket) = 0;
  /// Every rank gets rank `root`'s array, as wait() has it. Throws ArgumentError for no such rank.
  virtual void broadcast(const Context<D>& context, float* data, Index count, int root) = 0;
};

/// The bytes of a text, for broadcast() and gather(), and back.
[[nodiscard]] inline std::vector<std::byte> to_bytes(std::string_view text) {
  const auto* first = reinterpret_cast<const std::byte*>(text.data());
  return {first, first + text.size()};
}
[[nodiscard]] inline std::string to_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// Calls `body()` and returns its result; when it throws, ends the whole run with the exception's message, so
/// that no other rank waits for this one. With one rank the exception goes on.
template <class Body>
decltype(auto) abort_on_exception(ProcessGroup& group, Body&& body) {
  try {
    return std::forward<Body>(body)();
  } catch (const std::exception& problem) {
    if (group.size() > 1) group.abort(problem.what());
    throw;
  } catch (...) {
    if (group.size() > 1) group.abort("an exception of unknown kind");
    throw;
  }
}

namespace detail {

/// Calls add(to, from) so that part 0 becomes the sum of `count` parts, neighbours first: ((0 + 1) + (2 + 3))
/// +
/// ... As gradients are added over the images of a batch, so that processes with equal shares of one go on
/// where their own sums end.
template <class Add>
void add_pairwise(int count, const Add& add) {
  for (int stride = 1; stride < count; stride *= 2)
    for (int to = 0; to + stride < count; to += 2 * stride) add(to, to + stride);
}

inline void check_root(int root, int size) {
  require<ArgumentError>(root >= 0 && root < size, "broadcast: ranks 0 to ", size - 1, " are there, met ",
                         root);
}
inline void check_count(Index count) {
  require<ArgumentError>(count >= 0, "a number of elements must be 0 or more, met ", count);
}

}  // namespace detail

}  // namespace deconv::dist
