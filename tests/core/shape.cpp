#include "deconv/core/shape.hpp"

#include <limits>
#include <sstream>
#include <vector>

#include "support/catch.hpp"

using namespace deconv;

TEST_CASE("a shape counts its elements") {
  CHECK(Shape{}.count() == 1);
  CHECK(Shape{}.rank() == 0);
  CHECK(Shape{2, 3, 5}.count() == 30);
  CHECK(Shape{2, 0, 5}.count() == 0);
  CHECK(Shape{2, 3}.with(-1, 7) == Shape{2, 7});
  CHECK(Shape{2, 0}.with(1, 4).count() == 8);
  CHECK_FALSE(Shape{2, 3} == Shape{2, 3, 1});
}

TEST_CASE("axes count from the back when negative, and must exist") {
  const Shape shape{2, 3, 5};
  CHECK(shape.extent(-1) == 5);
  CHECK(shape.extent(-3) == 2);
  CHECK(shape.normal_axis(1) == 1);
  CHECK_THROWS_AS(shape.extent(3), ShapeError);
  CHECK_THROWS_AS(shape.extent(-4), ShapeError);
  CHECK_THROWS_AS(Shape{}.extent(0), ShapeError);
}

TEST_CASE("a shape that no memory holds is refused before anything multiplies") {
  const Index huge = std::numeric_limits<Index>::max();
  CHECK_THROWS_AS((Shape{-1}), ShapeError);
  CHECK_THROWS_AS((Shape{huge, 2}), ShapeError);
  CHECK_THROWS_AS((Shape{Index{1} << 32, Index{1} << 32}), ShapeError);
  CHECK_THROWS_AS((Shape{0, huge, huge}), ShapeError);  // the other extents must make sense all the same
  CHECK_THROWS_AS((Shape{2, 3}).with(0, huge), ShapeError);
  CHECK_THROWS_AS(Shape(std::vector<Index>(9, 1)), ShapeError);
  CHECK(Shape(std::vector<Index>(8, 2)).count() == 256);
}

TEST_CASE("a shape prints as it is written in messages") {
  std::ostringstream text;
  text << Shape{1, 3, 224, 224} << Shape{};
  CHECK(text.str() == "[1,3,224,224][]");
}
