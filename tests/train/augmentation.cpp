// Crops, mirroring and padding of training pictures, by naive code of their own.

#include "deconv/train/augmentation.hpp"

#include <map>

#include "support/catch.hpp"
#include "train/made_dataset.hpp"

namespace {

using namespace deconv;
using io::CropPlace;
using io::Extent;
using io::Preprocess;
using test::MadeDataset;
using train::Augmentation;
using train::Crops;
using train::Padding;

/// Frame 10 x 12, crop 7 x 8, values 2 * pixel + 1, and a mean image that is different everywhere.
Preprocess small_preprocess(bool mean_image) {
  Preprocess made;
  made.frame = Extent{10, 12};
  made.crop = Extent{7, 8};
  made.scale = 2.0;
  made.mean = {-1.0};
  if (mean_image) {
    auto mean = Tensor<float, Cpu>::filled({3, 10, 12}, 0.0f);
    for (Index i = 0; i < mean.count(); ++i) mean.data()[i] = static_cast<float>(i);
    made.mean_image = std::make_shared<const Tensor<float, Cpu>>(std::move(mean));
  }
  return made;
}

/// What a crop must hold: channel c of the frame's pixel (y, x).
float expected(const io::Image& picture, const Preprocess& preprocess, Index c, Index y, Index x) {
  const io::Box frame = preprocess.frame_box(picture.width(), picture.height());
  const float value = 2.0f * static_cast<float>(picture(frame.top + y, frame.left + x, c));
  return preprocess.mean_image ? value - static_cast<float>((c * 10 + y) * 12 + x) : value + 1.0f;
}

Index beyond(Index i, Index extent) { return i < 0 ? -i : i >= extent ? 2 * (extent - 1) - i : i; }

void check_crop(const Preprocess& preprocess, const Augmentation& augmentation, const io::Image& picture,
                Index epoch, Index number) {
  auto made = Tensor<float, Cpu>::filled({3, 7, 8}, std::nanf(""));
  augmentation.apply(preprocess, picture, 42, epoch, number, made);
  const CropPlace place = augmentation.place(42, epoch, number, {10, 12}, {7, 8});
  Index wrong = 0;
  for (Index c = 0; c < 3; ++c)
    for (Index y = 0; y < 7; ++y)
      for (Index x = 0; x < 8; ++x) {
        const Index row = place.corner.top + y, column = place.corner.left + (place.flipped ? 7 - x : x);
        const bool outside = row < 0 || row >= 10 || column < 0 || column >= 12;
        const float want = outside && augmentation.padding_rule == Padding::zero
                               ? 0.0f
                               : expected(picture, preprocess, c, beyond(row, 10), beyond(column, 12));
        wrong += made.data()[(c * 7 + y) * 8 + x] != want;
      }
  CHECK(wrong == 0);
}

TEST_CASE("a crop holds its own pixels, less the mean at its own place, mirrored with it",
          "[train][augmentation]") {
  const MadeDataset set(4, 13, 17);
  for (const bool mean_image : {false, true}) {
    const Preprocess preprocess = small_preprocess(mean_image);
    for (const Augmentation& augmentation :
         {Augmentation{}, Augmentation{Crops::centre, true}, Augmentation{Crops::ten},
          Augmentation{Crops::random, false}, Augmentation{Crops::random, true},
          Augmentation{Crops::random, true, 3, Padding::zero},
          Augmentation{Crops::random, true, 5, Padding::reflect},
          Augmentation{Crops::random, true, 9, Padding::zero},
          Augmentation{Crops::random, true, 9, Padding::reflect}}) {
      augmentation.check(preprocess);
      for (Index n = 0; n < 40; ++n) check_crop(preprocess, augmentation, set.read(n % 4), n / 4, n);
    }
  }
}

TEST_CASE("the middle crop is what testing sees", "[train][augmentation]") {
  const MadeDataset set(1, 13, 17);
  const Preprocess preprocess = small_preprocess(true);
  const auto test = preprocess.apply(set.read(0));
  Tensor<float, Cpu> training({3, 7, 8});
  Augmentation{}.apply(preprocess, set.read(0), 1, 2, 3, training);
  CHECK(std::equal(test.begin(), test.end(), training.begin()));
}

TEST_CASE("every choice is made about equally often", "[train][augmentation]") {
  std::map<std::pair<Index, bool>, Index> count;
  const Augmentation ten{Crops::ten};
  const auto corners = io::five_corners({10, 12}, {7, 8});
  CHECK(corners[3] == io::Offset{4, 3});
  CHECK(corners[4] == io::Offset{2, 1 + (3 % 4 == 3)});
  // Ten choices of 4000 pictures: 400 each, five standard deviations are 95.
  for (Index i = 0; i < 4000; ++i) {
    const CropPlace place = ten.place(1, i / 1000, i % 1000, {10, 12}, {7, 8});
    const auto found = std::find(corners.begin(), corners.end(), place.corner);
    REQUIRE(found != corners.end());
    ++count[{found - corners.begin(), place.flipped}];
  }
  CHECK(count.size() == 10);
  for (const auto& [choice, n] : count) CHECK(std::abs(static_cast<double>(n - 400)) < 95);

  // (3 + 1 + 2 * 2) * (4 + 1 + 2 * 2) places and two ways: 144; 100 each of 14400.
  std::map<std::tuple<Index, Index, bool>, Index> places;
  const Augmentation anywhere{Crops::random, true, 2};
  for (Index i = 0; i < 14400; ++i) {
    const CropPlace place = anywhere.place(9, 3, i, {10, 12}, {7, 8});
    ++places[{place.corner.top, place.corner.left, place.flipped}];
  }
  CHECK(places.size() == 144);
  for (const auto& [choice, n] : places) CHECK(std::abs(static_cast<double>(n - 100)) < 50);
  CHECK(std::get<0>(places.begin()->first) == -2);
  CHECK(std::get<0>(places.rbegin()->first) == 5);
}

TEST_CASE("the choice depends on seed, epoch and picture alone", "[train][augmentation]") {
  const Augmentation anywhere{Crops::random, true};
  const auto row = [&](std::uint64_t seed, Index epoch) {
    std::vector<CropPlace> all;
    for (Index i = 0; i < 20; ++i) all.push_back(anywhere.place(seed, epoch, i, {256, 256}, {224, 224}));
    return all;
  };
  CHECK(row(1, 2) == row(1, 2));
  CHECK(row(1, 2) != row(1, 3));
  CHECK(row(1, 2) != row(2, 2));
}

TEST_CASE("ten crops of one picture", "[train][augmentation]") {
  const MadeDataset set(1, 13, 17);
  const Preprocess preprocess = small_preprocess(true);
  Tensor<float, Cpu> crops({10, 3, 7, 8}), one({3, 7, 8});
  io::ten_crops(preprocess, set.read(0), crops);
  const auto corners = io::five_corners({10, 12}, {7, 8});
  for (Index i = 0; i < 10; ++i) {
    io::apply_crop(preprocess, set.read(0), {corners[static_cast<std::size_t>(i % 5)], i >= 5}, one);
    CHECK(std::equal(one.begin(), one.end(), crops.data() + i * one.count()));
  }
  CHECK_THROWS_AS(io::apply_crop(preprocess, set.read(0), {{5, 0}, false}, one), ShapeError);
}

TEST_CASE("names, and what contradicts itself", "[train][augmentation]") {
  for (const Crops crops : {Crops::centre, Crops::ten, Crops::random})
    CHECK(train::parse_crops(name_of(crops)) == crops);
  for (const Padding padding : {Padding::zero, Padding::reflect})
    CHECK(train::parse_padding(name_of(padding)) == padding);
  CHECK(!train::parse_crops("center"));
  CHECK(!train::parse_padding(""));
  const Preprocess preprocess = small_preprocess(false);
  CHECK_THROWS_AS((Augmentation{Crops::centre, false, 1}.check(preprocess)), ArgumentError);
  CHECK_THROWS_AS((Augmentation{Crops::random, false, -1}.check(preprocess)), ArgumentError);
  CHECK_THROWS_AS(Augmentation{}.check(Preprocess{}), ArgumentError);
  CHECK_THROWS_AS(Augmentation{Crops::ten}.check(Preprocess{}.resized_to(8, 8)), ArgumentError);
  Preprocess small = preprocess;
  small.frame = Extent{6, 12};
  CHECK_THROWS_AS(Augmentation{}.check(small), FormatError);
}

}  // namespace
