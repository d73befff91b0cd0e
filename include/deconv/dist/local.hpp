#pragma once

#include <algorithm>
#include <condition_variable>
#include <cstdint>
#include <cstring>
#include <exception>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "deconv/core/cuda/runtime.hpp"
#include "deconv/dist/communicator.hpp"

// Communicators inside one process.
namespace deconv::dist {

/// The communicator of one process: every sum is already there.
template <Device D>
class LocalCommunicator final : public Communicator<D> {
 public:
  using Ticket = typename Communicator<D>::Ticket;
  using ProcessGroup::broadcast;

  [[nodiscard]] int rank() const noexcept override { return 0; }
  [[nodiscard]] int size() const noexcept override { return 1; }
  void sum(std::span<double>) override {}
  void broadcast(std::vector<std::byte>&, int root) override { detail::check_root(root, 1); }
  [[nodiscard]] std::vector<std::vector<std::byte>> gather(std::span<const std::byte> bytes) override {
    return {{bytes.begin(), bytes.end()}};
  }
  void barrier() override {}
  /// There is nobody else to end: does nothing.
  void abort(std::string_view) noexcept override {}
  [[nodiscard]] Ticket begin_sum(const Context<D>&, float*, Index count) override {
    detail::check_count(count);
    return Ticket{};
  }
  void wait(const Context<D>&, Ticket) override {}
  void broadcast(const Context<D>&, float*, Index count, int root) override {
    detail::check_count(count);
    detail::check_root(root, 1);
  }
};

namespace detail {

/// Where the ranks of a LocalGroup meet: each puts down its bytes for meeting number k and takes all ranks'.
class MeetingPlace {
 public:
  using Bytes = std::vector<std::byte>;

  explicit MeetingPlace(int size) : size_(static_cast<std::size_t>(size)) {}

  [[nodiscard]] int size() const noexcept { return static_cast<int>(size_); }

  void put(std::uint64_t number, int rank, const char* what, Bytes bytes) {
    const std::lock_guard lock(mutex_);
    throw_if_aborted();
    Meeting& meeting = meetings_[number];
    if (meeting.parts.empty()) {
      meeting.parts.resize(size_);
      meeting.what = what;
    }
    if (std::strcmp(meeting.what, what) != 0) {
      end(message("rank ", rank, " calls ", what, " where another rank calls ", meeting.what));
      throw_if_aborted();
    }
    meeting.parts[static_cast<std::size_t>(rank)] = std::move(bytes);
    if (++meeting.came == size_) arrived_.notify_all();
  }
  /// What every rank put down, in the order of ranks. Waits for all of them.
  [[nodiscard]] std::vector<Bytes> take(std::uint64_t number) {
    std::unique_lock lock(mutex_);
    const auto all_came = [&] { return meetings_.at(number).came == size_; };
    arrived_.wait(lock, [&] { return !aborted_.empty() || all_came() || number >= first_never_; });
    // A meeting that all came to took place, whatever one of them did afterwards.
    if (!all_came()) {
      throw_if_aborted();
      end(message("a rank has ended where another one calls ", meetings_.at(number).what));
      throw_if_aborted();
    }
    const auto found = meetings_.find(number);
    if (++found->second.left < size_) return found->second.parts;
    std::vector<Bytes> parts = std::move(found->second.parts);
    meetings_.erase(found);
    return parts;
  }
  /// Says that a rank comes to no meeting from this number on.
  void leave(std::uint64_t number) {
    const std::lock_guard lock(mutex_);
    first_never_ = std::min(first_never_, number);
    arrived_.notify_all();
  }
  void abort(const std::string& reason) {
    const std::lock_guard lock(mutex_);
    end(reason);
  }
  [[nodiscard]] bool aborted() const {
    const std::lock_guard lock(mutex_);
    return !aborted_.empty();
  }

 private:
  struct Meeting {
    std::vector<Bytes> parts;
    const char* what = "";
    std::size_t came = 0, left = 0;
  };

  void end(const std::string& reason) {
    if (aborted_.empty()) aborted_ = reason;
    arrived_.notify_all();
  }
  void throw_if_aborted() const {
    if (!aborted_.empty()) throw CommunicationError(aborted_);
  }

  mutable std::mutex mutex_;
  std::condition_variable arrived_;
  std::map<std::uint64_t, Meeting> meetings_;
  std::string aborted_;
  std::uint64_t first_never_ = std::numeric_limits<std::uint64_t>::max();
  std::size_t size_;
};

}  // namespace detail

/// Several ranks that are threads of one process, for tests and for one process with several devices' worth
/// of work. Sums are added pairwise, neighbours first, in float. Everything goes through host memory: nothing
/// overlaps.
template <Device D>
class LocalGroup {
 public:
  /// Throws ArgumentError unless 1 <= size <= 1024.
  explicit LocalGroup(int size) {
    require<ArgumentError>(size >= 1 && size <= 1024, "a group has 1 to 1024 ranks, met ", size);
    place_ = std::make_shared<detail::MeetingPlace>(size);
  }

  /// Calls body(communicator) once a rank, each on a thread of its own. When one throws, the others' calls
  /// throw CommunicationError; the first exception goes on once all have ended.
  template <class Body>
  void run(const Body& body) const {
    std::exception_ptr first;
    std::mutex mutex;
    std::vector<std::jthread> threads;
    for (int rank = 0; rank < place_->size(); ++rank)
      threads.emplace_back([&, rank] {
        Member member(place_, rank);
        try {
          body(static_cast<Communicator<D>&>(member));
          member.leave();
        } catch (...) {
          {
            const std::lock_guard lock(mutex);
            if (!first) first = std::current_exception();
          }
          member.abort("left with an exception");
        }
      });
    threads.clear();
    if (first) std::rethrow_exception(first);
  }

