#include "deconv/dist/tcp.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <functional>
#include <future>
#include <string>
#include <thread>

#include "support/catch.hpp"

namespace {

using namespace deconv;
using namespace deconv::dist;
using deconv::test::Contains;
using namespace std::chrono_literals;

/// A port that was free a moment ago.
int free_port() {
  const dist::detail::Socket socket(::socket(AF_INET, SOCK_STREAM, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  REQUIRE(bind(socket.handle(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  REQUIRE(getsockname(socket.handle(), reinterpret_cast<sockaddr*>(&address), &length) == 0);
  return ntohs(address.sin_port);
}

constexpr TcpLimits limits{20s, 20s};

/// Each rank on a thread; what each of them threw, "" for nothing.
std::vector<std::string> ranks(int size, const std::function<void(TcpGroup&)>& body) {
  const int port = free_port();
  std::vector<std::future<std::string>> said;
  for (int rank = 0; rank < size; ++rank)
    said.push_back(std::async(std::launch::async, [&, rank]() -> std::string {
      try {
        // The last ranks first, so that they have to wait for rank 0.
        std::this_thread::sleep_for(std::chrono::milliseconds(30 * (size - rank)));
        TcpGroup group(rank, size, "127.0.0.1", port, limits);
        body(group);
      } catch (const std::exception& error) {
        return error.what();
      }
      return "";
    }));
  std::vector<std::string> all;
  for (auto& one : said) all.push_back(one.get());
  return all;
}

}  // namespace

TEST_CASE("processes add, broadcast and gather over TCP") {
  for (const int size : {1, 2, 5}) {
    const auto said = ranks(size, [&](TcpGroup& group) {
      const int rank = group.rank();
      std::vector<double> values{rank == 0 ? 1e16 : rank == 1 ? 1.0 : -1e16, 1.0};
      group.sum(values);
      double wanted = 1e16;
      for (int r = 1; r < size; ++r) wanted += r == 1 ? 1.0 : -1e16;
      require<Error>(values[0] == wanted && values[1] == size, "sum");
      group.sum({});
      for (int root = 0; root < size; ++root) {
        auto bytes =
            to_bytes(std::string(static_cast<std::size_t>(100000 * rank), static_cast<char>('a' + rank)));
        group.broadcast(bytes, root);
        require<Error>(to_text(bytes) == std::string(static_cast<std::size_t>(100000 * root),
                                                     static_cast<char>('a' + root)),
                       "broadcast");
      }
      const auto all = group.gather(to_bytes(std::string(static_cast<std::size_t>(rank), 'x')));
      require<Error>(all.size() == (rank == 0 ? static_cast<std::size_t>(size) : 0), "gather");
      for (std::size_t r = 0; r < all.size(); ++r) require<Error>(all[r].size() == r, "gathered bytes");
      for (int i = 0; i < 100; ++i) group.barrier();
    });
    for (const auto& one : said) CHECK(one == "");
  }
}

TEST_CASE("processes that do different things over TCP are told so") {
  const auto said = ranks(3, [](TcpGroup& group) {
    std::vector<double> value(1);
    if (group.rank() == 2)
      group.barrier();
    else
      group.sum(value);
  });
  for (const auto& one : said) CHECK(one == "rank 0 comes for a sum, rank 2 for a barrier");
  const auto counts = ranks(2, [](TcpGroup& group) {
    std::vector<double> values(group.rank() == 0 ? 1 : 3);
    group.sum(values);
  });
  for (const auto& one : counts) CHECK(one == "a sum of 1 doubles: rank 1 has 3");
}

TEST_CASE("a process that leaves is noticed by the others") {
  const auto said = ranks(3, [](TcpGroup& group) {
    if (group.rank() == 1) return;
    if (group.rank() == 0) {
      // It sees so without asking, sooner or later.
      const dist::detail::Deadline deadline(limits.to_answer);
      while (!group.broken()) require<Error>(!deadline.over(), "nothing is seen");
    }
    group.barrier();
    throw Error("the barrier was passed");
  });
  CHECK_THAT(said[0], Contains("rank 1 has gone"));
  CHECK(said[1] == "");
  CHECK_THAT(said[2], Contains("rank 1 has gone"));
}

TEST_CASE("abort ends a process, and the others learn why") {
  const int port = free_port();
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    std::freopen("/dev/null", "w", stderr);
    TcpGroup group(1, 2, "127.0.0.1", port, limits);
    abort_on_exception(group, [] { throw IoError("the disk is full"); });
    std::_Exit(0);
  }
  std::string said;
  try {
    TcpGroup group(0, 2, "127.0.0.1", port, limits);
    group.barrier();
  } catch (const CommunicationError& error) {
    said = error.what();
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(said == "rank 1: the disk is full");
  CHECK((WIFEXITED(status) && WEXITSTATUS(status) == 1));
}

TEST_CASE("a process that hangs is not waited for without end") {
  const auto begin = dist::detail::Clock::now();
  const int port = free_port();
  auto hung = std::async(std::launch::async, [&] {
    TcpGroup group(1, 2, "127.0.0.1", port, limits);
    std::this_thread::sleep_for(1500ms);
  });
  TcpGroup group(0, 2, "127.0.0.1", port, {20s, 300ms});
  CHECK_THROWS_WITH(group.barrier(), "rank 1 does not answer");
  hung.get();
  CHECK(dist::detail::Clock::now() - begin < 15s);
}

TEST_CASE("who does not come in time is named") {
  const int port = free_port();
  CHECK_THROWS_WITH(TcpGroup(0, 3, "127.0.0.1", port, {200ms, 20s}),
                    Contains("these ranks did not come in time: 1, 2"));
  CHECK_THROWS_WITH(TcpGroup(1, 3, "127.0.0.1", port, {200ms, 20s}),
                    Contains(message("cannot reach rank 0 at 127.0.0.1:", port)));
  CHECK_THROWS_WITH(TcpGroup(1, 2, "no.such.machine.invalid", port, {200ms, 20s}),
                    Contains("no.such.machine.invalid"));
  CHECK_THROWS_AS(TcpGroup(2, 2, "127.0.0.1", port, limits), ArgumentError);
  CHECK_THROWS_AS(TcpGroup(0, 2, "127.0.0.1", 0, limits), ArgumentError);
}

TEST_CASE("strangers at the port are sent away, and ranks that contradict are errors") {
  const int port = free_port();
  auto zero = std::async(std::launch::async, [&]() -> std::string {
    try {
      TcpGroup group(0, 2, "127.0.0.1", port, limits);
      group.barrier();
    } catch (const CommunicationError& error) {
      return error.what();
    }
    return "";
  });
  {
    const dist::detail::Deadline deadline(10s);
    const auto stranger = dist::detail::connect_to("127.0.0.1", port, "rank 0", deadline);
    const std::string rubbish = "GET / HTTP/1.1\r\n\r\n";
    stranger.send(rubbish.data(), rubbish.size(), "rank 0", deadline);
    TcpGroup group(1, 2, "127.0.0.1", port, limits);
    CHECK_FALSE(group.broken());
    group.barrier();
  }
  CHECK(zero.get() == "");

  const int other = free_port();
  auto alone = std::async(std::launch::async, [&]() -> std::string {
    try {
      TcpGroup group(0, 2, "127.0.0.1", other, limits);
    } catch (const CommunicationError& error) {
      return error.what();
    }
    return "";
  });
  CHECK_THROWS_AS(TcpGroup(1, 3, "127.0.0.1", other, limits), CommunicationError);
  CHECK(alone.get() == "rank 1 belongs to a run of 3 processes, rank 0 to one of 2");
}

TEST_CASE("a group as the environment says") {
  Environment environment;
  CHECK(TcpGroup(environment).size() == 1);
  environment.launcher = Launcher::slurm;
  environment.size = 2;
  CHECK_THROWS_WITH(TcpGroup(environment),
                    Contains("MASTER_ADDR is wanted with 2 processes that Slurm started"));
  environment.master_address = "127.0.0.1";
  CHECK_THROWS_WITH(TcpGroup(environment), Contains("MASTER_PORT is wanted"));
  CHECK(meeting_port(29500) == 29501);
  CHECK(meeting_port(65535) == 65534);
}
