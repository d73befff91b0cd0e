#pragma once

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "deconv/dist/communicator.hpp"
#include "deconv/dist/environment.hpp"
#include "deconv/dist/job_thread.hpp"
#include "deconv/dist/socket.hpp"

namespace deconv::dist {

/// How long others are waited for.
struct TcpLimits {
  std::chrono::milliseconds to_connect = std::chrono::minutes(2);  ///< until all ranks have been started
  std::chrono::milliseconds to_answer = std::chrono::minutes(30);  ///< from the first to the last in a call
};

/// The port that a run's processes meet at: the one behind MASTER_PORT, which torchrun itself listens at.
[[nodiscard]] inline int meeting_port(int master_port) noexcept {
  return master_port < 65535 ? master_port + 1 : master_port - 1;
}

/// Processes that were started without MPI (torchrun, srun) and tell each other small things over TCP, all
/// through rank 0. What goes over the network is neither encrypted nor protected: use it inside a machine or
/// a cluster, as the launchers' own exchanges. Sums are added in the order of ranks. A process that has died
/// is noticed when its connection closes; one that hangs, when TcpLimits::to_answer is over.
class TcpGroup final : public ProcessGroup {
 public:
  /// Rank 0 listens at the port, the others connect to address:port. Returns when all are there. Throws
  /// CommunicationError, saying who is missing; ArgumentError for no such rank or port.
  TcpGroup(int rank, int size, const std::string& address, int port, TcpLimits limits = {})
      : rank_(rank), size_(size), limits_(limits) {
    require<ArgumentError>(size >= 1 && rank >= 0 && rank < size, "rank ", rank, " of ", size, " processes");
    require<ArgumentError>(port >= 1 && port <= 65535, "a port is 1 to 65535, met ", port);
    if (size == 1) return;
    const detail::Deadline deadline(limits.to_connect);
    if (rank == 0)
      accept_all(address, port, deadline);
    else
      connect(address, port, deadline);
  }
  /// As the environment says: at MASTER_ADDR and meeting_port(MASTER_PORT). Throws ArgumentError where there
  /// are several processes and those are not set.
  explicit TcpGroup(const Environment& environment, TcpLimits limits = {})
      : TcpGroup(environment.rank, environment.size, checked(environment).master_address,
                 environment.size == 1 ? 1 : meeting_port(environment.master_port), limits) {}

  [[nodiscard]] int rank() const noexcept override { return rank_; }
  [[nodiscard]] int size() const noexcept override { return size_; }

  void sum(std::span<double> values) override {
    const Bytes total = exchange(Kind::sum, std::as_bytes(values), [&](const std::vector<Bytes>& all) {
      std::vector<double> added(values.size());
      for (std::size_t r = 0; r < all.size(); ++r) {
        require<CommunicationError>(all[r].size() == values.size_bytes(), "a sum of ", values.size(),
                                    " doubles: rank ", r, " has ", all[r].size() / sizeof(double));
        for (std::size_t i = 0; i < added.size(); ++i) {
          double value;
          std::memcpy(&value, all[r].data() + i * sizeof value, sizeof value);
          added[i] = r == 0 ? value : added[i] + value;
        }
      }
      const auto bytes = std::as_bytes(std::span<const double>(added));
      return Bytes(bytes.begin(), bytes.end());
    });
    if (!values.empty()) std::memcpy(values.data(), total.data(), total.size());
  }
  void broadcast(std::vector<std::byte>& bytes, int root) override {
    detail::check_root(root, size_);
    const bool mine = rank_ == root;
    bytes = exchange(Kind::broadcast, mine ? std::span<const std::byte>(bytes) : std::span<const std::byte>(),
                     [&](std::vector<Bytes>& all) { return std::move(all[static_cast<std::size_t>(root)]); });
  }
  [[nodiscard]] std::vector<std::vector<std::byte>> gather(std::span<const std::byte> bytes) override {
    std::vector<Bytes> parts;
    (void)exchange(Kind::gather, bytes, [&](std::vector<Bytes>& all) {
      parts = std::move(all);
      return Bytes();
    });
    return parts;
  }
  void barrier() override {
    (void)exchange(Kind::barrier, {}, [](const std::vector<Bytes>&) { return Bytes(); });
  }
  /// Looks at the connections; reads nothing from them.
  [[nodiscard]] bool broken() const noexcept override {
    for (const detail::Socket& peer : peers_) {
      if (!peer.open()) continue;
      Head head;
      const ssize_t met = recv(peer.handle(), &head, sizeof head, MSG_PEEK | MSG_DONTWAIT);
      if (met == 0 || (met < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)) return true;
      if (met == sizeof head && head.kind == static_cast<std::uint32_t>(Kind::failure)) return true;
    }
    return false;
  }
  /// Prints one line, tells the others and ends this process. The others' next call, or the one that they
  /// wait in, throws.
  void abort(std::string_view reason) noexcept override {
    detail::print_end(rank_, reason);
    try {
      tell_all(message("rank ", rank_, ": ", reason));
    } catch (...) {  // whom it did not reach sees the connection close
    }
    std::_Exit(1);
  }

