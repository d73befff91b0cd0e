#pragma once

// What is known to have been done: how barriers that not all threads of a block take part in, and copies that
// run beside the threads, order accesses.

#include <cstddef>
#include <cstdint>
#include <vector>

namespace simt {

/// A time of the worker's clock. A type of our own also because the linker may give us functions of
/// containers of plain numbers that were compiled for a kernel's file, which checks each access: see
/// Worker::failing.
struct Time {
  std::uint32_t value = 0;
};

/// For each of a block's threads, and for each of its agents, a time before which all its deeds are known.
/// Agents are what reads or writes shared memory on a thread's behalf while that goes on: copies and
/// products.
class Knowledge {
 public:
  [[nodiscard]] std::uint32_t of_thread(unsigned thread) const noexcept { return at(threads_, thread); }
  [[nodiscard]] std::uint32_t of_agent(unsigned agent) const noexcept { return at(agents_, agent); }
  void add_thread(unsigned thread, std::uint32_t before) { raise(threads_, thread, before); }
  void add_agent(unsigned agent, std::uint32_t before) { raise(agents_, agent, before); }
  void add(const Knowledge& other) {
    merge(threads_, other.threads_);
    merge(agents_, other.agents_);
  }
  void add_agents(const Knowledge& other) { merge(agents_, other.agents_); }
  void clear() {
    threads_.clear();
    agents_.clear();
  }

 private:
  using Times = std::vector<Time>;
  static std::uint32_t at(const Times& times, std::size_t i) noexcept {
    return i < times.size() ? times[i].value : 0;
  }
  static void raise(Times& times, std::size_t i, std::uint32_t before) {
    if (i >= times.size()) times.resize(i + 1);
    if (times[i].value < before) times[i].value = before;
  }
  static void merge(Times& times, const Times& others) {
    if (others.size() > times.size()) times.resize(others.size());
    for (std::size_t i = 0; i < others.size(); ++i) {
      if (times[i].value < others[i].value) times[i].value = others[i].value;
    }
  }

  Times threads_, agents_;
};

/// Threads of one warp that have read a word, all at times that stand for `time`; or one agent.
struct Readers {
  std::uint32_t time = 0, lanes = 0, place = 0, next = 0;
  std::uint16_t warp = 0;  ///< or agent_bit + agent
  // Of the first of a list: how many were put before those that were kept when it was last cleared up.
  std::uint16_t put = 0, kept = 0;
  static constexpr std::uint16_t agent_bit = 1u << 15;
  static constexpr std::uint32_t none = ~std::uint32_t{0};
  [[nodiscard]] bool is_agent() const noexcept { return warp & agent_bit; }
  [[nodiscard]] unsigned agent() const noexcept { return warp & 0x7fffu; }
};

/// Lists of readers, of words that threads of several warps or agents read.
class ReaderLists {
 public:
  [[nodiscard]] Readers& operator[](std::uint32_t i) noexcept { return all_[i]; }
  [[nodiscard]] std::uint32_t add(const Readers& readers) {
    if (free_ == Readers::none) {
      all_.push_back(readers);
      return static_cast<std::uint32_t>(all_.size() - 1);
    }
    const std::uint32_t taken = free_;
    free_ = all_[taken].next;
    all_[taken] = readers;
    return taken;
  }
  void drop(std::uint32_t i) noexcept {
    all_[i].next = free_;
    free_ = i;
  }
  void drop_list(std::uint32_t first) noexcept {
    while (first != Readers::none) {
      const std::uint32_t next = all_[first].next;
      drop(first);
      first = next;
    }
  }
  [[nodiscard]] std::uint32_t copy_of(std::uint32_t first) {
    if (first == Readers::none) return first;
    Readers copy = all_[first];
    copy.next = copy_of(copy.next);
    return add(copy);
  }
  void clear() noexcept {
    all_.clear();
    free_ = Readers::none;
  }

 private:
  std::vector<Readers> all_;
  std::uint32_t free_ = Readers::none;
};

/// What a block keeps of all this. Made where a kernel has such barriers or agents.
struct Relations {
  explicit Relations(unsigned threads) : known(threads), published(threads), handed_on(threads) {}

  struct Agent {
    const char* deed;
  };
  std::vector<Knowledge> known;              // by thread
  Knowledge known_to_all;                    // of agents, by the block's barriers
  std::vector<std::vector<Time>> published;  // by thread: when it called publish()
  std::vector<Time> handed_on;               // by thread: when it last did, except to its whole warp
  std::uint32_t news[32] = {};               // by warp: lanes that have learnt since its last meeting
  bool agent_news = false;                   // since the block's last barrier
  std::vector<Agent> agents;
  ReaderLists lists;
  const void* kernel = nullptr;  // the last one that needed it
};

}  // namespace simt
