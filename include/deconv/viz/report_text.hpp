#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "deconv/io/jpeg.hpp"
#include "deconv/io/json.hpp"

// What a page in one file is made of: pictures as data addresses, JSON that no text can break out of.
namespace deconv::viz {

/// Bytes as base64 (RFC 4648, section 4, with padding).
[[nodiscard]] inline std::string base64(std::span<const std::uint8_t> bytes) {
  constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t left = bytes.size() - i;
    std::uint32_t three = std::uint32_t{bytes[i]} << 16;
    if (left > 1) three |= std::uint32_t{bytes[i + 1]} << 8;
    if (left > 2) three |= bytes[i + 2];
    text += digits[three >> 18 & 63];
    text += digits[three >> 12 & 63];
    text += left > 1 ? digits[three >> 6 & 63] : '=';
    text += left > 2 ? digits[three & 63] : '=';
  }
  return text;
}

/// A picture as an address that needs no file: "data:image/png;base64,...". Throws IoError.
[[nodiscard]] inline std::string png_address(const io::Image& image) {
  return "data:image/png;base64," + base64(io::encode_png(image));
}

/// The same as JPEG, for photographs.
[[nodiscard]] inline std::string jpeg_address(const io::Image& image, int quality = 85) {
  return "data:image/jpeg;base64," + base64(io::encode_jpeg(image, quality));
}

/// A JSON document as text that may stand inside a page's script element: no text in it can close the
/// element, and bytes that are no UTF-8 become the replacement character.
[[nodiscard]] inline std::string script_json(const io::Json& document) {
  const std::string plain = document.dump(-1, ' ', false, io::Json::error_handler_t::replace);
  std::string text;
  text.reserve(plain.size());
  for (const char c : plain) {
    // These stand in strings alone.
    if (c == '<')
      text += "\\u003c";
    else if (c == '>')
      text += "\\u003e";
    else if (c == '&')
      text += "\\u0026";
    else
      text += c;
  }
  return text;
}

}  // namespace deconv::viz
