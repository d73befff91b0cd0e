#include "deconv/viz/stretch.hpp"

#include <limits>
#include <vector>

#include "deconv/core/tensor.hpp"
#include "support/catch.hpp"

using namespace deconv;
using namespace deconv::viz;

namespace {

Tensor<float, Cpu> tensor(const Shape& shape, const std::vector<float>& values) {
  return Tensor<float, Cpu>::from(shape, values);
}
constexpr float inf = std::numeric_limits<float>::infinity();
constexpr float nan_value = std::numeric_limits<float>::quiet_NaN();

}  // namespace

TEST_CASE("the symmetric range reaches to the largest magnitude") {
  const std::vector<float> values{-3, 1, 2, 0};
  CHECK(symmetric_range(values) == ValueRange{-3, 3});
  CHECK(symmetric_range(std::vector<float>{0, 0}) == ValueRange{0, 0});
  CHECK(symmetric_range(std::vector<float>{nan_value, inf, -2, -inf}) == ValueRange{-2, 2});
}

TEST_CASE("the symmetric range's percentile leaves the zeros out") {
  std::vector<float> values(1000, 0.0f);
  for (int i = 1; i <= 100; ++i) values.push_back(static_cast<float>(i % 2 ? i : -i));
  CHECK(symmetric_range(values, 99) == ValueRange{-99, 99});
  CHECK(symmetric_range(values, 50) == ValueRange{-50, 50});
  CHECK_THROWS_AS(symmetric_range(values, 0), ArgumentError);
  CHECK_THROWS_AS(symmetric_range(values, 100.5), ArgumentError);
}

TEST_CASE("the full range clips half of the rest at each end") {
  std::vector<float> values;
  for (int i = 1; i <= 100; ++i) values.push_back(static_cast<float>(i));
  CHECK(full_range(values) == ValueRange{1, 100});
  CHECK(full_range(values, 90) == ValueRange{6, 95});
  CHECK(full_range(std::vector<float>{nan_value}) == ValueRange{0, 0});
}

TEST_CASE("a signed picture has zero in mid-grey and stretches both sides alike") {
  const auto planes = tensor({1, 1, 5}, {-4, -2, 0, 2, 4});
  const io::Image image = stretched_about_zero(planes);
  REQUIRE(image.channels() == 1);
  REQUIRE(image.width() == 5);
  CHECK(image(0, 0, 0) == 0);
  CHECK(image(0, 1, 0) == 64);
  CHECK(image(0, 2, 0) == mid_grey.red);
  CHECK(image(0, 3, 0) == 191);
  CHECK(image(0, 4, 0) == 255);
}

TEST_CASE("a picture without contrast is mid-grey throughout") {
  const io::Image image = stretched_about_zero(Tensor<float, Cpu>::filled({3, 2, 2}, 0.0f));
  for (const std::uint8_t byte : image.pixels()) CHECK(byte == 128);
}

TEST_CASE("planes become interleaved channels, blue first where the network takes it first") {
  const auto planes = tensor({3, 1, 2}, {0, 1, 2, 3, 4, 5});
  const ValueRange range{0, 5};
  const io::Image rgb = stretched(planes, range);
  CHECK(rgb(0, 0, 0) == 0);
  CHECK(rgb(0, 0, 1) == 102);
  CHECK(rgb(0, 0, 2) == 204);
  CHECK(rgb(0, 1, 0) == 51);
  const io::Image bgr = stretched(planes, range, io::ChannelOrder::bgr);
  CHECK(bgr(0, 0, 0) == 204);
  CHECK(bgr(0, 0, 1) == 102);
  CHECK(bgr(0, 1, 2) == 51);
}

TEST_CASE("what lies outside the range is clipped, NaN is drawn in the middle") {
  const auto planes = tensor({1, 1, 4}, {-inf, inf, nan_value, 9});
  const io::Image image = stretched(planes, {0, 8});
  CHECK(image(0, 0, 0) == 0);
  CHECK(image(0, 1, 0) == 255);
  CHECK(image(0, 2, 0) == 128);
  CHECK(image(0, 3, 0) == 255);
}

TEST_CASE("a coloured plane takes the map's ends at the range's ends") {
  const auto plane = tensor({1, 2}, {-1, 1});
  const io::Image image = coloured(plane, {-1, 1}, ColourMap::diverging);
  const Rgb blue = colour_of(ColourMap::diverging, 0), red = colour_of(ColourMap::diverging, 1);
  CHECK(Rgb{image(0, 0, 0), image(0, 0, 1), image(0, 0, 2)} == blue);
  CHECK(Rgb{image(0, 1, 0), image(0, 1, 1), image(0, 1, 2)} == red);
}

TEST_CASE("planes of other shapes are refused") {
  CHECK_THROWS_AS(stretched(tensor({2, 1, 1}, {0, 0}), {0, 1}), ShapeError);
  CHECK_THROWS_AS(stretched(tensor({1, 1}, {0}), {0, 1}), ShapeError);
  CHECK_THROWS_AS(coloured(tensor({1, 1, 1}, {0}), {0, 1}), ShapeError);
}
