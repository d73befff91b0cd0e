#pragma once
// What an error said.

#include <initializer_list>
#include <string>
#include <string_view>

#include "support/catch.hpp"

namespace deconv::test {

/// The message of the E that `body` throws; it must throw one, of exactly one line.
template <class E, class Body>
std::string said_by(const Body& body) {
  try {
    body();
  } catch (const E& problem) {
    const std::string text = problem.what();
    INFO(text);
    CHECK(text.find('\n') == std::string::npos);
    return text;
  }
  FAIL("no error, or one of another kind");
  return "";
}

/// Whether every part stands in the text; says which does not.
inline bool mentions_all(const std::string& text, std::initializer_list<std::string_view> parts) {
  for (const std::string_view part : parts)
    if (text.find(part) == std::string::npos) {
      UNSCOPED_INFO("\"" << part << "\" is missing in: " << text);
      return false;
    }
  return true;
}

}  // namespace deconv::test
