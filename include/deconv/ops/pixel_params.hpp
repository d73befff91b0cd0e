#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "deconv/core/shape.hpp"

namespace deconv {

/// Which of a pixel's bytes becomes which channel: as they stand, of three the last first (RGB to BGR), or
/// one channel of luma (ITU-R BT.601) from R, G, B.
enum class PixelOrder : std::uint8_t { same, reversed, luma };

/// How the bytes of a picture become a network's numbers, see image_to_planes().
struct PixelParams {
  PixelOrder order = PixelOrder::same;
  double scale = 1;
  std::array<double, 3> mean{0, 0, 0};       ///< by channel of the result
  std::array<double, 3> deviation{1, 1, 1};  ///< likewise; none is 0
  /// The place of the pictures' first pixel in the mean image, where there is one.
  Index mean_top = 0, mean_left = 0;
  friend bool operator==(const PixelParams&, const PixelParams&) = default;
};

namespace detail {

/// What each of the 256 bytes becomes in a channel, worked out in double and rounded to float:
/// value[c][byte]. With a mean image only the scaling.
struct ByteTable {
  std::array<std::array<float, 256>, 3> value{};
  ByteTable(const PixelParams& params, bool mean_image) {
    for (std::size_t c = 0; c < 3; ++c)
      for (int byte = 0; byte < 256; ++byte) {
        const double shifted = byte * params.scale - (mean_image ? 0.0 : params.mean[c]);
        value[c][static_cast<std::size_t>(byte)] =
            static_cast<float>(mean_image ? shifted : shifted / params.deviation[c]);
      }
  }
};

/// Luma in sixteen-bit fixed point; grey stays what it is.
[[nodiscard]] constexpr std::uint8_t luma_of(std::uint32_t red, std::uint32_t green,
                                             std::uint32_t blue) noexcept {
  return static_cast<std::uint8_t>((19595u * red + 38470u * green + 7471u * blue + 0x8000u) >> 16);
}

}  // namespace detail
}  // namespace deconv
