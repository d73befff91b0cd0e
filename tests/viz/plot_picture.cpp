// Plots as pictures, and what is said where they cannot be drawn.

#include "deconv/viz/plot_picture.hpp"

#include <string>
#include <vector>

#include "support/catch.hpp"
#include "support/scratch_folder.hpp"

// What the fonts' library keeps until the program ends is no leak of ours. The leak sanitizer asks for this.
extern "C" const char* __lsan_default_suppressions() { return "leak:libfontconfig"; }

namespace {

using namespace deconv;
using namespace deconv::viz;

Plot bar_plot() {
  Plot plot;
  plot.groups = {"a", "b"};
  plot.bars.push_back({.name = "bars", .values = {1, 2}, .colour = Rgb{200, 10, 30}});
  plot.width = 320;
  plot.height = 200;
  return plot;
}

Index count(const io::Image& image, Rgb colour) {
  Index found = 0;
  for (Index y = 0; y < image.height(); ++y)
    for (Index x = 0; x < image.width(); ++x)
      found += Rgb{image(y, x, 0), image(y, x, 1), image(y, x, 2)} == colour ? 1 : 0;
  return found;
}

}  // namespace

TEST_CASE("a plot's picture has the plot's size, colours and areas", "[viz][plot_picture]") {
  const std::vector<Plot> plots{bar_plot(), bar_plot()};
  if (!has_plot_pictures) {
    CHECK_THROWS_AS(draw_plots(plots), ArgumentError);
    return;
  }
  const io::Image image = draw_plots(plots, 1);
  CHECK(image.width() == 320);
  CHECK(image.height() == 400);
  CHECK(image.channels() == 3);
  CHECK(count(image, white) > 320 * 400 / 3);
  const Index inked = count(image, {200, 10, 30});
  CHECK(inked > 2000);
  // Twice the size, four times the ink (but for pixels at edges).
  const io::Image larger = draw_plots(plots, 2);
  CHECK(larger.width() == 640);
  CHECK(static_cast<double>(count(larger, {200, 10, 30})) ==
        Approx(4.0 * static_cast<double>(inked)).epsilon(0.1));
  // Letters are there: the note changes the picture.
  std::vector<Plot> noted = plots;
  noted[0].note = "some words";
  CHECK(draw_plots(noted, 1).pixels().size() == image.pixels().size());
  CHECK(!(draw_plots(noted, 1) == image));
  CHECK(draw_plots(plots, 1) == image);
}

TEST_CASE("what cannot be drawn is said", "[viz][plot_picture]") {
  CHECK_THROWS_AS(draw_svg("<svg xmlns=\"http://www.w3.org/2000/svg\"/>", 0), ArgumentError);
  CHECK_THROWS_AS(draw_svg("<svg xmlns=\"http://www.w3.org/2000/svg\"/>", 17), ArgumentError);
  if (!has_plot_pictures) return;
  CHECK_THROWS_AS(draw_svg("no svg"), FormatError);
  CHECK_THROWS_AS(draw_svg(""), FormatError);
  CHECK_THROWS_AS(draw_svg("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"40000\" height=\"2\"/>", 1),
                  ShapeError);
}

TEST_CASE("plots are written by their extension", "[viz][plot_picture]") {
  const test::ScratchFolder folder;
  const std::vector<Plot> plots{bar_plot()};
  write_plots(folder / "a.svg", plots);
  CHECK(io::read_text(folder / "a.svg") == to_svg(plots));
  CHECK_THROWS_AS(write_plots(folder / "a.pdf", plots), ArgumentError);
  if (has_plot_pictures) {
    write_plots(folder / "a.png", plots, 1);
    CHECK(io::read_image(folder / "a.png") == draw_plots(plots, 1));
  } else {
    CHECK_THROWS_AS(write_plots(folder / "a.png", plots), ArgumentError);
    CHECK(!std::filesystem::exists(folder / "a.png"));
  }
}
