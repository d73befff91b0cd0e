// Resizing against a direct evaluation of the filter in double, and against values that Pillow 13 gives for a
// small picture.

#include "deconv/io/resize.hpp"

#include <cmath>
#include <vector>

#include "deconv/core/random.hpp"
#include "support/catch.hpp"

namespace {

using namespace deconv;
using io::Image;

Image random_picture(Index width, Index height, Index channels = 3) {
  Image image(width, height, channels);
  const Random random(7);
  for (std::size_t i = 0; i < image.pixels().size(); ++i)
    image.pixels()[i] = static_cast<std::uint8_t>(random.below(i, 256));
  return image;
}

// The filter's definition, both axes at once.
double direct(const Image& image, Index width, Index height, Index y, Index x, Index c) {
  const auto weights = [](Index source, Index target, Index i) {
    const double scale = static_cast<double>(source) / static_cast<double>(target);
    const double radius = std::max(scale, 1.0), centre = (static_cast<double>(i) + 0.5) * scale;
    std::vector<double> w(static_cast<std::size_t>(source));
    double sum = 0;
    for (std::size_t k = 0; k < w.size(); ++k) {
      w[k] = std::max(0.0, 1.0 - std::abs(static_cast<double>(k) + 0.5 - centre) / radius);
      sum += w[k];
    }
    for (double& value : w) value /= sum;
    return w;
  };
  const auto across = weights(image.width(), width, x), down = weights(image.height(), height, y);
  double sum = 0;
  for (Index v = 0; v < image.height(); ++v)
    for (Index u = 0; u < image.width(); ++u)
      sum += down[static_cast<std::size_t>(v)] * across[static_cast<std::size_t>(u)] * image(v, u, c);
  return sum;
}

}  // namespace

TEST_CASE("resizing is the triangle filter", "[io][resize]") {
  for (const Index channels : {1, 3, 4}) {
    const Image image = random_picture(23, 17, channels);
    for (const auto& [width, height] :
         {std::pair<Index, Index>{9, 5}, {46, 34}, {23, 4}, {7, 17}, {1, 1}, {31, 3}, {24, 18}}) {
      const Image resized = io::resize(image, width, height);
      double worst = 0;
      for (Index y = 0; y < height; ++y)
        for (Index x = 0; x < width; ++x)
          for (Index c = 0; c < channels; ++c)
            worst = std::max(worst, std::abs(resized(y, x, c) - direct(image, width, height, y, x, c)));
      INFO(width << "x" << height << " of " << channels << " channels");
      CHECK(worst <= 1.01);  // two roundings, across and down
    }
  }
}

TEST_CASE("resizing gives Pillow's values", "[io][resize]") {
  Image image(13, 11);
  for (Index y = 0; y < 11; ++y)
    for (Index x = 0; x < 13; ++x)
      for (Index c = 0; c < 3; ++c)
        image(y, x, c) = static_cast<std::uint8_t>((x * 37 + y * 91 + x * y * 13) % 256);
  const auto values = [&](Index width, Index height) {
    const Image resized = io::resize(image, width, height);
    std::vector<int> result;
    for (std::size_t i = 0; i < resized.pixels().size(); i += 3) result.push_back(resized.pixels()[i]);
    return result;
  };
  CHECK(values(5, 4) == std::vector<int>{117, 140, 135, 116, 128, 124, 144, 132, 137, 115,
                                         135, 152, 146, 149, 134, 140, 113, 123, 115, 142});
  CHECK(values(3, 14) == std::vector<int>{76,  123, 112, 124, 131, 119, 151, 138, 128, 148, 141,
                                          125, 127, 136, 100, 120, 131, 133, 137, 137, 139, 129,
                                          143, 123, 114, 153, 116, 182, 186, 182, 160, 126, 158,
                                          125, 107, 130, 111, 112, 112, 131, 120, 109});
}

TEST_CASE("a window of a resized picture is a part of the whole", "[io][resize]") {
  const Image image = random_picture(40, 30);
  for (const auto filter : {io::ResizeFilter::triangle, io::ResizeFilter::nearest})
    for (const auto& [width, height] : {std::pair<Index, Index>{21, 16}, {80, 61}, {40, 30}, {40, 15}}) {
      const io::Box window{3, 5, 11, 8};
      CHECK(io::resize_window(image, width, height, window, filter) ==
            io::crop(io::resize(image, width, height, filter), window));
    }
  CHECK_THROWS_AS(io::resize_window(image, 20, 20, {15, 0, 6, 6}), ShapeError);
  CHECK_THROWS_AS(io::resize(image, 0, 20), ShapeError);
  CHECK_THROWS_AS(io::resize(Image(), 20, 20), ShapeError);
}

TEST_CASE("a window of an enormous resized picture takes little", "[io][resize]") {
  // The whole would have 5120000 x 256 pixels.
  Image strip(20000, 1);
  for (Index x = 0; x < 20000; ++x) strip(0, x, 0) = static_cast<std::uint8_t>(x % 256);
  const Image middle = io::resize_window(strip, 5120000, 256, {2560000, 16, 224, 224});
  CHECK(middle.width() == 224);
  CHECK(std::abs(middle(100, 0, 0) - 10000 % 256) <= 1);
}

TEST_CASE("nearest takes the pixel under the centre", "[io][resize]") {
  const Image image = random_picture(6, 4);
  const Image twice = io::resize(image, 12, 8, io::ResizeFilter::nearest);
  const Image half = io::resize(image, 3, 2, io::ResizeFilter::nearest);
  for (Index y = 0; y < 8; ++y)
    for (Index x = 0; x < 12; ++x) REQUIRE(twice(y, x, 1) == image(y / 2, x / 2, 1));
  for (Index y = 0; y < 2; ++y)
    for (Index x = 0; x < 3; ++x) REQUIRE(half(y, x, 2) == image(2 * y + 1, 2 * x + 1, 2));
}

TEST_CASE("the box in the middle", "[io][resize]") {
  CHECK(io::centre_box(227, 227, 224, 224) == io::Box{2, 2, 224, 224});  // 1.5 is even at 2
  CHECK(io::centre_box(225, 229, 224, 224) == io::Box{0, 2, 224, 224});  // 0.5 at 0, 2.5 at 2
  CHECK(io::centre_box(256, 224, 224, 224) == io::Box{16, 0, 224, 224});
  CHECK_THROWS_AS(io::centre_box(223, 300, 224, 224), ShapeError);
}
