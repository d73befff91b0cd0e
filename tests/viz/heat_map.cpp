// Heat maps with colour bars, and planes of classes with legends.

#include "deconv/viz/heat_map.hpp"

#include <limits>
#include <string>
#include <vector>

#include "deconv/viz/class_plane.hpp"
#include "support/catch.hpp"

namespace {

using namespace deconv;
using namespace deconv::viz;

Rgb pixel(const io::Image& image, Index x, Index y) {
  return {image(y, x, 0), image(y, x, 1), image(y, x, 2)};
}

Index count(const io::Image& image, Rgb colour) {
  Index found = 0;
  for (Index y = 0; y < image.height(); ++y)
    for (Index x = 0; x < image.width(); ++x) found += pixel(image, x, y) == colour ? 1 : 0;
  return found;
}

Tensor<float, Cpu> plane_of(const Shape& shape, std::vector<float> values) {
  return Tensor<float, Cpu>::from(shape, values);
}

constexpr float nan_value = std::numeric_limits<float>::quiet_NaN();

}  // namespace

TEST_CASE("a heat map's cells have the colours of its bar", "[viz][heat_map]") {
  const auto plane = plane_of({1, 2}, {0, 10});
  const io::Image plain = heat_map(plane, {.width = 100, .height = 60, .bar = false});
  const Rgb low = colour_of(ColourMap::sequential, 0), high = colour_of(ColourMap::sequential, 1);
  CHECK(count(plain, low) == 50 * 60);
  CHECK(count(plain, high) == 50 * 60);
  CHECK(pixel(plain, 8 + 49, 8 + 30) == low);
  CHECK(pixel(plain, 8 + 50, 8 + 30) == high);

  // The bar is brightest above, and adds to the right alone.
  const io::Image image = heat_map(plane, {.width = 100, .height = 60});
  CHECK(image.height() == plain.height());
  CHECK(image.width() > plain.width() + 20);
  const Index bar = 8 + 100 + 12 + 7;
  CHECK(pixel(image, bar, 8) == colour_of(ColourMap::sequential, 1 - 0.5 / 60));
  CHECK(pixel(image, bar, 8 + 59) == colour_of(ColourMap::sequential, 0.5 / 60));

  // More to say makes a larger picture.
  const io::Image titled = heat_map(plane, {.title = "a", .width = 100, .height = 60});
  CHECK(titled.height() > image.height());
  const io::Image labelled = heat_map(plane, {.label = "a", .unit = "b", .width = 100, .height = 60});
  CHECK(labelled.width() > image.width());
}

TEST_CASE("a heat map's range is what is asked for or what the numbers need", "[viz][heat_map]") {
  const auto plane = plane_of({1, 2}, {-1, 3});
  HeatMapOptions how{.width = 10, .height = 10, .bar = false};
  how.colours = ColourMap::diverging;
  io::Image image = heat_map(plane, how);
  CHECK(pixel(image, 8, 8) == colour_of(ColourMap::diverging, 1.0 / 3));
  CHECK(pixel(image, 17, 8) == colour_of(ColourMap::diverging, 1));
  how.range = ValueRange{-4, 12};
  image = heat_map(plane, how);
  CHECK(pixel(image, 8, 8) == colour_of(ColourMap::diverging, 3.0 / 16));
  // One value, or none at all, is drawn all the same.
  for (const float value : {0.0f, 5.0f, 1e-30f, nan_value}) {
    const auto flat = plane_of({2, 2}, {value, value, value, value});
    CHECK(heat_map(flat, {.label = "flat"}).width() > 256);
  }
}

TEST_CASE("smooth heat maps pass through the cells' centres", "[viz][heat_map]") {
  const auto plane = plane_of({1, 2}, {0, 1});
  const auto at = viz::detail::sampled_plane(plane, {1, 0.5, 2, 1}, {0, 0, 4, 1}, 1, 8, true);
  const std::vector<float> wanted{0, 0, 0.125f, 0.375f, 0.625f, 0.875f, 1, 1};
  for (std::size_t i = 0; i < wanted.size(); ++i) CHECK(at.data()[i] == Approx(wanted[i]));
  // NaN stays in its own surroundings.
  const auto holed = plane_of({1, 3}, {0, 1, nan_value});
  const auto sampled = viz::detail::sampled_plane(holed, {0.5, 0.5, 1, 1}, {0, 0, 3, 1}, 1, 3, true);
  CHECK(sampled.data()[1] == 1);
  CHECK(std::isnan(sampled.data()[2]));
}