 private:
  using Bytes = std::vector<std::byte>;
  enum class Kind : std::uint32_t { sum = 1, broadcast, gather, barrier, failure };
  static constexpr std::uint64_t most_bytes = std::uint64_t{1} << 30;

  /// What a connection begins with, and what stands before each message.
  struct Hello {
    std::array<char, 8> name{'d', 'e', 'c', 'o', 'n', 'v', 0, 1};
    std::int32_t size = 0, rank = 0;
  };
  struct Head {
    std::uint32_t kind = 0, unused = 0;
    std::uint64_t bytes = 0;
  };

  static const Environment& checked(const Environment& environment) {
    require<ArgumentError>(environment.size == 1 || !environment.master_address.empty(),
                           "environment variable MASTER_ADDR is wanted with ", environment.size,
                           " processes that ", name_of(environment.launcher), " started, met nothing");
    require<ArgumentError>(environment.size == 1 || environment.master_port != 0,
                           "environment variable MASTER_PORT is wanted with ", environment.size,
                           " processes that ", name_of(environment.launcher), " started, met nothing");
    return environment;
  }
  [[nodiscard]] static const char* name_of_kind(std::uint32_t kind) noexcept {
    switch (static_cast<Kind>(kind)) {
      case Kind::sum:
        return "a sum";
      case Kind::broadcast:
        return "a broadcast";
      case Kind::gather:
        return "a gather";
      case Kind::barrier:
        return "a barrier";
      case Kind::failure:
        return "the end";
    }
    return "something unknown";
  }

  void accept_all(const std::string& address, int port, const detail::Deadline& deadline) {
    peers_.resize(static_cast<std::size_t>(size_));
    const detail::Socket door = detail::listen_at(address, port);
    for (int missing = size_ - 1; missing > 0;) {
      if (!door.wait(POLLIN, deadline)) {
        std::string ranks;
        for (int r = 1; r < size_; ++r)
          if (!peers_[static_cast<std::size_t>(r)].open()) ranks += message(ranks.empty() ? "" : ", ", r);
        raise<CommunicationError>("rank 0 waits at ", address, ":", port, " for ", size_ - 1,
                                  " other processes; these ranks did not come in time: ", ranks);
      }
      detail::Socket peer(accept(door.handle(), nullptr, nullptr));
      if (!peer.open()) continue;  // it went away again
      peer.prepare();
      Hello hello, wanted;
      try {
        peer.receive(&hello, sizeof hello, "a process", detail::Deadline(std::chrono::seconds(5)));
      } catch (const CommunicationError&) {
        continue;  // whoever that was
      }
      if (hello.name != wanted.name) continue;
      require<CommunicationError>(hello.size == size_, "rank ", hello.rank, " belongs to a run of ",
                                  hello.size, " processes, rank 0 to one of ", size_);
      require<CommunicationError>(hello.rank >= 1 && hello.rank < size_, "a process says that it is rank ",
                                  hello.rank, " of ", size_);
      auto& place = peers_[static_cast<std::size_t>(hello.rank)];
      require<CommunicationError>(!place.open(), "two processes say that they are rank ", hello.rank);
      place = std::move(peer);
      --missing;
    }
    for (int r = 1; r < size_; ++r) send(r, Kind::barrier, {});
  }
  void connect(const std::string& address, int port, const detail::Deadline& deadline) {
    peers_.push_back(detail::connect_to(address, port, "rank 0", deadline));
    const Hello hello{.size = size_, .rank = rank_};
    peers_[0].send(&hello, sizeof hello, "rank 0", deadline);
    Bytes nothing;
    receive(0, nothing, deadline);
  }

