#pragma once
/// Training with many processes on the Cpu by MPI. Link deconv::mpi.

#if __has_include(<mpi.h>)
#ifndef OMPI_SKIP_MPICXX
#define OMPI_SKIP_MPICXX
#endif
#ifndef MPICH_SKIP_MPICXX
#define MPICH_SKIP_MPICXX
#endif
#include <mpi.h>
#else
#error "deconv/dist/mpi.hpp needs MPI (Debian: libopenmpi-dev); link deconv::mpi, which says where it is"
#endif

#include <algorithm>
#include <array>
#include <cstdint>
#include <exception>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "deconv/dist/communicator.hpp"
#include "deconv/dist/job_thread.hpp"

namespace deconv::dist {

namespace detail {

/// Throws CommunicationError, naming the call and MPI's own words, unless it succeeded.
inline void check_mpi(int code, const char* call) {
  if (code == MPI_SUCCESS) return;
  std::array<char, MPI_MAX_ERROR_STRING> words{};
  int length = 0;
  if (MPI_Error_string(code, words.data(), &length) != MPI_SUCCESS) length = 0;
  raise<CommunicationError>(call, ": ", std::string_view(words.data(), static_cast<std::size_t>(length)),
                            " (", code, ")");
}

}  // namespace detail

/// Owns MPI in this process: initialises it, and finalises it in the end. Where the program has done so
/// itself before, nothing is done but to look at the level of thread support. When an exception passes by,
/// the whole run is ended, since MPI_Finalize() would wait for ranks that wait for this one; call
/// abort_on_exception() inside, so that the line printed says why. Make one in main(), and outlive every
/// communicator.
class MpiSession {
 public:
  /// Throws CommunicationError where MPI cannot be initialised or does not allow calls from another thread.
  MpiSession() : exceptions_(std::uncaught_exceptions()) {
    int done = 0, level = 0;
    detail::check_mpi(MPI_Initialized(&done), "MPI_Initialized");
    if (done != 0) {
      detail::check_mpi(MPI_Query_thread(&level), "MPI_Query_thread");
    } else {
      detail::check_mpi(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_SERIALIZED, &level), "MPI_Init_thread");
      owns_ = true;
    }
    if (level < MPI_THREAD_SERIALIZED) {
      if (owns_) MPI_Finalize();
      raise<CommunicationError>("MPI_Init_thread: MPI_THREAD_SERIALIZED (", MPI_THREAD_SERIALIZED,
                                ") is wanted, met level ", level);
    }
  }
  MpiSession(const MpiSession&) = delete;
  MpiSession& operator=(const MpiSession&) = delete;
  ~MpiSession() {
    if (!owns_) return;
    int size = 1;
    if (std::uncaught_exceptions() > exceptions_ && MPI_Comm_size(MPI_COMM_WORLD, &size) == MPI_SUCCESS &&
        size > 1) {
      int rank = 0;
      MPI_Comm_rank(MPI_COMM_WORLD, &rank);
      detail::print_end(rank, "ended by an exception");
      MPI_Abort(MPI_COMM_WORLD, 1);
    }
    MPI_Finalize();
  }

 private:
  friend class MpiCommunicator;
  int exceptions_;
  bool owns_ = false;
  bool has_communicator_ = false;
};

/// The ranks of MPI_COMM_WORLD. One thread makes all calls of MPI, so that sums go on while the caller
/// computes; it sleeps between looks at what is under way instead of taking a core.
///
/// Order: sums are added pairwise, neighbours first, in float: the same bits on every rank and in every run
/// with as many ranks. Bytes of a sum of n floats over R ranks: each rank sends and receives 2 n (R - 1) / R
/// floats (each gets its part from everyone, adds, and gives the sum to everyone), in pieces of 16 MiB.
///
/// Before each operation the ranks compare what they are about to do; where they differ, each throws
/// CommunicationError. A rank that was killed ends the run: the launcher (mpirun) ends the others.
class MpiCommunicator final : public Communicator<Cpu> {
 public:
  using ProcessGroup::broadcast;

