#include "interrupt.hpp"

#include <atomic>
#include <csignal>

#include "deconv/core/error.hpp"

namespace deconv::tool {

namespace {

std::atomic<bool> interrupted{false};
static_assert(std::atomic<bool>::is_always_lock_free);

extern "C" void note_interrupt(int) { interrupted.store(true); }

}  // namespace

void catch_interrupts() {
  struct sigaction action {};
  action.sa_handler = note_interrupt;
  action.sa_flags = static_cast<int>(SA_RESETHAND) | SA_RESTART;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

void stop_if_interrupted() { require<Error>(!interrupted.load(), "interrupted"); }

}  // namespace deconv::tool
