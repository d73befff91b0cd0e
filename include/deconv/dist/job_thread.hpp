#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <exception>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "deconv/core/error.hpp"
#include "deconv/dist/communicator.hpp"

namespace deconv::dist::detail {

/// Prints why the run ends, as one line in one piece.
inline void print_end(int rank, std::string_view reason) noexcept {
  std::string line = message("deconv: rank ", rank, ": ", reason);
  for (char& c : line)
    if (static_cast<unsigned char>(c) < 0x20) c = ' ';
  line += '\n';
  std::fputs(line.c_str(), stderr);
  std::fflush(stderr);
}

/// One thread that does jobs in the order in which they were begun. After one has failed the others fail with
/// it: what they would wait for may never come.
class JobThread {
 public:
  using Job = std::function<void()>;

  JobThread() = default;
  JobThread(const JobThread&) = delete;
  JobThread& operator=(const JobThread&) = delete;
  ~JobThread() { finish(); }

  /// `end` is called on the thread when end_process() was called.
  void start(Job end) {
    end_ = std::move(end);
    thread_ = std::thread([this] { work(); });
  }
  /// Does what was begun, then stops.
  void finish() noexcept {
    {
      const std::lock_guard lock(mutex_);
      finishing_ = true;
    }
    changed_.notify_all();
    if (thread_.joinable()) thread_.join();
  }

  /// Returns the number to wait for.
  std::uint64_t begin(Job job) {
    std::uint64_t number;
    {
      const std::lock_guard lock(mutex_);
      number = next_++;
      states_[number];
      queue_.emplace_back(number, std::move(job));
    }
    changed_.notify_all();
    return number;
  }
  /// Throws what the job threw, ArgumentError when there is no such job or it was waited for already.
  void wait(std::uint64_t number) {
    std::unique_lock lock(mutex_);
    const auto found = states_.find(number);
    require<ArgumentError>(found != states_.end(), "wait: no such sum is under way");
    changed_.wait(lock, [&] { return found->second.done; });
    const std::exception_ptr failure = found->second.failure;
    states_.erase(found);
    if (failure) std::rethrow_exception(failure);
  }
  /// Does a job on the thread, after those that were begun before, and waits for it.
  template <class Work>
  void run(const Work& work) {
    wait(begin([&work] { work(); }));
  }

  /// For jobs: returns when `done()` is true. Asks often at first, then every few dozen microseconds.
  template <class Done>
  void poll(const Done& done) {
    for (int asked = 0; !done(); ++asked) {
      if (ending_.load(std::memory_order_acquire)) end_and_sleep();
      if (asked < 64)
        std::this_thread::yield();
      else
        std::this_thread::sleep_for(std::chrono::microseconds(20));
    }
  }

  /// Ends the process by start()'s `end`, or after ten seconds without it.
  [[noreturn]] void end_process() noexcept {
    ending_.store(true, std::memory_order_release);
    {
      const std::lock_guard lock(mutex_);  // whoever is about to sleep sees the flag or the notice
    }
    changed_.notify_all();
    if (std::this_thread::get_id() == thread_.get_id()) end_and_sleep();
    std::this_thread::sleep_for(std::chrono::seconds(10));
    std::_Exit(1);
  }

 private:
  struct State {
    bool done = false;
    std::exception_ptr failure;
  };

  [[noreturn]] void end_and_sleep() noexcept {
    end_();
    std::this_thread::sleep_for(std::chrono::seconds(10));
    std::_Exit(1);
  }

  void work() {
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [&] { return ending_.load() || finishing_ || !queue_.empty(); });
      if (ending_.load()) {
        lock.unlock();
        end_and_sleep();
      }
      if (queue_.empty()) return;
      auto [number, job] = std::move(queue_.front());
      queue_.pop_front();
      std::exception_ptr failure = failure_;
      lock.unlock();
      if (!failure) {
        try {
          job();
        } catch (...) {
          failure = std::current_exception();
        }
      }
      job = nullptr;
      lock.lock();
      failure_ = failure;
      states_[number] = {true, failure};
      changed_.notify_all();
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::pair<std::uint64_t, Job>> queue_;
  std::map<std::uint64_t, State> states_;
  std::exception_ptr failure_;
  std::uint64_t next_ = 0;
  bool finishing_ = false;
  std::atomic<bool> ending_{false};
  Job end_;
  std::thread thread_;
};

}  // namespace deconv::dist::detail
