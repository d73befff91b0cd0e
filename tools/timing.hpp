#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "interrupt.hpp"

namespace deconv::tool {

/// What --repeat reports.
struct Timing {
  int repeats = 0;
  double median_ms = 0;
  double min_ms = 0;
  std::uint64_t peak_memory_bytes = 0;
};

/// The most memory that the process has held so far, in bytes.
[[nodiscard]] std::uint64_t peak_memory_bytes();

/// Does the work once and returns its result; with repeats > 0 does it once to warm up, then so many times
/// under the clock, fills `timing`, and returns the last result.
template <class Work>
auto timed(int repeats, std::optional<Timing>& timing, const Work& work) {
  using Clock = std::chrono::steady_clock;
  auto result = work();
  if (repeats <= 0) return result;
  std::vector<double> milliseconds;
  for (int i = 0; i < repeats; ++i) {
    stop_if_interrupted();
    const auto begin = Clock::now();
    auto again = work();
    milliseconds.push_back(std::chrono::duration<double, std::milli>(Clock::now() - begin).count());
    result = std::move(again);
  }
  std::sort(milliseconds.begin(), milliseconds.end());
  const std::size_t middle = milliseconds.size() / 2;
  const double median = milliseconds.size() % 2 == 1 ? milliseconds[middle]
                                                     : (milliseconds[middle - 1] + milliseconds[middle]) / 2;
  timing = Timing{repeats, median, milliseconds.front(), peak_memory_bytes()};
  return result;
}

}  // namespace deconv::tool
