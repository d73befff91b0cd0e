#include "deconv/viz/montage.hpp"

#include <string>
#include <vector>

#include "deconv/viz/canvas.hpp"
#include "support/catch.hpp"

using namespace deconv;
using namespace deconv::viz;

namespace {

Rgb at(const io::Image& image, Index y, Index x) { return {image(y, x, 0), image(y, x, 1), image(y, x, 2)}; }

constexpr Rgb red{200, 0, 0}, green{0, 200, 0}, blue{0, 0, 200};

}  // namespace

TEST_CASE("pictures stand row by row with gaps of the background") {
  const std::vector<io::Image> pictures{filled(4, 3, red), filled(4, 3, green), filled(4, 3, blue)};
  MontageOptions options;
  options.columns = 2;
  options.gap = 1;
  options.background = {9, 9, 9};
  const io::Image whole = montage(pictures, options);
  REQUIRE(whole.width() == 2 * 5 + 1);
  REQUIRE(whole.height() == 2 * 4 + 1);
  CHECK(at(whole, 1, 1) == red);
  CHECK(at(whole, 3, 4) == red);
  CHECK(at(whole, 1, 5) == options.background);
  CHECK(at(whole, 1, 6) == green);
  CHECK(at(whole, 5, 1) == blue);
  CHECK(at(whole, 5, 6) == options.background);
  CHECK(at(whole, 0, 0) == options.background);
}

TEST_CASE("pictures of several sizes are scaled to equal cells, in their proportions and centred") {
  const std::vector<io::Image> pictures{filled(8, 8, red), filled(4, 2, green)};
  MontageOptions options;
  options.columns = 2;
  options.gap = 0;
  const io::Image whole = montage(pictures, options);
  REQUIRE(whole.width() == 16);
  REQUIRE(whole.height() == 8);
  CHECK(at(whole, 1, 8) == options.background);
  CHECK(at(whole, 2, 8) == green);
  CHECK(at(whole, 5, 15) == green);
  CHECK(at(whole, 6, 15) == options.background);
}

TEST_CASE("without a number of columns the whole is nearly square") {
  const std::vector<io::Image> pictures(12, filled(30, 10, red));
  MontageOptions options;
  options.gap = 0;
  const io::Image whole = montage(pictures, options);
  CHECK(whole.width() == 60);
  CHECK(whole.height() == 60);
}

TEST_CASE("tiny pictures are enlarged pixel by pixel, larger ones are interpolated") {
  io::Image tiny(2, 1, 1);
  tiny(0, 1, 0) = 255;
  const io::Image enlarged = scaled_to_fit(tiny, 10, 5);
  REQUIRE(enlarged.width() == 10);
  for (Index x = 0; x < 10; ++x) CHECK(enlarged(2, x, 0) == (x < 5 ? 0 : 255));

  io::Image large(20, 1, 1);
  for (Index x = 10; x < 20; ++x) large(0, x, 0) = 255;
  const io::Image smooth = scaled_to_fit(large, 80, 4);
  bool between = false;
  for (Index x = 0; x < 80; ++x) between = between || (smooth(0, x, 0) > 20 && smooth(0, x, 0) < 235);
  CHECK(between);
}

TEST_CASE("captions stand below their pictures, cut where they do not fit") {
  const std::vector<io::Image> pictures{filled(23, 5, red), filled(23, 5, green)};
  MontageOptions options;
  options.columns = 2;
  options.gap = 1;
  const std::vector<std::string> captions{"ab", "much too long"};
  const io::Image whole = montage(pictures, options, captions);
  REQUIRE(whole.height() == 1 + 5 + viz::detail::caption_height + 1);
  Index dark = 0;
  for (Index y = 6; y < whole.height(); ++y)
    for (Index x = 0; x < whole.width(); ++x) dark += at(whole, y, x) == options.text;
  CHECK(dark > 20);
  for (Index y = 6; y < whole.height(); ++y) CHECK(at(whole, y, 24) == options.background);
  const std::vector<std::string> too_few{"ab"};
  CHECK_THROWS_AS(montage(pictures, options, too_few), ArgumentError);
}

TEST_CASE("grey and transparent pictures are laid on the background") {
  io::Image clear(1, 1, 4, 0);
  const std::vector<io::Image> pictures{io::Image(1, 1, 1, 77), clear};
  MontageOptions options;
  options.columns = 2;
  options.gap = 0;
  options.background = blue;
  const io::Image whole = montage(pictures, options);
  CHECK(at(whole, 0, 0) == Rgb{77, 77, 77});
  CHECK(at(whole, 0, 1) == blue);
}

TEST_CASE("pasting beside the canvas leaves out what does not fit") {
  io::Image canvas = filled(3, 3, white);
  paste(canvas, filled(2, 2, red), -1, -1);
  paste(canvas, filled(2, 2, green), 2, 2);
  paste(canvas, filled(2, 2, blue), 50, -50);
  CHECK(at(canvas, 0, 0) == red);
  CHECK(at(canvas, 0, 1) == white);
  CHECK(at(canvas, 2, 2) == green);
  CHECK(at(canvas, 1, 1) == white);
}

TEST_CASE("montages of nothing, of empty pictures and of absurd sizes are refused") {
  CHECK_THROWS_AS(montage({}), ArgumentError);
  const std::vector<io::Image> empty(1);
  CHECK_THROWS_AS(montage(empty), ArgumentError);
  const std::vector<io::Image> one{filled(1, 1, red)};
  MontageOptions options;
  options.gap = -1;
  CHECK_THROWS_AS(montage(one, options), ArgumentError);
  options.gap = 0;
  options.cell_width = 4096;
  options.cell_height = 4096;
  const std::vector<io::Image> many(40, filled(1, 1, red));
  CHECK_THROWS_AS(montage(many, options), ShapeError);
}
