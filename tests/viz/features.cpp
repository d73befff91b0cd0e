#include "deconv/viz/features.hpp"

#include <vector>

#include "deconv/viz/activation_pictures.hpp"
#include "deconv/viz/filter_pictures.hpp"
#include "support/catch.hpp"

using namespace deconv;
using namespace deconv::viz;

namespace {

Rgb at(const io::Image& image, Index y, Index x) { return {image(y, x, 0), image(y, x, 1), image(y, x, 2)}; }

constexpr Rgb red{200, 0, 0}, green{0, 200, 0}, blue{0, 0, 200}, yellow{200, 200, 0};

Projection<float> projection_of(float value) {
  Projection<float> projection;
  projection.pixels = Tensor<float, Cpu>::filled({3, 2, 2}, 0.0f);
  projection.pixels.data()[0] = value;
  return projection;
}

}  // namespace

TEST_CASE("a block of projections stands beside the block of their patches") {
  FeatureBlock first{"map 1", {}}, second{"map 2", {}};
  for (int i = 0; i < 9; ++i) first.tiles.push_back({filled(4, 4, red), filled(4, 4, green)});
  for (int i = 0; i < 4; ++i) second.tiles.push_back({filled(4, 4, blue), filled(4, 4, yellow)});
  const std::vector<FeatureBlock> blocks{first, second};
  FeatureMontageOptions options;
  options.tile = 8;
  options.gap = 1;
  options.block_gap = 5;
  options.columns = 2;
  options.captions = false;
  const io::Image whole = feature_montage(blocks, options);
  const Index half = 3 * 9 - 1, pair = 2 * half + 4;
  REQUIRE(whole.width() == 2 * (pair + 5) + 5);
  REQUIRE(whole.height() == half + 10);
  CHECK(at(whole, 5, 5) == red);
  CHECK(at(whole, 5, 5 + 8) == options.background);
  CHECK(at(whole, 5, 5 + 9) == red);
  CHECK(at(whole, 5 + half - 1, 5 + half - 1) == red);
  CHECK(at(whole, 5, 5 + half) == options.background);
  CHECK(at(whole, 5, 5 + half + 4) == green);
  CHECK(at(whole, 5 + 18, 5 + pair - 1) == green);
  const Index other = 5 + pair + 5;
  CHECK(at(whole, 5, other) == blue);
  CHECK(at(whole, 5 + 9, other) == blue);
  CHECK(at(whole, 5 + 9, other + 9) == options.background);
  CHECK(at(whole, 5 + 9, other + half + 4) == yellow);
}

TEST_CASE("blocks have captions unless asked not to") {
  const std::vector<FeatureBlock> blocks{{"conv1 3", {{filled(20, 20, red), filled(20, 20, red)}}}};
  FeatureMontageOptions options;
  const io::Image with = feature_montage(blocks, options);
  options.captions = false;
  const io::Image without = feature_montage(blocks, options);
  CHECK(with.height() == without.height() + viz::detail::caption_height);
  Index dark = 0;
  for (Index y = 0; y < options.block_gap + glyph_height; ++y)
    for (Index x = 0; x < with.width(); ++x) dark += at(with, y, x) == black;
  CHECK(dark > 20);
}

TEST_CASE("feature montages without tiles or with empty pictures are refused") {
  CHECK_THROWS_AS(feature_montage({}), ArgumentError);
  const std::vector<FeatureBlock> none{{"a", {}}};
  CHECK_THROWS_AS(feature_montage(none), ArgumentError);
  const std::vector<FeatureBlock> empty{{"a", {{io::Image(), filled(1, 1, red)}}}};
  CHECK_THROWS_AS(feature_montage(empty), ArgumentError);
}

