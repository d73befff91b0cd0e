#pragma once
/// One job of a program that bench/compare.py runs: timed, and printed as it wants.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

namespace deconv::bench {

struct Job {
  std::string name;
  double flops, bytes;
  std::function<void()> work;
};

/// One JSON object on stdout, a line for people on stderr.
inline void measure(const Job& job, int repeat) {
  using Clock = std::chrono::steady_clock;
  for (int i = 0; i < 2; ++i) job.work();
  std::vector<double> samples;
  for (int i = 0; i < repeat; ++i) {
    const auto begin = Clock::now();
    job.work();
    samples.push_back(std::chrono::duration<double, std::milli>(Clock::now() - begin).count());
  }
  auto sorted = samples;
  std::sort(sorted.begin(), sorted.end());
  const double median = sorted[sorted.size() / 2];
  std::printf(
      R"({"name": "%s", "median_ms": %.4f, "min_ms": %.4f, "flops": %.0f, "bytes": %.0f, "samples_ms": [)",
      job.name.c_str(), median, sorted.front(), job.flops, job.bytes);
  for (std::size_t i = 0; i < samples.size(); ++i) std::printf("%s%.4f", i ? ", " : "", samples[i]);
  std::printf("]}\n");
  std::fflush(stdout);
  std::fprintf(stderr, "%-22s %9.2f ms  %7.1f GFLOP/s  %6.1f GB/s\n", job.name.c_str(), median,
               job.flops / median / 1e6, job.bytes / median / 1e6);
}

/// --threads N and --repeat N, what such programs take. Ends the program for anything else.
struct Arguments {
  int threads, repeat = 9;

  Arguments(int argc, char** argv, int default_count) : threads(default_count) {
    for (int i = 1; i + 1 < argc; i += 2)
      if (std::strcmp(argv[i], "--threads") == 0)
        threads = std::atoi(argv[i + 1]);
      else if (std::strcmp(argv[i], "--repeat") == 0)
        repeat = std::max(1, std::atoi(argv[i + 1]));
      else
        std::exit((std::fprintf(stderr, "unknown option %s\n", argv[i]), 2));
  }
};

}  // namespace deconv::bench
