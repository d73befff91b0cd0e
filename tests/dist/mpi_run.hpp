#pragma once
/// Runs tests/dist/ranks under mpirun.

#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <stdexcept>
#include <string>

#include "deconv/core/error.hpp"

#if defined(DECONV_MPI_RANKS)
namespace deconv::test {

struct MpiRun {
  int status = 0;  ///< mpirun's own; 124: it was still there when the time was over
  double seconds = 0;
  std::string output;  ///< standard output and error of all processes
};

/// `limit` in seconds. Open MPI refuses to run as root, and more processes than cores, unless told so; other
/// MPIs do not look at these variables.
inline MpiRun run_ranks(int processes, const std::string& scenario, int limit = 120) {
  const std::string command = message(
      "exec env OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 "
      "OMPI_MCA_rmaps_base_oversubscribe=1 "
      "OMPI_MCA_btl_vader_single_copy_mechanism=none OMP_NUM_THREADS=1 TMPDIR=/tmp timeout -k 5 ",
      limit, " ", DECONV_MPIEXEC, " -n ", processes, " ", DECONV_MPI_RANKS, " ", scenario,
      " 2>&1 </dev/null");
  const auto start = std::chrono::steady_clock::now();
  FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) throw std::runtime_error("popen failed");
  MpiRun ended;
  std::array<char, 4096> block{};
  while (const std::size_t got = fread(block.data(), 1, block.size(), pipe))
    ended.output.append(block.data(), got);
  const int status = pclose(pipe);
  ended.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128;
  ended.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return ended;
}

}  // namespace deconv::test
#endif