TEST_CASE("a heat map lies where its cells are in the photograph", "[viz][heat_map]") {
  const io::Image photograph(20, 10, 3, 200);
  const auto plane = plane_of({1, 1}, {1});
  HeatMapOptions how{.range = ValueRange{0, 1}, .bar = false, .cells = CellGrid{10, 5, 4, 4}, .alpha = 1};
  const io::Image image = heat_map(plane, photograph, how);
  const Rgb colour = colour_of(ColourMap::sequential, 1);
  CHECK(image.width() == 20 + 16);
  CHECK(count(image, colour) == 16);
  CHECK(pixel(image, 8 + 8, 8 + 3) == colour);
  CHECK(pixel(image, 8 + 11, 8 + 6) == colour);
  CHECK(pixel(image, 8 + 12, 8 + 6) == Rgb{200, 200, 200});
  how.alpha = 0;
  CHECK(count(heat_map(plane, photograph, how), Rgb{200, 200, 200}) == 200);
  // Drawn twice as large, four times as many pixels.
  how.alpha = 1;
  how.width = 40;
  CHECK(count(heat_map(plane, photograph, how), colour) == 64);
  // Without a grid the whole picture.
  how.width = 0;
  how.cells.reset();
  CHECK(count(heat_map(plane, photograph, how), colour) == 200);
  // Axes take room to the left and below.
  how.axes = true;
  const io::Image with_axes = heat_map(plane, photograph, how);
  CHECK(with_axes.width() > image.width());
  CHECK(with_axes.height() > image.height());
}

TEST_CASE("what a heat map cannot be is said", "[viz][heat_map]") {
  const auto plane = plane_of({1, 2}, {0, 1});
  CHECK_THROWS_AS(heat_map(plane_of({2}, {0, 1})), ShapeError);
  CHECK_THROWS_AS(heat_map(plane, {.range = ValueRange{1, 0}}), ArgumentError);
  CHECK_THROWS_AS(heat_map(plane, {.range = ValueRange{0, nan_value}}), ArgumentError);
  CHECK_THROWS_AS(heat_map(plane, {.width = -1}), ArgumentError);
  CHECK_THROWS_AS(heat_map(plane, {.width = 20000}), ArgumentError);
  CHECK_THROWS_AS(heat_map(plane, {.cells = CellGrid{0, 0, 0, 1}}), ArgumentError);
  CHECK_THROWS_AS(heat_map(plane, io::Image{}), ArgumentError);
  CHECK_THROWS_AS(heat_map(plane, io::Image(4, 4), {.alpha = 2}), ArgumentError);
  const std::vector<Index> classes{0, 1};
  CHECK_THROWS_AS(class_plane(classes, 1, 3), ShapeError);
  CHECK_THROWS_AS(class_plane(classes, 0, 0), ShapeError);
  CHECK_THROWS_AS(class_plane(classes, 1, 2, {.legend_width = -1}), ArgumentError);
  CHECK_THROWS_AS(class_plane(classes, 1, 2, io::Image{}), ArgumentError);
}

TEST_CASE("classes have a colour each, the most frequent first", "[viz][heat_map]") {
  const std::vector<Index> classes{7, 3, 3, -1, 3, 7};
  const io::Image image = class_plane(classes, 2, 3, {.width = 30, .height = 20});
  // The legend has a box of 9 x 9 of each.
  CHECK(count(image, class_colours[0]) == 3 * 100 + 81);
  CHECK(count(image, class_colours[1]) == 2 * 100 + 81);
  CHECK(count(image, class_colours[2]) == 0);
  CHECK(pixel(image, 8, 8) == class_colours[1]);
  CHECK(pixel(image, 8 + 5, 8 + 15) == white);
  // Names make the legend as wide as they are, up to the width it may have.
  const auto width = [&](Index most) {
    return class_plane(classes, 2, 3,
                       {.name = [](Index) { return std::string("a rather long name of a class"); },
                        .width = 30,
                        .height = 20,
                        .legend_width = most})
        .width();
  };
  CHECK(width(400) > image.width());
  CHECK(width(400) - width(100) >= 50);

  // More classes than colours: the others are grey.
  std::vector<Index> many;
  for (Index k = 0; k < 12; ++k) many.push_back(k);
  const io::Image crowded = class_plane(many, 1, 12, {.width = 120, .height = 10});
  CHECK(count(crowded, class_colours[9]) == 100 + 81);
  CHECK(count(crowded, mid_grey) == 200 + 81);
  // No class at all.
  const std::vector<Index> none{-1};
  CHECK(count(class_plane(none, 1, 1, {.width = 10, .height = 10}), white) >= 100);
}
