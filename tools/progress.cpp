#include "progress.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <iomanip>
#include <sstream>
#include <utility>

#include "interrupt.hpp"

namespace deconv::tool {

namespace {

/// "1:02:03" or "2:03".
std::string clock_text(double seconds) {
  const Index whole = static_cast<Index>(seconds + 0.5);
  std::ostringstream text;
  text << std::setfill('0');
  if (whole >= 3600) text << whole / 3600 << ':' << std::setw(2);
  text << whole / 60 % 60 << ':' << std::setw(2) << whole % 60;
  return std::move(text).str();
}

Index terminal_columns() {
  winsize size{};
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

/// "under 1 s", "40 s", "3 min", "2.5 h".
std::string duration_text(double seconds) {
  std::ostringstream text;
  text << std::fixed << std::setprecision(0);
  if (!(seconds >= 1))
    text << "under 1 s";
  else if (seconds < 120)
    text << "about " << seconds << " s";
  else if (seconds < 7200)
    text << "about " << seconds / 60 << " min";
  else
    text << "about " << std::setprecision(1) << seconds / 3600 << " h";
  return std::move(text).str();
}

/// "310 MB", "2.4 GB".
std::string bytes_text(std::uint64_t bytes) {
  std::ostringstream text;
  const double megabytes = static_cast<double>(bytes) / 1e6;
  text << std::fixed;
  if (megabytes < 1000)
    text << std::setprecision(0) << std::max(1.0, megabytes) << " MB";
  else
    text << std::setprecision(1) << megabytes / 1000 << " GB";
  return std::move(text).str();
}

}  // namespace

void tell_work(Index count, const std::string& unit, double seconds, std::uint64_t bytes, bool quiet) {
  if (quiet) return;
  std::fprintf(stderr, "deconv: %lld %s, %s, %s\n", static_cast<long long>(count), unit.c_str(),
               duration_text(seconds).c_str(), bytes_text(bytes).c_str());
}

Progress::Progress(std::string label, std::string unit, Index total, bool quiet)
    : label_(std::move(label)),
      unit_(std::move(unit)),
      total_(std::max<Index>(total, 1)),
      quiet_(quiet),
      shown_(!quiet && isatty(STDERR_FILENO) == 1),
      begin_(Clock::now()),
      drawn_(begin_) {
  if (shown_) draw(begin_);
}

Progress::~Progress() { clear(); }

void Progress::advance(Index count) {
  stop_if_interrupted();
  this->count(count);
}

void Progress::count(Index count) {
  done_ += count;
  const auto now = Clock::now();
  // Ten pictures a second are enough for the eye; more would cost the terminal time.
  if (shown_ && (now - drawn_ > std::chrono::milliseconds(100) || done_ >= total_)) draw(now);
}

void Progress::warn(const std::string& text) {
  if (quiet_) return;
  clear();
  std::string line = text;
  std::replace_if(
      line.begin(), line.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20; }, ' ');
  std::fprintf(stderr, "deconv: warning: %s\n", line.c_str());
}

void Progress::tell(double seconds, std::uint64_t bytes) {
  clear();
  tell_work(total_, unit_, seconds, bytes, quiet_);
}

void Progress::clear() {
  if (shown_) std::fputs("\r\033[K", stderr);
}

void Progress::draw(Clock::time_point now) {
  drawn_ = now;
  const double seconds = std::chrono::duration<double>(now - begin_).count();
  const double rate = seconds > 0 ? static_cast<double>(done_) / seconds : 0;
  std::ostringstream tail;
  tail << ' ' << done_ << '/' << total_ << ' ' << unit_;
  if (done_ > 0 && rate > 0)
    tail << "  " << std::fixed << std::setprecision(rate < 10 ? 1 : 0) << rate << "/s  "
         << clock_text(static_cast<double>(std::max<Index>(total_ - done_, 0)) / rate) << " left";
  const std::string end = std::move(tail).str();
  const Index room =
      terminal_columns() - static_cast<Index>(label_.size()) - static_cast<Index>(end.size()) - 4;
  const Index width = std::clamp<Index>(room, 0, 40);
  const Index filled = std::min(width, width * done_ / total_);
  std::string bar(static_cast<std::size_t>(width), '.');
  std::fill_n(bar.begin(), filled, '#');
  std::fprintf(stderr, "\r\033[K%s [%s]%s", label_.c_str(), bar.c_str(), end.c_str());
  std::fflush(stderr);
}

}  // namespace deconv::tool
