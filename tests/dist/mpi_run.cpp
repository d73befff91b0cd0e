/// Runs of several processes under mpirun (tests/dist/ranks): what they compute, and how they end.

#include "mpi_run.hpp"

#include <algorithm>
#include <iostream>
#include <string>

#include "support/catch.hpp"

namespace {

#if defined(DECONV_MPI_RANKS)

using deconv::test::Contains;
using Ended = deconv::test::MpiRun;
using deconv::test::run_ranks;

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
      const Ended ended = run_ranks(processes, scenario);
      CAPTURE(ended.output);
      CHECK(ended.status == 0);
      CHECK(lines_with(ended.output, "ok") == processes);
    }
}

TEST_CASE("an exception in one process ends all, with its message on one line") {
  for (const int processes : {2, 3}) {
    const Ended ended = run_ranks(processes, "exception", 60);
    CAPTURE(processes, ended.output, ended.seconds);
    CHECK(ended.status != 0);
    CHECK(ended.status != 124);
    CHECK(lines_with(ended.output, "deconv: rank 1: the disk is full") == 1);
    CHECK(lines_with(ended.output, "ok") == 0);
  }
}

TEST_CASE("an exception that nobody reports ends all the same") {
  const Ended ended = run_ranks(2, "unwinding", 60);
  CAPTURE(ended.output, ended.seconds);
  CHECK(ended.status != 0);
  CHECK(ended.status != 124);
  CHECK(lines_with(ended.output, "deconv: rank 1: ended by an exception") == 1);
}

TEST_CASE("a killed process ends the run within seconds") {
  for (const int processes : {2, 3}) {
    const Ended ended = run_ranks(processes, "killed", 60);
    CAPTURE(processes, ended.output, ended.seconds);
    CHECK(ended.status != 0);
    CHECK(ended.status != 124);
    CHECK(lines_with(ended.output, "ok") == 0);
    CHECK(ended.seconds < 30);
  }
}

TEST_CASE("processes that do different things are told so") {
  const Ended ended = run_ranks(2, "differing", 60);
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
