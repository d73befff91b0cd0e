#pragma once
/// Catch2, version 2 or 3: one include for every test. Version 3 split the single header and renamed a few
/// things; what tests use of those has one name here.

#include <string>

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
using Catch::Approx;  // version 2 has it outside of its namespace
#elif __has_include(<catch2/catch.hpp>)
#include <catch2/catch.hpp>
#else
#error "deconv's tests need Catch2, version 2 or 3 (Debian: catch2)"
#endif

namespace deconv::test {

/// Matches a string that holds `text`. Version 3 gave the name to a matcher of ranges.
inline auto Contains(const std::string& text) {
#if __has_include(<catch2/catch_all.hpp>)
  return Catch::Matchers::ContainsSubstring(text);
#else
  return Catch::Matchers::Contains(text);
#endif
}

}  // namespace deconv::test
