#pragma once

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

#include "deconv/dist/communicator.hpp"

// TCP connections (POSIX) that give up after a time.
namespace deconv::dist::detail {

using Clock = std::chrono::steady_clock;

/// A moment after which nothing is waited for.
class Deadline {
 public:
  explicit Deadline(std::chrono::milliseconds limit) : end_(Clock::now() + limit) {}
  [[nodiscard]] bool over() const { return Clock::now() >= end_; }
  /// For poll(): what is left, rounded up.
  [[nodiscard]] int left_ms() const {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end_ - Clock::now()).count();
    return static_cast<int>(std::clamp<long long>(left, 0, 1 << 30));
  }

 private:
  Clock::time_point end_;
};

[[nodiscard]] inline std::string error_text(int code) { return std::generic_category().message(code); }

/// An open socket; closed in the end. Errors are CommunicationErrors that begin with `peer`.
class Socket {
 public:
  Socket() = default;
  explicit Socket(int handle) : handle_(handle) {}
  Socket(Socket&& other) noexcept : handle_(std::exchange(other.handle_, -1)) {}
  Socket& operator=(Socket&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Socket() {
    if (handle_ >= 0) close(handle_);
  }

  [[nodiscard]] bool open() const noexcept { return handle_ >= 0; }
  [[nodiscard]] int handle() const noexcept { return handle_; }

  void prepare() const {
    const int on = 1;
    fcntl(handle_, F_SETFL, O_NONBLOCK);
    fcntl(handle_, F_SETFD, FD_CLOEXEC);
    setsockopt(handle_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(handle_, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  }
  void send(const void* data, std::size_t bytes, const std::string& peer, const Deadline& deadline) const {
    const auto* at = static_cast<const char*>(data);
    while (bytes > 0) {
      const ssize_t sent = ::send(handle_, at, bytes, MSG_NOSIGNAL);
      if (sent > 0) {
        at += sent;
        bytes -= static_cast<std::size_t>(sent);
      } else {
        wait_or_throw(sent, POLLOUT, peer, deadline);
      }
    }
  }
  void receive(void* data, std::size_t bytes, const std::string& peer, const Deadline& deadline) const {
    auto* at = static_cast<char*>(data);
    while (bytes > 0) {
      const ssize_t got = recv(handle_, at, bytes, 0);
      require<CommunicationError>(got != 0, peer, " has gone: it closed the connection");
      if (got > 0) {
        at += got;
        bytes -= static_cast<std::size_t>(got);
      } else {
        wait_or_throw(got, POLLIN, peer, deadline);
      }
    }
  }
  /// Whether something happens before the deadline.
  [[nodiscard]] bool wait(short what, const Deadline& deadline) const {
    for (;;) {
      pollfd entry{handle_, what, 0};
      const int met = poll(&entry, 1, deadline.left_ms());
      if (met > 0) return true;
      if (met == 0 || errno != EINTR) return false;
      if (deadline.over()) return false;
    }
  }

 private:
  void wait_or_throw(ssize_t result, short what, const std::string& peer, const Deadline& deadline) const {
    const int code = errno;
    if (result < 0 && code == EINTR) return;
    require<CommunicationError>(result >= 0 || code == EAGAIN || code == EWOULDBLOCK, peer,
                                " has gone: ", error_text(code));
    require<CommunicationError>(wait(what, deadline), peer, " does not answer");
  }

  int handle_ = -1;
};

/// The addresses that a name stands for.
class Addresses {
 public:
  Addresses(const char* name, int port, int flags) {
    addrinfo hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = flags | AI_NUMERICSERV;
    problem_ = getaddrinfo(name, std::to_string(port).c_str(), &hints, &first_);
  }
  Addresses(const Addresses&) = delete;
  Addresses& operator=(const Addresses&) = delete;
  ~Addresses() {
    if (problem_ == 0) freeaddrinfo(first_);
  }
  [[nodiscard]] std::string problem() const { return problem_ == 0 ? "" : gai_strerror(problem_); }
  [[nodiscard]] const addrinfo* first() const noexcept { return problem_ == 0 ? first_ : nullptr; }

 private:
  addrinfo* first_ = nullptr;
  int problem_ = 0;
};

/// A connection to address:port; tries again until the deadline, since the other side may be started later.
[[nodiscard]] inline Socket connect_to(const std::string& address, int port, const std::string& peer,
                                       const Deadline& deadline) {
  std::string problem;
  for (;;) {
    const Addresses addresses(address.c_str(), port, 0);
    problem = addresses.problem();
    for (const addrinfo* met = addresses.first(); met != nullptr; met = met->ai_next) {
      Socket socket(::socket(met->ai_family, met->ai_socktype, met->ai_protocol));
      if (!socket.open()) {
        problem = error_text(errno);
        continue;
      }
      socket.prepare();
      int code = connect(socket.handle(), met->ai_addr, met->ai_addrlen) == 0 ? 0 : errno;
      if (code == EINPROGRESS) {
        socklen_t length = sizeof code;
        if (!socket.wait(POLLOUT, deadline))
          code = ETIMEDOUT;
        else if (getsockopt(socket.handle(), SOL_SOCKET, SO_ERROR, &code, &length) != 0)
          code = errno;
      }
      if (code == 0) return socket;
      problem = error_text(code);
    }
    require<CommunicationError>(!deadline.over(), "cannot reach ", peer, " at ", address, ":", port, ": ",
                                problem);
    std::this_thread::sleep_for(std::chrono::milliseconds(std::min(100, deadline.left_ms())));
  }
}

/// A socket that others connect to: only from this machine where the address says so.
[[nodiscard]] inline Socket listen_at(const std::string& address, int port) {
  const bool here = address == "localhost" || address == "::1" || address.rfind("127.", 0) == 0;
  const Addresses addresses(here ? address.c_str() : nullptr, port, AI_PASSIVE);
  std::string problem = addresses.problem();
  // One that hears both kinds of addresses first.
  for (const int family : {AF_INET6, AF_INET})
    for (const addrinfo* met = addresses.first(); met != nullptr; met = met->ai_next) {
      if (met->ai_family != family || (here && family == AF_INET6 && address == "localhost")) continue;
      Socket socket(::socket(met->ai_family, met->ai_socktype, met->ai_protocol));
      if (!socket.open()) {
        problem = error_text(errno);
        continue;
      }
      const int on = 1, off = 0;
      setsockopt(socket.handle(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
      if (family == AF_INET6 && !here)
        setsockopt(socket.handle(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
      socket.prepare();
      if (bind(socket.handle(), met->ai_addr, met->ai_addrlen) == 0 &&
          listen(socket.handle(), SOMAXCONN) == 0)
        return socket;
      problem = error_text(errno);
    }
  raise<CommunicationError>("rank 0 cannot listen at ", address, ":", port, ": ", problem);
}

}  // namespace deconv::dist::detail