  /// One at a time in a session, which must live longer. Waits for all ranks. Throws CommunicationError,
  /// ArgumentError where the session has a communicator already.
  explicit MpiCommunicator(MpiSession& session)
      : session_(&session), exceptions_(std::uncaught_exceptions()) {
    require<ArgumentError>(!session.has_communicator_, "an MPI session has one communicator at a time");
    detail::check_mpi(MPI_Comm_dup(MPI_COMM_WORLD, &world_), "MPI_Comm_dup");
    detail::check_mpi(MPI_Comm_set_errhandler(world_, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
    detail::check_mpi(MPI_Comm_rank(world_, &rank_), "MPI_Comm_rank");
    detail::check_mpi(MPI_Comm_size(world_, &size_), "MPI_Comm_size");
    jobs_.start([] { MPI_Abort(MPI_COMM_WORLD, 1); });
    session.has_communicator_ = true;
  }
  /// Finishes what was begun. When an exception passes by, ends the run as the session does.
  ~MpiCommunicator() override {
    if (size_ > 1 && std::uncaught_exceptions() > exceptions_) abort("ended by an exception");
    jobs_.finish();
    MPI_Comm_free(&world_);
    session_->has_communicator_ = false;
  }

  [[nodiscard]] int rank() const noexcept override { return rank_; }
  [[nodiscard]] int size() const noexcept override { return size_; }

  void sum(std::span<double> values) override {
    const auto count = static_cast<Index>(values.size());
    jobs_.run([&] {
      agree(Kind::sum_doubles, count);
      require<ArgumentError>(count * size_ <= most_elements, "a sum of ", count, " doubles over ", size_,
                             " ranks is too large");
      std::vector<double> all(values.size() * static_cast<std::size_t>(size_));
      complete("MPI_Iallgather", [&](MPI_Request* request) {
        return MPI_Iallgather(values.data(), static_cast<int>(count), MPI_DOUBLE, all.data(),
                              static_cast<int>(count), MPI_DOUBLE, world_, request);
      });
      add_parts(all.data(), values.data(), count);
    });
  }

  void broadcast(std::vector<std::byte>& bytes, int root) override {
    detail::check_root(root, size_);
    jobs_.run([&] {
      agree(Kind::broadcast_bytes, root);
      std::uint64_t length = bytes.size();
      broadcast_bytes(&length, sizeof(length), root);
      bytes.resize(length);
      broadcast_bytes(bytes.data(), bytes.size(), root);
    });
  }

  [[nodiscard]] std::vector<std::vector<std::byte>> gather(std::span<const std::byte> bytes) override {
    std::vector<std::vector<std::byte>> parts;
    jobs_.run([&] {
      agree(Kind::gather, 0);
      const auto ranks = static_cast<std::size_t>(size_);
      const std::uint64_t mine = bytes.size();
      std::vector<std::uint64_t> lengths(ranks);
      complete("MPI_Iallgather", [&](MPI_Request* request) {
        return MPI_Iallgather(&mine, 1, MPI_UINT64_T, lengths.data(), 1, MPI_UINT64_T, world_, request);
      });
      std::vector<int> counts, starts;
      std::uint64_t total = 0;
      for (const std::uint64_t length : lengths) {
        require<ArgumentError>(length <= most_elements && total + length <= most_elements, "gather: at most ",
                               most_elements, " bytes of all ranks together");
        counts.push_back(static_cast<int>(length));
        starts.push_back(static_cast<int>(total));
        total += length;
      }
      std::vector<std::byte> all(rank_ == 0 ? total : 0);
      complete("MPI_Igatherv", [&](MPI_Request* request) {
        return MPI_Igatherv(bytes.data(), static_cast<int>(bytes.size()), MPI_BYTE, all.data(), counts.data(),
                            starts.data(), MPI_BYTE, 0, world_, request);
      });
      if (rank_ != 0) return;
      for (std::size_t r = 0; r < ranks; ++r) {
        const auto* first = all.data() + starts[r];
        parts.emplace_back(first, first + counts[r]);
      }
    });
    return parts;
  }

  void barrier() override {
    jobs_.run([&] { agree(Kind::barrier, 0); });
  }

  /// Prints one line and ends all ranks by MPI_Abort(); does not return.
  void abort(std::string_view reason) noexcept override {
    detail::print_end(rank_, reason);
    jobs_.end_process();
  }

  [[nodiscard]] Ticket begin_sum(const Context<Cpu>&, float* data, Index count) override {
    detail::check_count(count);
    return Ticket{jobs_.begin([this, data, count] { sum_floats(data, count); })};
  }
  void wait(const Context<Cpu>&, Ticket ticket) override { jobs_.wait(static_cast<std::uint64_t>(ticket)); }
  void broadcast(const Context<Cpu>&, float* data, Index count, int root) override {
    detail::check_count(count);
    detail::check_root(root, size_);
    jobs_.run([&] {
      agree(Kind::broadcast_floats, count);
      broadcast_bytes(data, static_cast<std::uint64_t>(count) * sizeof(float), root);
    });
  }

 private:
  enum class Kind : std::int64_t {
    sum_floats,
    sum_doubles,
    broadcast_floats,
    broadcast_bytes,
    gather,
    barrier
  };
  static constexpr Index piece = Index{1} << 22;
  static constexpr std::int64_t most_elements = std::numeric_limits<int>::max();

  [[nodiscard]] static const char* name_of(std::int64_t kind) noexcept {
    switch (static_cast<Kind>(kind)) {
      case Kind::sum_floats:
        return "a sum of floats";
      case Kind::sum_doubles:
        return "a sum of doubles";
      case Kind::broadcast_floats:
        return "a broadcast of floats";
      case Kind::broadcast_bytes:
        return "a broadcast of bytes";
      case Kind::gather:
        return "a gather";
      case Kind::barrier:
        return "a barrier";
    }
    return "?";
  }

  // What follows runs on the communication thread.

  /// Begins a call and looks at it now and then until it is done.
  template <class Begin>
  void complete(const char* call, const Begin& begin) {
    MPI_Request request = MPI_REQUEST_NULL;
    detail::check_mpi(begin(&request), call);
    jobs_.poll([&] {
      int done = 0;
      detail::check_mpi(MPI_Test(&request, &done, MPI_STATUS_IGNORE), call);
      return done != 0;
    });
  }

  /// Returns when all ranks have come, each with the same.
  void agree(Kind kind, Index count) {
    const std::array<std::int64_t, 2> mine{static_cast<std::int64_t>(kind), count};
    std::vector<std::int64_t> all(2 * static_cast<std::size_t>(size_));
    complete("MPI_Iallgather", [&](MPI_Request* request) {
      return MPI_Iallgather(mine.data(), 2, MPI_INT64_T, all.data(), 2, MPI_INT64_T, world_, request);
    });
    for (std::size_t r = 0; r < all.size() / 2; ++r)
      if (all[2 * r] != mine[0] || all[2 * r + 1] != mine[1])
        raise<CommunicationError>("rank ", rank_, " comes for ", name_of(mine[0]), " (", mine[1], "), rank ",
                                  r, " for ", name_of(all[2 * r]), " (", all[2 * r + 1], ")");
  }

  /// dst = the sum of the parts, `count` elements each, one part a rank; changes the parts.
  template <class T>
  void add_parts(T* parts, T* dst, Index count) const {
    constexpr Index block = 4096;  // stays in the first cache while the ranks' parts pass by
    for (Index begin = 0; begin < count; begin += block) {
      const Index end = std::min(begin + block, count);
      detail::add_pairwise(size_, [&](int to, int from) {
        for (Index i = begin; i < end; ++i) parts[to * count + i] += parts[from * count + i];
      });
      std::copy(parts + begin, parts + end, dst + begin);
    }
  }

  void sum_floats(float* data, Index count) {
    agree(Kind::sum_floats, count);
    const auto ranks = static_cast<std::size_t>(size_);
    std::vector<int> counts(ranks), starts(ranks), same(ranks), places(ranks);
    for (Index at = 0; at < count; at += piece) {
      const Index length = std::min(piece, count - at);
      const Shard mine = shard_of(length, rank_, size_);
      for (int r = 0; r < size_; ++r) {
        const Shard shard = shard_of(length, r, size_);
        const auto i = static_cast<std::size_t>(r);
        counts[i] = static_cast<int>(shard.count());
        starts[i] = static_cast<int>(shard.begin);
        same[i] = static_cast<int>(mine.count());
        places[i] = static_cast<int>(mine.count() * r);
      }
      parts_.resize(static_cast<std::size_t>(mine.count()) * ranks);
      complete("MPI_Ialltoallv", [&](MPI_Request* request) {
        return MPI_Ialltoallv(data + at, counts.data(), starts.data(), MPI_FLOAT, parts_.data(), same.data(),
                              places.data(), MPI_FLOAT, world_, request);
      });
      add_parts(parts_.data(), data + at + mine.begin, mine.count());
      complete("MPI_Iallgatherv", [&](MPI_Request* request) {
        return MPI_Iallgatherv(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, data + at, counts.data(), starts.data(),
                               MPI_FLOAT, world_, request);
      });
    }
  }

  void broadcast_bytes(void* data, std::uint64_t length, int root) {
    constexpr std::uint64_t most = std::uint64_t{1} << 30;
    for (std::uint64_t at = 0; at < length; at += most)
      complete("MPI_Ibcast", [&](MPI_Request* request) {
        return MPI_Ibcast(static_cast<std::byte*>(data) + at, static_cast<int>(std::min(most, length - at)),
                          MPI_BYTE, root, world_, request);
      });
  }

  MpiSession* session_;
  int exceptions_;
  MPI_Comm world_ = MPI_COMM_NULL;
  int rank_ = 0, size_ = 1;
  std::vector<float> parts_;  ///< what the other ranks sent
  detail::JobThread jobs_;
};

}  // namespace deconv::dist
