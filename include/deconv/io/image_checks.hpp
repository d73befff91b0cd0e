#pragma once
/// What is checked of a picture's file before and beside decoding it. The decoder fills what a cut file lacks
/// with grey or zeros and does not look at check sums; here a file that is cut or (PNG) changed is refused.

#include <array>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>

#include "deconv/core/error.hpp"

namespace deconv::io::detail {

enum class PictureKind : std::uint8_t { jpeg, png, bmp };

using ByteSpan = std::span<const std::uint8_t>;

/// The kind of a picture by its first bytes. Throws FormatError for any other.
[[nodiscard]] inline PictureKind picture_kind(ByteSpan bytes, const std::string& name) {
  static constexpr std::array<std::uint8_t, 8> png{0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
  require<FormatError>(!bytes.empty(), name, ": a JPEG, PNG or BMP picture wanted, the file is empty");
  if (bytes.size() >= 3 && bytes[0] == 0xff && bytes[1] == 0xd8 && bytes[2] == 0xff) return PictureKind::jpeg;
  if (bytes.size() >= png.size() && std::memcmp(bytes.data(), png.data(), png.size()) == 0)
    return PictureKind::png;
  if (bytes.size() >= 2 && bytes[0] == 'B' && bytes[1] == 'M') return PictureKind::bmp;
  raise<FormatError>(name, ": a JPEG, PNG or BMP picture wanted, its ", bytes.size(),
                     " bytes begin like none of them");
}

/// CRC-32 as PNG defines it (ISO 3309), eight bytes a step.
[[nodiscard]] inline std::uint32_t crc32(ByteSpan bytes) {
  static constexpr auto tables = [] {
    std::array<std::array<std::uint32_t, 256>, 8> t{};
    for (std::uint32_t n = 0; n < 256; ++n) {
      std::uint32_t c = n;
      for (int k = 0; k < 8; ++k) c = (c & 1u) ? 0xedb88320u ^ (c >> 1) : c >> 1;
      t[0][n] = c;
    }
    for (std::size_t k = 1; k < 8; ++k)
      for (std::size_t n = 0; n < 256; ++n) t[k][n] = t[0][t[k - 1][n] & 0xffu] ^ (t[k - 1][n] >> 8);
    return t;
  }();
  std::uint32_t c = 0xffffffffu;
  std::size_t i = 0;
  for (; i + 8 <= bytes.size(); i += 8) {
    const auto byte = [&](std::size_t k) { return std::uint32_t{bytes[i + k]}; };
    const std::uint32_t low = c ^ (byte(0) | byte(1) << 8 | byte(2) << 16 | byte(3) << 24);
    c = tables[7][low & 0xffu] ^ tables[6][(low >> 8) & 0xffu] ^ tables[5][(low >> 16) & 0xffu] ^
        tables[4][low >> 24] ^ tables[3][byte(4)] ^ tables[2][byte(5)] ^ tables[1][byte(6)] ^
        tables[0][byte(7)];
  }
  for (; i < bytes.size(); ++i) c = tables[0][(c ^ bytes[i]) & 0xffu] ^ (c >> 8);
  return c ^ 0xffffffffu;
}

/// Walks the chunks of a PNG up to its end chunk and compares their check sums. Throws FormatError.
inline void check_png(ByteSpan bytes, const std::string& name) {
  const auto word = [&](std::size_t i) {
    return std::uint32_t{bytes[i]} << 24 | std::uint32_t{bytes[i + 1]} << 16 |
           std::uint32_t{bytes[i + 2]} << 8 | std::uint32_t{bytes[i + 3]};
  };
  std::size_t at = 8;
  while (true) {
    require<FormatError>(bytes.size() - at >= 12 && bytes.size() - at - 12 >= word(at), name,
                         ": the PNG picture is cut short (no end chunk in ", bytes.size(), " bytes)");
    const std::size_t length = word(at);
    const bool last = std::memcmp(bytes.data() + at + 4, "IEND", 4) == 0;
    require<FormatError>(crc32(bytes.subspan(at + 4, length + 4)) == word(at + 8 + length), name,
                         ": the PNG picture is damaged (wrong check sum of the chunk at byte ", at, ")");
    at += length + 12;
    if (last) return;
  }
}

/// Compares the size that a BMP's header promises with the file's. Throws FormatError.
inline void check_bmp(ByteSpan bytes, const std::string& name, std::uint64_t width, std::uint64_t height) {
  require<FormatError>(bytes.size() >= 30, name, ": the BMP picture is cut short (", bytes.size(), " bytes)");
  const auto half_word = [&](std::size_t i) {
    return std::uint64_t{bytes[i]} | std::uint64_t{bytes[i + 1]} << 8;
  };
  const std::uint64_t begin = half_word(10) | half_word(12) << 16;
  const std::uint64_t header = half_word(14) | half_word(16) << 16;
  const std::uint64_t bits = header == 12 ? half_word(24) : half_word(28);
  const std::uint64_t wanted = begin + (bits * width + 31) / 32 * 4 * height;
  require<FormatError>(bytes.size() >= wanted, name, ": the BMP picture is cut short (", wanted,
                       " bytes wanted, met ", bytes.size(), ")");
}

}  // namespace deconv::io::detail