TEST_CASE("a patch that reaches over the image is grey there") {
  io::Image seen = filled(6, 5, green);
  seen(0, 0, 0) = 9;
  const io::Image patch = patch_under(seen, {-2, -1, 3, 2});
  REQUIRE(patch.width() == 3);
  REQUIRE(patch.height() == 5);
  CHECK(at(patch, 1, 2) == mid_grey);
  CHECK(at(patch, 2, 0) == mid_grey);
  CHECK(at(patch, 2, 1) == Rgb{9, 200, 0});
  CHECK(at(patch, 4, 2) == green);
  CHECK_THROWS_AS(patch_under(seen, {2, 2, 2, 4}), ShapeError);
}

TEST_CASE("projections are stretched each by itself or all alike") {
  std::vector<Projection<float>> projections;
  projections.push_back(projection_of(1));
  projections.push_back(projection_of(-4));
  const auto each = projection_pictures(projections);
  CHECK(each[0](0, 0, 0) == 255);
  CHECK(each[1](0, 0, 0) == 0);
  CHECK(each[0](1, 1, 0) == mid_grey.red);
  const auto common = projection_pictures(projections, io::ChannelOrder::rgb, StretchScope::common);
  CHECK(common[0](0, 0, 0) == 159);
  CHECK(common[1](0, 0, 0) == 0);
  const auto swapped = projection_pictures(projections, io::ChannelOrder::bgr);
  CHECK(swapped[0](0, 0, 2) == 255);
  CHECK(swapped[0](0, 0, 0) == mid_grey.red);
}

TEST_CASE("filters are drawn in colour, in grey, or as slices of many channels") {
  const auto colour = Tensor<float, Cpu>::from({2, 3, 1, 1}, std::vector<float>{1, 0, -1, 10, 0, 0});
  const auto each = filter_pictures(colour);
  REQUIRE(each.size() == 2);
  CHECK(at(each[0], 0, 0) == Rgb{255, 128, 0});
  CHECK(at(each[1], 0, 0) == Rgb{255, 128, 128});
  const auto common = filter_pictures(colour, io::ChannelOrder::rgb, StretchScope::common);
  CHECK(at(common[0], 0, 0) == Rgb{140, 128, 115});
  CHECK(at(filter_pictures(colour, io::ChannelOrder::bgr)[0], 0, 0) == Rgb{0, 128, 255});

  const auto many = filter_pictures(Tensor<float, Cpu>::filled({5, 4, 3, 2}, 1.0f));
  REQUIRE(many.size() == 5);
  CHECK(many[0].width() * many[0].height() == 4 * 6);
  CHECK_THROWS_AS(filter_pictures(Tensor<float, Cpu>::filled({5, 4}, 1.0f)), ShapeError);
}

TEST_CASE("activations become a picture a map in either layout, vectors one picture") {
  Tensor<float, Cpu> maps({1, 2, 1, 2}, Layout::nhwc);
  maps(0, 0, 0, 0) = 0, maps(0, 0, 0, 1) = 1, maps(0, 1, 0, 0) = 4, maps(0, 1, 0, 1) = 2;
  const auto each = activation_pictures(maps, 0);
  REQUIRE(each.size() == 2);
  CHECK(at(each[0], 0, 0) == black);
  CHECK(at(each[0], 0, 1) == white);
  CHECK(at(each[1], 0, 0) == white);
  ActivationPictureOptions alike;
  alike.scope = StretchScope::common;
  CHECK(at(activation_pictures(maps, 0, alike)[0], 0, 1) == Rgb{64, 64, 64});
  CHECK_THROWS_AS(activation_pictures(maps, 1), ArgumentError);

  const auto vector = Tensor<float, Cpu>::from({1, 5}, std::vector<float>{0, 1, 2, 3, 4});
  const auto one = activation_pictures(vector, 0);
  REQUIRE(one.size() == 1);
  CHECK(one[0].width() == 3);
  CHECK(one[0].height() == 2);
  CHECK(at(one[0], 1, 1) == white);
  CHECK(at(one[0], 1, 2) == black);
  // Planes of one position are such a vector.
  const TensorView<const float, Cpu> points(vector.data(), {1, 5, 1, 1});
  const auto same = activation_pictures(points, 0);
  REQUIRE(same.size() == 1);
  CHECK(same[0] == one[0]);
}
