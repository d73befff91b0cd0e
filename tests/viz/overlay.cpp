#include "deconv/viz/overlay.hpp"

#include <cmath>
#include <vector>

#include "support/catch.hpp"

using namespace deconv;
using namespace deconv::viz;

namespace {

Rgb at(const io::Image& image, Index y, Index x) { return {image(y, x, 0), image(y, x, 1), image(y, x, 2)}; }

}  // namespace

TEST_CASE("a plane grows by interpolation between pixel centres") {
  const auto plane = Tensor<float, Cpu>::from({1, 2}, std::vector<float>{0, 4});
  const auto wide = resize_plane<float>(plane, 1, 4);
  const std::vector<float> wanted{0, 1, 3, 4};
  for (std::size_t i = 0; i < 4; ++i) CHECK(wide.data()[i] == wanted[i]);
  const auto same = resize_plane<float>(wide, 1, 4);
  for (std::size_t i = 0; i < 4; ++i) CHECK(same.data()[i] == wanted[i]);
}

TEST_CASE("a linear ramp stays one inside the outermost centres") {
  Tensor<float, Cpu> ramp({5, 7});
  for (Index y = 0; y < 5; ++y)
    for (Index x = 0; x < 7; ++x) ramp.data()[y * 7 + x] = static_cast<float>(10 * y + x);
  const auto grown = resize_plane<float>(ramp, 15, 21);
  for (Index y = 1; y < 14; ++y)
    for (Index x = 1; x < 20; ++x) {
      const double wanted =
          10 * ((static_cast<double>(y) + 0.5) / 3 - 0.5) + (static_cast<double>(x) + 0.5) / 3 - 0.5;
      CHECK(!(std::abs(static_cast<double>(grown.data()[y * 21 + x]) - wanted) > 1e-5));
    }
  CHECK_THROWS_AS(resize_plane<float>(ramp, 0, 3), ShapeError);
}

TEST_CASE("a heat map is mixed into the picture by alpha") {
  const io::Image picture(4, 4, 3, 100);
  const auto heat = Tensor<float, Cpu>::from({2, 2}, std::vector<float>{0, 0, 8, 8});
  const io::Image half = overlay(picture, heat);
  const Rgb cold = colour_of(ColourMap::sequential, 0), hot = colour_of(ColourMap::sequential, 1);
  const auto mixed = [](std::uint8_t c) {
    return static_cast<std::uint8_t>(std::lround(0.5 * 100 + 0.5 * c));
  };
  CHECK(at(half, 0, 0) == Rgb{mixed(cold.red), mixed(cold.green), mixed(cold.blue)});
  CHECK(at(half, 3, 3) == Rgb{mixed(hot.red), mixed(hot.green), mixed(hot.blue)});

  CHECK(overlay(picture, heat, OverlayOptions{.alpha = 0}) == picture);
  const io::Image full = overlay(picture, heat, OverlayOptions{.alpha = 1});
  CHECK(at(full, 3, 0) == hot);
}

TEST_CASE("a fading overlay leaves the picture as it is where the map is lowest") {
  const io::Image picture(2, 2, 1, 50);
  const auto heat = Tensor<float, Cpu>::from({2, 1}, std::vector<float>{0, 1});
  const io::Image faded = overlay(picture, heat, OverlayOptions{.alpha = 1, .fade = true});
  CHECK(at(faded, 0, 0) == Rgb{50, 50, 50});
  CHECK(at(faded, 1, 1) == colour_of(ColourMap::sequential, 1));
}

TEST_CASE("an overlay of a flat, empty or odd map is well-behaved, a bad alpha refused") {
  const io::Image picture(3, 2, 3, 10);
  const auto zero = Tensor<float, Cpu>::filled({2, 2}, 0.0f);
  CHECK(at(overlay(picture, zero, OverlayOptions{.alpha = 1}), 1, 2) == colour_of(ColourMap::sequential, 0));
  const auto odd = Tensor<float, Cpu>::filled({2, 2}, std::nanf(""));
  CHECK(overlay(picture, odd) == picture);
  CHECK_THROWS_AS(overlay(picture, zero, OverlayOptions{.alpha = 1.5}), ArgumentError);
  CHECK_THROWS_AS(overlay(picture, Tensor<float, Cpu>::filled({1, 2, 2}, 0.0f)), ShapeError);
  CHECK_THROWS_AS(overlay(io::Image(), zero), ArgumentError);
}
