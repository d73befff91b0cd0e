/// Runs of several processes under mpirun (tests/dist/ranks): what they compute, and how they end.

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <iostream>
#include <stdexcept>
#include <string>

#include "deconv/core/error.hpp"
#include "support/catch.hpp"

namespace {

#if defined(DECONV_MPI_RANKS)

using deconv::message;
using deconv::test::Contains;

struct Ended {
  int status = 0;  ///< mpirun's own; 124: it was still there when the time was over
  double seconds = 0;
  std::string output;  ///< standard output and error of all processes
};

/// Open MPI refuses to run as root, and more processes than cores, unless told so; other MPIs do not look at
/// these variables.
Ended run(int processes, const std::string& scenario, int limit = 120) {
  const std::string command = message(
      "exec env OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 "
      "OMPI_MCA_rmaps_base_oversubscribe=1 "
      "OMPI_MCA_btl_vader_single_copy_mechanism=none ",
      "OMP_NUM_THREADS=1 TMPDIR=/tmp timeout -k 5 ", limit, " ", DECONV_MPIEXEC, " -n ", processes, " ",
      DECONV_MPI_RANKS, " ", scenario, " 2>&1 </dev/null");
  const auto start = std::chrono::steady_clock::now();
  FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) throw std::runtime_error("popen failed");
  Ended ended;
  std::array<char, 4096> block{};
  while (const std::size_t got = fread(block.data(), 1, block.size(), pipe))
    ended.output.append(block.data(), got);
  const int status = pclose(pipe);
  ended.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128;
  ended.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return ended;
}

int lines_with(const std::string& text, const std::string& line) {
  int count = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    if (text.substr(at, end - at) == line) ++count;
    at = end + 1;
  }
  return count;
}

TEST_CASE("processes compute together what they should") {
  for (const int processes : {1, 2, 3})
    for (const char* scenario : {"sums", "host", "buckets"}) {
      CAPTURE(processes, scenario);
      const Ended ended = run(processes, scenario);
      CAPTURE(ended.output);
      CHECK(ended.status == 0);
      CHECK(lines_with(ended.output, "ok") == processes);
    }
}

TEST_CASE("an exception in one process ends all, with its message on one line") {
  for (const int processes : {2, 3}) {
    const Ended ended = run(processes, "exception", 60);
    CAPTURE(processes, ended.output, ended.seconds);
    CHECK(ended.status != 0);
    CHECK(ended.status != 124);
    CHECK(lines_with(ended.output, "deconv: rank 1: the disk is full") == 1);
    CHECK(lines_with(ended.output, "ok") == 0);
  }
}

TEST_CASE("an exception that nobody reports ends all the same") {
  const Ended ended = run(2, "unwinding", 60);
  CAPTURE(ended.output, ended.seconds);
  CHECK(ended.status != 0);
  CHECK(ended.status != 124);
  CHECK(lines_with(ended.output, "deconv: rank 1: ended by an exception") == 1);
}

TEST_CASE("a killed process ends the run within seconds") {
  for (const int processes : {2, 3}) {
    const Ended ended = run(processes, "killed", 60);
    CAPTURE(processes, ended.output, ended.seconds);
    CHECK(ended.status != 0);
    CHECK(ended.status != 124);
    CHECK(lines_with(ended.output, "ok") == 0);
    CHECK(ended.seconds < 30);
  }
}

TEST_CASE("processes that do different things are told so") {
  const Ended ended = run(2, "differing", 60);
  CAPTURE(ended.output);
  CHECK(ended.status != 0);
  CHECK(ended.status != 124);
  CHECK_THAT(ended.output, Contains("a sum of floats (8)") && Contains("a sum of floats (7)"));
}

#else

TEST_CASE("runs under mpirun") {
  std::cerr << "runs of several processes are not tested: this build has no MPI (DECONV_MPI)\n";
}

#endif

}  // namespace
