#pragma once
/// Measuring ops that move memory: each against a copy of as many bytes, made by all threads in the same run.
/// Every repetition takes another set of buffers, so that what is timed comes from memory and not from a hot
/// cache.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "deconv/core/context.hpp"
#include "deconv/core/parallel.hpp"

namespace deconv::bench {

/// Median of the seconds that body(repetition) takes, after two repetitions that are not counted.
inline double median_seconds(int repetitions, const std::function<void(int)>& body) {
  std::vector<double> seconds;
  for (int i = 0; i < repetitions + 2; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    body(i);
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begin;
    if (i >= 2) seconds.push_back(taken.count());
  }
  std::nth_element(seconds.begin(), seconds.begin() + static_cast<std::ptrdiff_t>(seconds.size() / 2),
                   seconds.end());
  return seconds[seconds.size() / 2];
}

/// How many sets of `bytes` bytes do not fit into any cache together.
inline int sets_for(double bytes) { return static_cast<int>(std::clamp(256e6 / bytes, 1.0, 64.0)) + 1; }

/// Copies that read and write `bytes` bytes in all; the machine's roof for ops that do the same.
class CopyRoof {
 public:
  CopyRoof(const Context<Cpu>& context, double bytes) : context_(context), sets_(sets_for(bytes)) {
    const Shape half{static_cast<Index>(bytes / 2)};
    for (int i = 0; i < sets_; ++i) {
      from_.push_back(context.make<std::uint8_t>(half));
      to_.push_back(context.make<std::uint8_t>(half));
      std::memset(from_.back().data(), 1, from_.back().bytes());
      std::memset(to_.back().data(), 1, to_.back().bytes());
    }
  }
  void operator()(int repetition) {
    auto& from = from_[static_cast<std::size_t>(repetition % sets_)];
    auto& to = to_[static_cast<std::size_t>(repetition % sets_)];
    parallel_ranges(context_, from.count(), 1 << 16, [&](Index begin, Index end) {
      std::memcpy(to.data() + begin, from.data() + begin, static_cast<std::size_t>(end - begin));
    });
  }

 private:
  const Context<Cpu>& context_;
  int sets_;
  std::vector<Tensor<std::uint8_t, Cpu>> from_, to_;
};

/// Times an op and the copy in turns and prints one line: the op's bytes a second, and its share of the
/// copy's.
inline void report(const Context<Cpu>& context, const std::string& name, double bytes,
                   const std::function<void(int)>& op) {
  constexpr int rounds = 3, repetitions = 7;
  CopyRoof copy(context, bytes);
  std::vector<double> op_seconds, copy_seconds;
  for (int round = 0; round < rounds; ++round) {
    copy_seconds.push_back(median_seconds(repetitions, [&](int i) { copy(i); }));
    op_seconds.push_back(median_seconds(repetitions, op));
  }
  const double taken = *std::min_element(op_seconds.begin(), op_seconds.end());
  const double roof = *std::min_element(copy_seconds.begin(), copy_seconds.end());
  std::printf("%-44s %8.3f ms %7.1f GB/s   copy %7.1f GB/s   ratio %.2f\n", name.c_str(), taken * 1e3,
              bytes / taken / 1e9, bytes / roof / 1e9, roof / taken);
  std::fflush(stdout);
}

/// Threads named on the command line, or all.
inline Context<Cpu> context_from(int argc, char** argv) {
  Context<Cpu> context(argc > 1 ? std::atoi(argv[1]) : default_threads());
  std::printf("%d threads; medians, best of three rounds; bytes read and written once\n", context.threads());
  return context;
}

}  // namespace deconv::bench
