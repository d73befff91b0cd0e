#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace deconv {

/// `text` in double quotes for an error message: control characters become '?', and what is longer than
/// `limit` bytes is cut and ends in "...", so that a name out of a hostile file leaves the message one
/// readable line.
[[nodiscard]] inline std::string quoted(std::string_view text, std::size_t limit = 80) {
  std::string result = "\"";
  for (const char c : text.substr(0, limit)) {
    const auto byte = static_cast<unsigned char>(c);
    result += byte < 0x20 || byte == 0x7f ? '?' : c;
  }
  if (text.size() > limit) result += "...";
  return result += '"';
}

/// The same. Without this overload an unqualified call with a std::string would find std::quoted instead in a file
/// that includes <iomanip>.
[[nodiscard]] inline std::string quoted(const std::string& text, std::size_t limit = 80) {
  return quoted(std::string_view(text), limit);
}

}  // namespace deconv