 private:
  class Member final : public Communicator<D> {
   public:
    using Ticket = typename Communicator<D>::Ticket;
    using ProcessGroup::broadcast;

    Member(std::shared_ptr<detail::MeetingPlace> place, int rank) : place_(std::move(place)), rank_(rank) {}

    void leave() { place_->leave(next_); }
    [[nodiscard]] int rank() const noexcept override { return rank_; }
    [[nodiscard]] int size() const noexcept override { return place_->size(); }
    void sum(std::span<double> values) override {
      const auto all = exchange("sum of doubles", std::as_bytes(values));
      add(all, values.data(), values.size());
    }
    void broadcast(std::vector<std::byte>& bytes, int root) override {
      detail::check_root(root, size());
      bytes = exchange("broadcast of bytes", bytes)[static_cast<std::size_t>(root)];
    }
    [[nodiscard]] std::vector<std::vector<std::byte>> gather(std::span<const std::byte> bytes) override {
      auto all = exchange("gather", bytes);
      if (rank_ != 0) all.clear();
      return all;
    }
    void barrier() override { (void)exchange("barrier", {}); }
    [[nodiscard]] bool broken() const noexcept override { return place_->aborted(); }
    void abort(std::string_view reason) noexcept override {
      try {
        place_->abort(message("rank ", rank_, ": ", reason));
      } catch (...) {  // out of memory: the message is lost, not the end
        place_->abort("aborted");
      }
    }
    [[nodiscard]] Ticket begin_sum(const Context<D>& context, float* data, Index count) override {
      detail::check_count(count);
      const std::uint64_t number = next_++;
      place_->put(number, rank_, "sum", on_host(context, data, count));
      under_way_[number] = {data, static_cast<std::size_t>(count)};
      return Ticket{number};
    }
    void wait(const Context<D>& context, Ticket ticket) override {
      const auto number = static_cast<std::uint64_t>(ticket);
      const auto found = under_way_.find(number);
      require<ArgumentError>(found != under_way_.end(), "wait: no such sum is under way");
      const auto [data, count] = found->second;
      under_way_.erase(found);
      std::vector<float> total(count);
      add(place_->take(number), total.data(), count);
      to_device(context, data, total);
    }
    void broadcast(const Context<D>& context, float* data, Index count, int root) override {
      detail::check_count(count);
      detail::check_root(root, size());
      const auto all = exchange("broadcast", on_host(context, data, count));
      const auto& part = all[static_cast<std::size_t>(root)];
      check_size(part.size(), static_cast<std::size_t>(count) * sizeof(float));
      std::vector<float> values(static_cast<std::size_t>(count));
      if (count > 0) std::memcpy(values.data(), part.data(), part.size());
      to_device(context, data, values);
    }

   private:
    std::vector<std::vector<std::byte>> exchange(const char* what, std::span<const std::byte> bytes) {
      const std::uint64_t number = next_++;
      place_->put(number, rank_, what, {bytes.begin(), bytes.end()});
      return place_->take(number);
    }
    void check_size(std::size_t met, std::size_t wanted) const {
      require<CommunicationError>(met == wanted, "rank ", rank_, " has ", wanted, " bytes, another rank ",
                                  met);
    }
    template <class T>
    void add(const std::vector<std::vector<std::byte>>& all, T* total, std::size_t count) const {
      for (const auto& part : all) check_size(part.size(), count * sizeof(T));
      std::vector<T> parts(all.size());
      for (std::size_t i = 0; i < count; ++i) {
        for (std::size_t r = 0; r < all.size(); ++r)
          std::memcpy(&parts[r], all[r].data() + i * sizeof(T), sizeof(T));
        detail::add_pairwise(static_cast<int>(parts.size()), [&](int to, int from) {
          parts[static_cast<std::size_t>(to)] += parts[static_cast<std::size_t>(from)];
        });
        total[i] = parts[0];
      }
    }
    static std::vector<std::byte> on_host(const Context<D>& context, const float* data, Index count) {
      std::vector<std::byte> bytes(static_cast<std::size_t>(count) * sizeof(float));
      if (bytes.empty()) return bytes;
      if constexpr (std::same_as<D, Cpu>) {
        std::memcpy(bytes.data(), data, bytes.size());
      } else {
        cuda::copy_to_host(context.device(), context.stream(), bytes.data(), data, bytes.size());
        context.synchronise();
      }
      return bytes;
    }
    static void to_device(const Context<D>& context, float* data, const std::vector<float>& values) {
      if (values.empty()) return;
      if constexpr (std::same_as<D, Cpu>)
        std::copy(values.begin(), values.end(), data);
      else
        cuda::copy_to_device(context.device(), context.stream(), data, values.data(),
                             values.size() * sizeof(float));
    }

    std::shared_ptr<detail::MeetingPlace> place_;
    int rank_;
    std::uint64_t next_ = 0;
    std::map<std::uint64_t, std::pair<float*, std::size_t>> under_way_;
  };

  std::shared_ptr<detail::MeetingPlace> place_;
};

}  // namespace deconv::dist
