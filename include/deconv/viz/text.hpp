#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "deconv/io/image.hpp"
#include "deconv/viz/colour_map.hpp"

// Captions in a bitmap font of our own: 5 x 7 pixels a character, capitals alone.
namespace deconv::viz {

inline constexpr Index glyph_width = 5, glyph_height = 7;
/// From one character to the next.
inline constexpr Index glyph_advance = 6;

namespace detail {

/// Seven rows from the top, the leftmost pixel in bit 4.
using Glyph = std::array<std::uint8_t, 7>;

inline constexpr std::array<Glyph, 10> digit_glyphs{{
    {14, 17, 19, 21, 25, 17, 14},
    {4, 12, 4, 4, 4, 4, 14},
    {14, 17, 1, 6, 8, 16, 31},
    {14, 17, 1, 6, 1, 17, 14},
    {2, 6, 10, 18, 31, 2, 2},
    {31, 16, 30, 1, 1, 17, 14},
    {6, 8, 16, 30, 17, 17, 14},
    {31, 1, 2, 4, 8, 8, 8},
    {14, 17, 17, 14, 17, 17, 14},
    {14, 17, 17, 15, 1, 2, 12},
}};

inline constexpr std::array<Glyph, 26> letter_glyphs{{
    {14, 17, 17, 31, 17, 17, 17}, {30, 17, 17, 30, 17, 17, 30}, {14, 17, 16, 16, 16, 17, 14},
    {28, 18, 17, 17, 17, 18, 28}, {31, 16, 16, 30, 16, 16, 31}, {31, 16, 16, 30, 16, 16, 16},
    {14, 17, 16, 19, 17, 17, 15}, {17, 17, 17, 31, 17, 17, 17}, {14, 4, 4, 4, 4, 4, 14},
    {7, 2, 2, 2, 2, 18, 12},      {17, 18, 20, 24, 20, 18, 17}, {16, 16, 16, 16, 16, 16, 31},
    {17, 27, 21, 21, 17, 17, 17}, {17, 25, 21, 21, 19, 17, 17}, {14, 17, 17, 17, 17, 17, 14},
    {30, 17, 17, 30, 16, 16, 16}, {14, 17, 17, 17, 21, 18, 13}, {30, 17, 17, 30, 20, 18, 17},
    {15, 16, 16, 14, 1, 1, 30},   {31, 4, 4, 4, 4, 4, 4},       {17, 17, 17, 17, 17, 17, 14},
    {17, 17, 17, 17, 17, 10, 4},  {17, 17, 17, 21, 21, 27, 17}, {17, 17, 10, 4, 10, 17, 17},
    {17, 17, 10, 4, 4, 4, 4},     {31, 1, 2, 4, 8, 16, 31},
}};

/// The picture of a character; lower case is drawn as capitals, what the font lacks as a frame.
[[nodiscard]] inline Glyph glyph_of(char c) noexcept {
  if (c >= '0' && c <= '9') return digit_glyphs[static_cast<std::size_t>(c - '0')];
  if (c >= 'A' && c <= 'Z') return letter_glyphs[static_cast<std::size_t>(c - 'A')];
  if (c >= 'a' && c <= 'z') return letter_glyphs[static_cast<std::size_t>(c - 'a')];
  switch (c) {
    case ' ':
      return {};
    case '.':
      return {0, 0, 0, 0, 0, 12, 12};
    case ',':
      return {0, 0, 0, 0, 12, 4, 8};
    case ':':
      return {0, 12, 12, 0, 12, 12, 0};
    case '/':
      return {1, 1, 2, 4, 8, 16, 16};
    case '_':
      return {0, 0, 0, 0, 0, 0, 31};
    case '-':
      return {0, 0, 0, 31, 0, 0, 0};
    case '+':
      return {0, 4, 4, 31, 4, 4, 0};
    case '=':
      return {0, 0, 31, 0, 31, 0, 0};
    case '%':
      return {24, 25, 2, 4, 8, 19, 3};
    case '#':
      return {10, 10, 31, 10, 31, 10, 10};
    case '(':
      return {2, 4, 8, 8, 8, 4, 2};
    case ')':
      return {8, 4, 2, 2, 2, 4, 8};
    case '\'':
      return {4, 4, 8, 0, 0, 0, 0};
    default:
      return {31, 17, 17, 17, 17, 17, 31};
  }
}

}  // namespace detail

/// Pixels that a line of text is wide.
[[nodiscard]] constexpr Index text_width(std::string_view text) noexcept {
  return text.empty() ? 0 : static_cast<Index>(text.size()) * glyph_advance - (glyph_advance - glyph_width);
}

/// The beginning of a text that is at most `width` pixels wide; where it had to be cut it ends in two dots.
[[nodiscard]] inline std::string text_that_fits(std::string_view text, Index width) {
  if (text_width(text) <= width) return std::string(text);
  const Index characters = (width + glyph_advance - glyph_width) / glyph_advance;
  if (characters <= 2)
    return std::string(text.substr(0, static_cast<std::size_t>(std::max<Index>(characters, 0))));
  return std::string(text.substr(0, static_cast<std::size_t>(characters - 2))) + "..";
}

namespace detail {

/// Calls `put(x, y)` for each dark pixel of a line of text whose upper left corner is (0, 0).
template <class Put>
void each_text_pixel(std::string_view text, const Put& put) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const Glyph glyph = glyph_of(text[i]);
    for (Index y = 0; y < glyph_height; ++y)
      for (Index x = 0; x < glyph_width; ++x)
        if ((glyph[static_cast<std::size_t>(y)] >> (glyph_width - 1 - x) & 1) != 0)
          put(static_cast<Index>(i) * glyph_advance + x, y);
  }
}

inline void put_pixel(io::Image& canvas, Index x, Index y, Rgb colour) {
  if (x < 0 || y < 0 || x >= canvas.width() || y >= canvas.height()) return;
  std::uint8_t* pixel = canvas.row(y) + x * 3;
  pixel[0] = colour.red, pixel[1] = colour.green, pixel[2] = colour.blue;
}

}  // namespace detail

/// Writes a line of text onto an RGB canvas, its upper left corner at (left, top); what falls beside the
/// canvas is left out. Throws ShapeError when the canvas has not three channels.
inline void draw_text(io::Image& canvas, std::string_view text, Index left, Index top, Rgb colour = black) {
  require<ShapeError>(canvas.channels() == 3, "a canvas has three channels, met ", canvas.channels());
  detail::each_text_pixel(text,
                          [&](Index x, Index y) { detail::put_pixel(canvas, left + x, top + y, colour); });
}

/// The same turned by a quarter, to be read from bottom to top: its first letter stands lowest, and the box
/// of glyph_height x text_width pixels has its lower left corner at (left, bottom). Throws ShapeError.
inline void draw_text_upwards(io::Image& canvas, std::string_view text, Index left, Index bottom,
                              Rgb colour = black) {
  require<ShapeError>(canvas.channels() == 3, "a canvas has three channels, met ", canvas.channels());
  detail::each_text_pixel(text,
                          [&](Index x, Index y) { detail::put_pixel(canvas, left + y, bottom - x, colour); });
}

}  // namespace deconv::viz
