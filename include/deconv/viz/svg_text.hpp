#pragma once

#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>

#include "deconv/core/error.hpp"
#include "deconv/viz/colour_map.hpp"

// Pieces of SVG that are valid XML whatever goes in.
namespace deconv::viz {

namespace detail {

/// Bytes of the UTF-8 character that `text` begins with, or 0 where it is none that XML 1.0 allows.
[[nodiscard]] inline std::size_t xml_character(std::string_view text) noexcept {
  const auto byte = [&](std::size_t i) {
    return static_cast<std::uint32_t>(static_cast<unsigned char>(text[i]));
  };
  const std::uint32_t first = byte(0);
  if (first < 0x80) return first >= 0x20 || first == '\t' || first == '\n' || first == '\r' ? 1 : 0;
  const std::size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < length) return 0;
  std::uint32_t code = first & (0xffu >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0u) != 0x80u) return 0;
    code = code << 6 | (byte(i) & 0x3fu);
  }
  constexpr std::array<std::uint32_t, 3> smallest{0x80, 0x800, 0x10000};
  const bool surrogate = code >= 0xd800 && code <= 0xdfff, no_character = (code & 0xfffeu) == 0xfffeu;
  return code < smallest[length - 2] || code > 0x10ffff || surrogate || no_character ? 0 : length;
}

}  // namespace detail

/// Text for an XML document: marks become entities; bytes that are no UTF-8, and characters that XML does not
/// allow, become '?'.
[[nodiscard]] inline std::string xml_text(std::string_view text) {
  std::string result;
  while (!text.empty()) {
    const std::size_t length = detail::xml_character(text);
    const char c = text[0];
    if (length == 0) {
      result += '?';
    } else if (length > 1) {
      result += text.substr(0, length);
    } else if (c == '&') {
      result += "&amp;";
    } else if (c == '<') {
      result += "&lt;";
    } else if (c == '>') {
      result += "&gt;";
    } else if (c == '"') {
      result += "&quot;";
    } else {
      result += c;
    }
    text.remove_prefix(length == 0 ? 1 : length);
  }
  return result;
}

/// A coordinate: two decimals at most, a point whatever the locale is. Throws ArgumentError when it is not
/// finite or beyond a billion.
[[nodiscard]] inline std::string svg_number(double value) {
  require<ArgumentError>(std::abs(value) <= 1e9, "a coordinate within a billion wanted, met ", value);
  std::array<char, 32> text{};
  const double rounded = std::round(value * 100) / 100 + 0.0;  // no "-0"
  const auto put =
      std::to_chars(text.data(), text.data() + text.size(), rounded, std::chars_format::fixed, 2);
  std::string result(text.data(), put.ptr);
  result.erase(result.find_last_not_of('0') + 1);
  if (result.back() == '.') result.pop_back();
  return result;
}

/// "#rrggbb".
[[nodiscard]] inline std::string svg_colour(Rgb colour) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text = "#";
  for (const std::uint8_t part : {colour.red, colour.green, colour.blue}) {
    text += digits[part >> 4];
    text += digits[part & 15];
  }
  return text;
}

}  // namespace deconv::viz
