#include "interrupt.hpp"

#include <atomic>
#include <csignal>

#include "deconv/core/error.hpp"

namespace deconv::tool {

namespace {

std::atomic<bool> asked_to_stop{false};
static_assert(std::atomic<bool>::is_always_lock_free);

extern "C" void note_interrupt(int) { asked_to_stop.store(true); }

}  // namespace

void catch_interrupts() {
  struct sigaction action {};
  action.sa_handler = note_interrupt;
  action.sa_flags = static_cast<int>(SA_RESETHAND) | SA_RESTART;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

bool interrupted() { return asked_to_stop.load(); }

void stop_if_interrupted() { require<Error>(!interrupted(), "interrupted"); }

}  // namespace deconv::tool
