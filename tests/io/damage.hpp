#pragma once
// Files made wrong on purpose: cut anywhere, any byte changed.

#include <cstdint>
#include <string>
#include <vector>

#include "deconv/core/error.hpp"
#include "support/catch.hpp"

namespace deconv::test {

using FileBytes = std::vector<std::uint8_t>;

/// The one-line message of the Error that `body` throws; empty where it throws nothing. Anything else passes
/// on and fails the test.
template <class Body>
std::string error_of(const Body& body) {
  try {
    static_cast<void>(body());
  } catch (const Error& problem) {
    return problem.what();
  }
  return "";
}

[[nodiscard]] inline bool mentions(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// Calls `read` with every beginning of the file (the whole of it left out), and requires an Error of one
/// line each.
template <class Read>
void require_cuts_refused(const FileBytes& whole, const Read& read) {
  for (std::size_t length = 0; length < whole.size(); ++length) {
    const FileBytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length));
    const std::string problem = error_of([&] { read(cut); });
    INFO("cut to " << length << " of " << whole.size() << " bytes: " << problem);
    REQUIRE(!problem.empty());
    REQUIRE(problem.find('\n') == std::string::npos);
  }
}

/// Calls `read` with each byte changed to a few others, one at a time. It may succeed or throw an Error of
/// one line. Returns how many were refused.
template <class Read>
int count_changes_refused(const FileBytes& whole, const Read& read) {
  int refused = 0;
  for (std::size_t at = 0; at < whole.size(); ++at)
    for (const int change : {0x01, 0x80, 0xff, 0x20}) {
      FileBytes changed = whole;
      changed[at] = static_cast<std::uint8_t>(changed[at] ^ change);
      const std::string problem = error_of([&] { read(changed); });
      INFO("byte " << at << " changed by " << change << ": " << problem);
      REQUIRE(problem.find('\n') == std::string::npos);
      refused += problem.empty() ? 0 : 1;
    }
  return refused;
}

}  // namespace deconv::test
