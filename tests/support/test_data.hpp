#pragma once
/// Where the test data lies: the folder that the environment variable DECONV_TEST_DATA names, or else
/// ../shared/data beside the source tree. The data is never part of the repository, so a test that wants
/// some of it skips itself, and says so, where it is absent.

#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <optional>
#include <stdexcept>
#include <string>

#ifndef DECONV_SOURCE_DIR
#error "DECONV_SOURCE_DIR must name the root of the source tree; CMake defines it for every test"
#endif

namespace deconv::test {

/// Root folder of the test data; it may be absent.
inline std::filesystem::path test_data_root() {
  if (const char* named = std::getenv("DECONV_TEST_DATA"); named != nullptr && *named != '\0') return named;
  return std::filesystem::path(DECONV_SOURCE_DIR) / ".." / "shared" / "data";
}

/// A file or folder of the test data, by its path below the root, or nothing where it is absent; then one
/// line on stderr says what was skipped. With DECONV_REQUIRE_TEST_DATA set to 1 in the environment (as CI
/// does where the data is known to be there) absence throws std::runtime_error instead, so nothing is
/// skipped.
inline std::optional<std::filesystem::path> test_data(const std::string& below_root) {
  const std::filesystem::path wanted = test_data_root() / below_root;
  std::error_code ignored;
  if (std::filesystem::exists(wanted, ignored)) return wanted;
  const char* required = std::getenv("DECONV_REQUIRE_TEST_DATA");
  if (required != nullptr && std::string(required) == "1")
    throw std::runtime_error("test data is required but absent: " + wanted.string());
  std::cerr << "skipped: test data is absent: " << wanted.string() << " (set DECONV_TEST_DATA)\n";
  return std::nullopt;
}

}  // namespace deconv::test

/// Declares `const std::filesystem::path variable` for a file of the test data, or leaves the test case where
/// it is absent: `DECONV_TEST_DATA_OR_SKIP(model, "models/squeezenet1.1.onnx");`
#define DECONV_TEST_DATA_OR_SKIP(variable, below_root)                      \
  const auto variable##_if_present = ::deconv::test::test_data(below_root); \
  if (!variable##_if_present) return;                                       \
  const std::filesystem::path variable = *variable##_if_present /* the caller's own ; */
