#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "deconv/core/shape.hpp"

namespace deconv::tool {

/// A bar on stderr with rate and time left while it lives, on a terminal only. Also where long work notices
/// that the user wants it to stop.
class Progress {
 public:
  /// `unit` is what is counted: "images".
  Progress(std::string label, std::string unit, Index total, bool quiet);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// Counts on. Throws Error when the user interrupted the program.
  void advance(Index count = 1);
  /// Counts on, for work that ends by itself when it is interrupted.
  void count(Index count);
  /// A line on stderr that does not collide with the bar; nothing with --quiet.
  void warn(const std::string& text);
  /// Says what all of it will take, see tell_work: for work that is measured by its beginning.
  void tell(double seconds, std::uint64_t bytes);

 private:
  using Clock = std::chrono::steady_clock;
  void draw(Clock::time_point now);
  void clear();

  std::string label_, unit_;
  Index total_, done_ = 0;
  bool quiet_, shown_;
  Clock::time_point begin_, drawn_;
};

/// Says on stderr what long work will take before it is done: "deconv: 2809 positions, about 40 s, 310 MB".
/// `seconds` is an estimate (from a measured part of the work), `bytes` the memory that the work will hold.
/// Nothing with --quiet.
void tell_work(Index count, const std::string& unit, double seconds, std::uint64_t bytes, bool quiet);

}  // namespace deconv::tool
