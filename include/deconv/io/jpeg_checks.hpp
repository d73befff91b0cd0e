#pragma once
/// What is checked of a JPEG before the decoder sees it. The decoder trusts that every table which a scan
/// names was defined and that no table is longer than it may be: otherwise it reads memory that is not the
/// picture's. It also fills what a cut file lacks with grey. Source: ITU-T T.81, annex B.

#include <array>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>

#include "deconv/core/error.hpp"

namespace deconv::io::detail {

/// Walks the segments of a JPEG from its begin to its end marker.
class JpegCheck {
 public:
  /// More scans than any encoder writes; each costs a pass over the picture.
  static constexpr int most_scans = 100;

  JpegCheck(std::span<const std::uint8_t> bytes, const std::string& name) : bytes_(bytes), name_(name) {}

  /// Throws FormatError when the end is missing, when a scan names a table or component that was not defined,
  /// when a component has no scan, or when there are more than most_scans.
  void run() {
    int scans = 0;
    std::size_t at = 2;
    while (true) {
      at = next_marker(at);
      const std::uint8_t marker = bytes_[at++];
      if (marker == 0xd9) break;
      if (bytes_.size() - at < 2) cut();
      const std::size_t length = word(at);
      want(length >= 2, "a segment's length");
      if (bytes_.size() - at < length) cut();
      const auto segment = bytes_.subspan(at + 2, length - 2);
      at += length;
      if (marker == 0xc4) huffman(segment);
      if (marker == 0xdb) quantisation(segment);
      if (marker == 0xc0 || marker == 0xc1 || marker == 0xc2) frame(segment, marker == 0xc2);
      if (marker == 0xda) {
        scan(segment);
        require<FormatError>(++scans <= most_scans, name_, ": a JPEG picture of more than ", most_scans,
                             " scans");
      }
    }
    for (const Component& component : components_)
      want(component.scanned || component.id < 0, "all its colour components in scans");
    want(scans > 0, "a scan");
  }

 private:
  struct Component {
    int id = -1;
    int table = 0;  ///< Of quantisation.
    bool scanned = false;
  };

  [[noreturn]] void cut() const {
    raise<FormatError>(name_, ": the JPEG picture is cut short (no end marker in ", bytes_.size(), " bytes)");
  }
  void want(bool condition, const char* what) const {
    require<FormatError>(condition, name_, ": the JPEG picture is damaged (", what, " wanted)");
  }
  [[nodiscard]] std::size_t word(std::size_t at) const {
    return static_cast<std::size_t>(bytes_[at] << 8 | bytes_[at + 1]);
  }

  /// Where the code of the next marker stands; fill bytes and a scan's entropy-coded data are passed over.
  [[nodiscard]] std::size_t next_marker(std::size_t at) const {
    while (at < bytes_.size()) {
      const void* found = std::memchr(bytes_.data() + at, 0xff, bytes_.size() - at);
      if (found == nullptr) break;
      at = static_cast<std::size_t>(static_cast<const std::uint8_t*>(found) - bytes_.data()) + 1;
      if (at >= bytes_.size()) break;
      const std::uint8_t code = bytes_[at];
      const bool inside_data = code == 0x00 || code == 0x01 || (code >= 0xd0 && code <= 0xd8);
      if (code != 0xff && !inside_data) return at;
    }
    cut();
  }

  void huffman(std::span<const std::uint8_t> segment) {
    while (!segment.empty()) {
      want(segment.size() >= 17, "a whole Huffman table");
      const unsigned kind = segment[0] >> 4, slot = segment[0] & 15u;
      want(kind <= 1 && slot <= 3, "a Huffman table 0 to 3");
      std::size_t symbols = 0;
      std::uint32_t codes = 0;  // taken so far, in units of the present length
      for (std::size_t bits = 1; bits <= 16; ++bits) {
        symbols += segment[bits];
        codes = 2 * codes + segment[bits];
        want(codes <= (1u << bits), "a Huffman table without too many codes");
      }
      want(symbols <= 256 && segment.size() - 17 >= symbols, "a whole Huffman table");
      huffman_defined_[kind][slot] = true;
      segment = segment.subspan(17 + symbols);
    }
  }

  void quantisation(std::span<const std::uint8_t> segment) {
    while (!segment.empty()) {
      const std::size_t bytes = segment[0] >> 4 == 0 ? 65 : 129;
      want((segment[0] & 15u) <= 3 && segment.size() >= bytes, "a whole quantisation table");
      quantisation_defined_[segment[0] & 15u] = true;
      segment = segment.subspan(bytes);
    }
  }

  void frame(std::span<const std::uint8_t> segment, bool progressive) {
    want(components_[0].id < 0, "one frame");
    want(segment.size() >= 6, "a whole frame header");
    const std::size_t count = segment[5];
    want(count >= 1 && count <= 4 && segment.size() == 6 + 3 * count, "1 to 4 colour components");
    for (std::size_t c = 0; c < count; ++c) {
      components_[c].id = segment[6 + 3 * c];
      components_[c].table = segment[8 + 3 * c];
      want(components_[c].table <= 3, "a quantisation table 0 to 3");
      for (std::size_t other = 0; other < c; ++other)
        want(components_[other].id != components_[c].id, "components of different numbers");
    }
    progressive_ = progressive;
  }

  void scan(std::span<const std::uint8_t> segment) {
    const std::size_t count = segment.empty() ? 0 : segment[0];
    want(count >= 1 && count <= 4 && segment.size() == 4 + 2 * count, "a whole scan header");
    const bool first_is_constant = segment[1 + 2 * count] == 0;
    const bool refines = segment[3 + 2 * count] >> 4 != 0;
    for (std::size_t i = 0; i < count; ++i) {
      const int id = segment[1 + 2 * i];
      const unsigned constant = segment[2 + 2 * i] >> 4, varying = segment[2 + 2 * i] & 15u;
      want(constant <= 3 && varying <= 3, "a Huffman table 0 to 3");
      Component* component = nullptr;
      for (Component& candidate : components_)
        if (candidate.id == id) component = &candidate;
      want(component != nullptr, "a scan of a component that the frame has");
      const bool reads_constant = progressive_ ? first_is_constant && !refines : true;
      const bool reads_varying = progressive_ ? !first_is_constant : true;
      want(!reads_constant || huffman_defined_[0][constant], "a Huffman table before the scan that uses it");
      want(!reads_varying || huffman_defined_[1][varying], "a Huffman table before the scan that uses it");
      want(quantisation_defined_[static_cast<std::size_t>(component->table)],
           "a quantisation table before the scan that uses it");
      component->scanned = component->scanned || first_is_constant;
    }
  }

  std::span<const std::uint8_t> bytes_;
  const std::string& name_;
  std::array<std::array<bool, 4>, 2> huffman_defined_{};  ///< Of constant (0) and varying (1) coefficients.
  std::array<bool, 4> quantisation_defined_{};
  std::array<Component, 4> components_{};
  bool progressive_ = false;
};

}  // namespace deconv::io::detail
