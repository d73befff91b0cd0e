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

}  // namespace

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
