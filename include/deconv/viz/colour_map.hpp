#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "deconv/core/error.hpp"
#include "deconv/core/quoted.hpp"

namespace deconv::viz {

/// A colour as pictures hold it: sRGB, 8 bits a channel.
struct Rgb {
  std::uint8_t red = 0, green = 0, blue = 0;
  friend bool operator==(const Rgb&, const Rgb&) = default;
};

inline constexpr Rgb black{0, 0, 0};
inline constexpr Rgb mid_grey{128, 128, 128};
inline constexpr Rgb white{255, 255, 255};

/// How a number between 0 and 1 becomes a colour. `grey`: black to white. `sequential`: dark violet over teal
/// to yellow, for quantities. `diverging`: blue over white to red, for signed quantities whose zero is 0.5.
/// The last two are lines of constant steps in lightness, so that equal differences look equal, order
/// survives a grey printer, and no difference rests on telling red from green.
enum class ColourMap : std::uint8_t { grey, sequential, diverging };

[[nodiscard]] inline std::string_view name_of(ColourMap map) noexcept {
  return map == ColourMap::grey ? "grey" : map == ColourMap::sequential ? "sequential" : "diverging";
}

/// The colour map of that name. Throws ArgumentError that lists the names.
[[nodiscard]] inline ColourMap colour_map_by_name(std::string_view name) {
  for (const ColourMap map : {ColourMap::grey, ColourMap::sequential, ColourMap::diverging})
    if (name_of(map) == name) return map;
  raise<ArgumentError>("unknown colour map ", quoted(name), ", known are grey, sequential, diverging");
}

namespace detail {

/// A colour in CIE 1976 L*a*b* with the white of D65.
struct Lab {
  double lightness, a, b;
};

/// Source: CIE 15, IEC 61966-2-1 (sRGB). Colours that sRGB lacks are clipped.
[[nodiscard]] inline Rgb rgb_of(const Lab& lab) {
  const auto inverse = [](double t) {
    constexpr double knee = 6.0 / 29.0;
    return t > knee ? t * t * t : 3 * knee * knee * (t - 4.0 / 29.0);
  };
  const double fy = (lab.lightness + 16) / 116;
  const double x = 0.95047 * inverse(fy + lab.a / 500), y = inverse(fy),
               z = 1.08883 * inverse(fy - lab.b / 200);
  const auto byte = [](double linear) {
    const double clipped = std::clamp(linear, 0.0, 1.0);
    const double coded = clipped <= 0.0031308 ? 12.92 * clipped : 1.055 * std::pow(clipped, 1 / 2.4) - 0.055;
    return static_cast<std::uint8_t>(std::lround(255 * coded));
  };
  return {byte(3.2406 * x - 1.5372 * y - 0.4986 * z), byte(-0.9689 * x + 1.8758 * y + 0.0415 * z),
          byte(0.0557 * x - 0.2040 * y + 1.0570 * z)};
}

using ColourTable = std::array<Rgb, 256>;

/// 256 colours on the broken line through control points at equal distances.
[[nodiscard]] inline ColourTable colour_table(std::span<const Lab> points) {
  ColourTable table;
  for (std::size_t i = 0; i < table.size(); ++i) {
    const double place = static_cast<double>(i) / 255.0 * static_cast<double>(points.size() - 1);
    const std::size_t k = std::min(static_cast<std::size_t>(place), points.size() - 2);
    const double f = place - static_cast<double>(k);
    const Lab &from = points[k], &to = points[k + 1];
    table[i] = rgb_of({from.lightness + f * (to.lightness - from.lightness), from.a + f * (to.a - from.a),
                       from.b + f * (to.b - from.b)});
  }
  return table;
}

/// Our own control points. Lightness rises by 20 a step in `sequential`; the arms of `diverging` mirror each
/// other's.
[[nodiscard]] inline const ColourTable& table_of(ColourMap map) {
  static const ColourTable grey = [] {
    ColourTable table;
    for (std::size_t i = 0; i < table.size(); ++i) {
      const auto level = static_cast<std::uint8_t>(i);
      table[i] = {level, level, level};
    }
    return table;
  }();
  static const ColourTable sequential = colour_table(
      std::array{Lab{13, 22, -31}, Lab{33, 21, -41}, Lab{53, -23, -16}, Lab{73, -45, 26}, Lab{93, -18, 76}});
  static const ColourTable diverging = colour_table(
      std::array{Lab{30, 20, -58}, Lab{65, 0, -34}, Lab{100, 0, 0}, Lab{65, 40, 27}, Lab{30, 52, 36}});
  return map == ColourMap::grey ? grey : map == ColourMap::sequential ? sequential : diverging;
}

}  // namespace detail

/// The colour of `t`, clamped to [0, 1]; NaN is drawn as mid-grey.
[[nodiscard]] inline Rgb colour_of(ColourMap map, double t) {
  if (std::isnan(t)) return mid_grey;
  const double place = std::clamp(t, 0.0, 1.0) * 255.0;
  return detail::table_of(map)[static_cast<std::size_t>(place + 0.5)];
}

}  // namespace deconv::viz
