#include "deconv/viz/text.hpp"

#include <set>

#include "deconv/viz/canvas.hpp"
#include "support/catch.hpp"

using namespace deconv;
using namespace deconv::viz;

TEST_CASE("every letter, digit and sign of the font looks different") {
  std::set<viz::detail::Glyph> seen;
  const std::string known = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 .,:/_-+=%#()'?";
  for (const char c : known) {
    INFO(c);
    CHECK(seen.insert(viz::detail::glyph_of(c)).second);
  }
  CHECK(viz::detail::glyph_of('q') == viz::detail::glyph_of('Q'));
  CHECK(viz::detail::glyph_of('\x80') == viz::detail::glyph_of('?'));
}

TEST_CASE("text is drawn pixel by pixel from its upper left corner") {
  io::Image canvas = filled(12, 9, white);
  draw_text(canvas, "L1", 1, 1);
  const char* wanted[9] = {"............",  //
                           ".#.......#..",  //
                           ".#......##..",  //
                           ".#.......#..",  //
                           ".#.......#..",  //
                           ".#.......#..",  //
                           ".#.......#..",  //
                           ".#####..###.",  //
                           "............"};
  for (Index y = 0; y < 9; ++y)
    for (Index x = 0; x < 12; ++x) CHECK((canvas(y, x, 1) == 0) == (wanted[y][x] == '#'));
}

TEST_CASE("text that leaves the canvas is cut off") {
  io::Image canvas = filled(4, 4, white);
  draw_text(canvas, "###", -3, -2);
  draw_text(canvas, "W", 100, 100);
  Index dark = 0;
  for (const std::uint8_t byte : canvas.pixels()) dark += byte == 0;
  CHECK(dark > 0);
  io::Image grey(4, 4, 1);
  CHECK_THROWS_AS(draw_text(grey, "a", 0, 0), ShapeError);
}

TEST_CASE("a line that is too long ends in two dots") {
  CHECK(text_width("") == 0);
  CHECK(text_width("abc") == 17);
  CHECK(text_that_fits("abc", 17) == "abc");
  CHECK(text_that_fits("abcdef", 23) == "ab..");
  CHECK(text_that_fits("abcdef", 11) == "ab");
  CHECK(text_that_fits("abcdef", 0).empty());
  CHECK(text_width(text_that_fits("a long caption", 40)) <= 40);
}