  void send(int peer, Kind kind, std::span<const std::byte> bytes) {
    require<ArgumentError>(bytes.size() <= most_bytes, "at most ", most_bytes, " bytes at a time, met ",
                           bytes.size());
    const detail::Deadline deadline(limits_.to_answer);
    const Head head{static_cast<std::uint32_t>(kind), 0, bytes.size()};
    const auto& socket = peers_[static_cast<std::size_t>(peer)];
    const std::string name = message("rank ", peer);
    socket.send(&head, sizeof head, name, deadline);
    socket.send(bytes.data(), bytes.size(), name, deadline);
  }
  /// Returns the kind of the message; throws what a rank that failed tells.
  Kind receive(int peer, Bytes& bytes, const detail::Deadline& deadline) {
    const auto& socket = peers_[static_cast<std::size_t>(peer)];
    const std::string name = message("rank ", peer);
    Head head;
    socket.receive(&head, sizeof head, name, deadline);
    require<CommunicationError>(head.bytes <= most_bytes, name, " sends ", head.bytes, " bytes");
    bytes.resize(head.bytes);
    socket.receive(bytes.data(), bytes.size(), name, deadline);
    if (head.kind == static_cast<std::uint32_t>(Kind::failure)) throw CommunicationError(to_text(bytes));
    return static_cast<Kind>(head.kind);
  }
  void tell_all(const std::string& failure) {
    const auto bytes = to_bytes(failure);
    for (std::size_t peer = 0; peer < peers_.size(); ++peer) {
      if (!peers_[peer].open()) continue;
      try {
        send(static_cast<int>(peer), Kind::failure, bytes);
      } catch (const CommunicationError&) {  // that one has gone as well
      }
    }
  }

  /// Rank 0 gets all ranks' bytes, makes the answer of them, and everyone gets it.
  template <class Answer>
  Bytes exchange(Kind kind, std::span<const std::byte> bytes, const Answer& answer) {
    std::vector<Bytes> all(static_cast<std::size_t>(size_));
    if (rank_ != 0) {
      send(0, kind, bytes);
      receive(0, all[0], detail::Deadline(limits_.to_answer));
      return std::move(all[0]);
    }
    try {
      all[0].assign(bytes.begin(), bytes.end());
      const detail::Deadline deadline(limits_.to_answer);
      for (int r = 1; r < size_; ++r) {
        const Kind met = receive(r, all[static_cast<std::size_t>(r)], deadline);
        require<CommunicationError>(met == kind, "rank 0 comes for ",
                                    name_of_kind(static_cast<std::uint32_t>(kind)), ", rank ", r, " for ",
                                    name_of_kind(static_cast<std::uint32_t>(met)));
      }
      Bytes result = answer(all);
      for (int r = 1; r < size_; ++r) send(r, kind, result);
      return result;
    } catch (const Error& problem) {
      tell_all(problem.what());
      throw;
    }
  }

  int rank_, size_;
  TcpLimits limits_;
  std::vector<detail::Socket> peers_;  ///< of rank 0: by rank, its own closed; of others: rank 0
};

}  // namespace deconv::dist
