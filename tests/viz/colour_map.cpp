#include "deconv/viz/colour_map.hpp"

#include <cmath>
#include <limits>

#include "support/catch.hpp"

using namespace deconv;
using namespace deconv::viz;

namespace {

/// CIE lightness of an sRGB colour, 0 to 100.
double lightness(Rgb colour) {
  const auto linear = [](std::uint8_t byte) {
    const double c = byte / 255.0;
    return c <= 0.04045 ? c / 12.92 : std::pow((c + 0.055) / 1.055, 2.4);
  };
  const double y = 0.2126 * linear(colour.red) + 0.7152 * linear(colour.green) + 0.0722 * linear(colour.blue);
  return y > 0.008856 ? 116 * std::cbrt(y) - 16 : 903.3 * y;
}

}  // namespace

TEST_CASE("the grey map is the identity on bytes") {
  for (int i = 0; i < 256; ++i) {
    const auto level = static_cast<std::uint8_t>(i);
    CHECK(colour_of(ColourMap::grey, i / 255.0) == Rgb{level, level, level});
  }
}

TEST_CASE("the sequential map grows lighter in equal steps") {
  for (int i = 0; i <= 255; ++i) {
    const double wanted = 13 + 80 * i / 255.0;
    CHECK(!(std::abs(lightness(colour_of(ColourMap::sequential, i / 255.0)) - wanted) > 1.0));
  }
}

TEST_CASE(
    "the diverging map is white in the middle, its arms mirror each other's lightness, blue below and red "
    "above") {
  CHECK(lightness(colour_of(ColourMap::diverging, 0.5)) > 99.0);
  for (int i = 0; i <= 127; ++i) {
    const Rgb below = colour_of(ColourMap::diverging, i / 255.0);
    const Rgb above = colour_of(ColourMap::diverging, 1 - i / 255.0);
    CHECK(!(std::abs(lightness(below) - lightness(above)) > 1.5));
    if (i < 120) {
      CHECK(below.blue > below.red);
      CHECK(above.red > above.blue);
    }
  }
}

TEST_CASE("places outside the map are clamped, NaN is mid-grey") {
  CHECK(colour_of(ColourMap::sequential, -3) == colour_of(ColourMap::sequential, 0));
  CHECK(colour_of(ColourMap::sequential, std::numeric_limits<double>::infinity()) ==
        colour_of(ColourMap::sequential, 1));
  CHECK(colour_of(ColourMap::diverging, std::nan("")) == mid_grey);
}

TEST_CASE("colour maps are found by name") {
  CHECK(colour_map_by_name("diverging") == ColourMap::diverging);
  CHECK_THROWS_AS(colour_map_by_name("rainbow"), ArgumentError);
}
