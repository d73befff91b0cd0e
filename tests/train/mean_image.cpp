// Means and deviations of a data set, against sums in double by a loop of their own.

#include "deconv/train/mean_image.hpp"

#include <filesystem>
#include <iostream>

#include "deconv/io/open_dataset.hpp"
#include "io/damage.hpp"
#include "support/catch.hpp"
#include "train/made_dataset.hpp"

namespace {

using namespace deconv;
using test::MadeDataset;
using train::pixel_statistics;
using train::PixelStatistics;
using train::StatisticsOptions;

io::Preprocess framed(io::ChannelOrder order) {
  io::Preprocess made;
  made.frame = io::Extent{6, 7};
  made.crop = io::Extent{3, 3};
  made.order = order;
  made.scale = 0.5;
  made.mean = {7.0};  // plays no part
  made.std = {3.0};
  return made;
}

TEST_CASE("mean image, means and deviations for any number of threads", "[train][mean_image]") {
  const MadeDataset set(301, 8, 9);
  for (const auto order : {io::ChannelOrder::rgb, io::ChannelOrder::bgr, io::ChannelOrder::grey}) {
    // The pictures as a network without mean and deviation would see them.
    io::Preprocess bare = framed(order);
    bare.mean = {0.0};
    bare.std = {1.0};
    bare.crop.reset();
    const Index channels = bare.channels(), plane = 42;
    std::vector<double> sum(static_cast<std::size_t>(channels * plane)), square(sum.size());
    for (Index i = 0; i < set.size(); ++i) {
      const auto seen = bare.apply(set.read(i));
      for (std::size_t k = 0; k < sum.size(); ++k) {
        const double value = static_cast<double>(seen.data()[k]);
        sum[k] += value, square[k] += value * value;
      }
    }
    std::optional<PixelStatistics> first;
    for (const int threads : {1, 2, 5}) {
      const auto made = pixel_statistics(Context<Cpu>(threads), set, framed(order));
      CHECK(made.images == 301);
      REQUIRE(made.mean_image->shape() == Shape{channels, 6, 7});
      for (std::size_t k = 0; k < sum.size(); ++k)
        REQUIRE(static_cast<double>(made.mean_image->data()[k]) == Approx(sum[k] / 301).epsilon(1e-6));
      for (Index c = 0; c < channels; ++c) {
        double mean = 0, squares = 0;
        for (Index k = c * plane; k < (c + 1) * plane; ++k)
          mean += sum[static_cast<std::size_t>(k)] / (301.0 * plane),
              squares += square[static_cast<std::size_t>(k)] / (301.0 * plane);
        CHECK(made.mean[static_cast<std::size_t>(c)] == Approx(mean).epsilon(1e-12));
        CHECK(made.deviation[static_cast<std::size_t>(c)] ==
              Approx(std::sqrt(squares - mean * mean)).epsilon(1e-9));
      }
      if (!first) first = made;
      CHECK(std::equal(made.mean_image->begin(), made.mean_image->end(), first->mean_image->begin()));
      CHECK((made.mean == first->mean && made.deviation == first->deviation));
    }
    // Subtracted, it leaves a mean of zero.
    io::Preprocess with = framed(order);
    with.mean_image = first->mean_image;
    with.std = {1.0};
    double left = 0;
    for (Index i = 0; i < set.size(); ++i)
      for (const float value : with.apply(set.read(i))) left += static_cast<double>(value);
    CHECK(std::abs(left / (301.0 * 9 * static_cast<double>(channels))) < 1e-5);
  }
}

TEST_CASE("some of the pictures, broken ones, and pictures of any size", "[train][mean_image]") {
  const MadeDataset set(40, 8, 9, {5, 33});
  const Context<Cpu> context(2);
  CHECK(test::mentions(
      test::error_of([&] { return pixel_statistics(context, set, framed(io::ChannelOrder::rgb)); }),
      "made#5: broken"));
  StatisticsOptions options;
  std::vector<std::string> warnings;
  Index advanced = 0;
  options.skip_broken = true;
  options.warn = [&](const std::string& text) { warnings.push_back(text); };
  options.advance = [&](Index count) { advanced += count; };
  const auto made = pixel_statistics(context, set, framed(io::ChannelOrder::rgb), options);
  CHECK((made.images == 38 && made.skipped == 2 && advanced == 40));
  REQUIRE(warnings.size() == 2);
  CHECK(test::mentions(warnings[1], "made#33"));

  options.indices = std::vector<Index>{7};
  const auto one = pixel_statistics(context, set, framed(io::ChannelOrder::rgb), options);
  const io::Image frame = framed(io::ChannelOrder::rgb).frame_view(set.read(7));
  CHECK(one.images == 1);
  CHECK(one.mean_image->data()[3] == 0.5f * static_cast<float>(frame(0, 3, 0)));
  options.indices = std::vector<Index>{40};
  CHECK_THROWS_AS(pixel_statistics(context, set, {}, options), Error);
  options.indices = std::vector<Index>{5};
  options.per_pixel = false;
  CHECK_THROWS_AS(pixel_statistics(context, set, {}, options), FormatError);
  options.indices.reset();
  const auto loose = pixel_statistics(context, set, io::Preprocess{}, options);
  CHECK((loose.mean_image == nullptr && loose.mean.size() == 3));
  CHECK(loose.mean[0] == Approx(127.5).epsilon(0.02));
  CHECK(loose.deviation[0] == Approx(73.9).epsilon(0.02));
  CHECK_THROWS_AS(pixel_statistics(context, set, io::Preprocess{}), FormatError);
}

TEST_CASE("the published mean and deviation of Fashion-MNIST", "[train][mean_image]") {
  const char* folder = "/usr/share/datasets/fashion-mnist";
  if (!std::filesystem::is_directory(folder)) {
    std::cerr << "skipped: " << folder << " is absent\n";
    return;
  }
  const auto set = io::open_dataset(std::string("idx:") + folder + ":train");
  io::Preprocess preprocess = io::Preprocess{}.without_resize(28, 28);
  preprocess.order = io::ChannelOrder::grey;
  preprocess.scale = 1.0 / 255.0;
  const auto made = pixel_statistics(Context<Cpu>(2), *set, preprocess);
  CHECK(made.images == 60000);
  CHECK(made.mean[0] == Approx(0.2860).margin(5e-5));
  CHECK(made.deviation[0] == Approx(0.3530).margin(5e-5));
}

}  // namespace
