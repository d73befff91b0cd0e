#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace deconv {

namespace detail {

struct Quoted {
  [[nodiscard]] std::string operator()(std::string_view text, std::size_t limit = 80) const {
    std::string result = "\"";
    for (const char c : text.substr(0, limit)) {
      const auto byte = static_cast<unsigned char>(c);
      result += byte < 0x20 || byte == 0x7f ? '?' : c;
    }
    if (text.size() > limit) result += "...";
    return result += '"';
  }
};

}  // namespace detail

/// `quoted(text, limit = 80)`: `text` in double quotes for an error message. Control characters become '?',
/// and what is longer than `limit` bytes is cut and ends in "...", so that a name out of a hostile file
/// leaves the message one readable line. An object rather than a function, because a call with a std::string
/// would otherwise find std::quoted by its argument wherever `iomanip` is included.
inline constexpr detail::Quoted quoted{};

}  // namespace deconv
