#include "deconv/analysis/filters.hpp"

#include <cmath>
#include <numbers>
#include <vector>

#include "deconv/core/random.hpp"
#include "deconv/nn/models/by_name.hpp"
#include "support/catch.hpp"

using namespace deconv;

namespace {

/// Filters K x C x side x side whose values `value(k, y, x)` gives, in every channel.
template <class Value>
Tensor<float, Cpu> filters(Index count, Index channels, Index side, const Value& value) {
  Tensor<float, Cpu> weights({count, channels, side, side});
  for (Index k = 0; k < count; ++k)
    for (Index c = 0; c < channels; ++c)
      for (Index y = 0; y < side; ++y)
        for (Index x = 0; x < side; ++x) weights(k, c, y, x) = static_cast<float>(value(k, y, x));
  return weights;
}

double wave(double cycles, Index at) {
  return std::cos(2 * std::numbers::pi * cycles * static_cast<double>(at));
}

}  // namespace

TEST_CASE("the strength of a filter is the root of the mean square of all its weights") {
  const auto weights = filters(3, 2, 5, [](Index k, Index y, Index x) {
    return static_cast<double>((y + x) % 2 == 0 ? k + 1 : -k - 1);
  });
  const auto report = analyse_filters(Context<Cpu>(), weights);
  REQUIRE(report.filters.size() == 3);
  for (std::size_t k = 0; k < 3; ++k)
    CHECK(!(std::abs(report.filters[k].rms - static_cast<double>(k + 1)) > 1e-12));
  CHECK(!(std::abs(report.median_rms - 2) > 1e-12));
  CHECK(report.dead.empty());
  CHECK(report.dominating.empty());
}

TEST_CASE("dead and dominating filters are told by the median") {
  const std::vector<double> strength{1, 0.05, 1.2, 0, 4, 0.9, 1.1, 0.11};
  const auto weights =
      filters(8, 1, 3, [&](Index k, Index, Index) { return strength[static_cast<std::size_t>(k)]; });
  const auto report = analyse_filters(Context<Cpu>(), weights);
  CHECK(!(std::abs(report.median_rms - 0.95) > 1e-6));
  CHECK(report.dead == std::vector<Index>{1, 3});
  CHECK(report.dominating == std::vector<Index>{4});
  CHECK(report.filters[3].low + report.filters[3].middle + report.filters[3].high == 0);
  CHECK(report.filters[4].dominating);
  CHECK_FALSE(report.filters[7].dead);
  FilterOptions strict;
  strict.dead_below = 0.2;
  strict.dominating_above = 1.2;
  const auto other = analyse_filters(Context<Cpu>(), weights, strict);
  CHECK(other.dead == std::vector<Index>{1, 3, 7});
  CHECK(other.dominating == std::vector<Index>{2, 4});

  const auto silent =
      analyse_filters(Context<Cpu>(), filters(4, 1, 3, [](Index, Index, Index) { return 0.0; }));
  CHECK(silent.dead == std::vector<Index>{0, 1, 2, 3});
  CHECK(silent.dominating.empty());
}

TEST_CASE("waves fall into the bands of their frequency") {
  const auto weights = filters(6, 3, 11, [](Index k, Index y, Index x) {
    switch (k) {
      case 0:
        return 1.0;
      case 1:
        return wave(1.0 / 11, x);
      case 2:
        return wave(0.25, x);
      case 3:
        return wave(0.25, y);
      case 4:
        return wave(0.45, y);
      default:
        return (x + y) % 2 == 0 ? 1.0 : -1.0;
    }
  });
  const auto report = analyse_filters(Context<Cpu>(), weights);
  for (std::size_t k = 0; k < 6; ++k) {
    const auto& f = report.filters[k];
    INFO(k);
    CHECK(!(std::abs(f.low + f.middle + f.high - 1) > 1e-12));
    const double mostly = k < 2 ? f.low : k < 4 ? f.middle : f.high;
    CHECK(mostly > 0.8);
  }
  CHECK(!(std::abs(report.filters[2].middle - report.filters[3].middle) > 1e-9));
}

TEST_CASE("the shares keep Parseval's sum: a single weight is white") {
  const auto weights = filters(1, 1, 3, [](Index, Index y, Index x) { return y == 1 && x == 2 ? 5.0 : 0.0; });
  const auto report = analyse_filters(Context<Cpu>(), weights);
  // Shares of the 32 x 32 frequencies in each band, counted by themselves.
  double low = 0, middle = 0;
  for (Index fy = -15; fy <= 16; ++fy)
    for (Index fx = -15; fx <= 16; ++fx) {
      const double radius = std::sqrt(static_cast<double>(fy * fy + fx * fx)) / 32;
      if (radius < 1.0 / 6)
        ++low;
      else if (radius < 1.0 / 3)
        ++middle;
    }
  CHECK(!(std::abs(report.filters[0].low - low / 1024) > 1e-12));
  CHECK(!(std::abs(report.filters[0].middle - middle / 1024) > 1e-12));
}

TEST_CASE("the report is the same for 1 and 2 threads") {
  Tensor<float, Cpu> weights({13, 3, 7, 5});
  fill_normal<float>(weights, Random(5), 0, 1);
  const auto one = analyse_filters(Context<Cpu>(1), weights), two = analyse_filters(Context<Cpu>(2), weights);
  for (std::size_t k = 0; k < 13; ++k) {
    CHECK(one.filters[k].rms == two.filters[k].rms);
    CHECK(one.filters[k].low == two.filters[k].low);
    CHECK(one.filters[k].high == two.filters[k].high);
  }
}

TEST_CASE("the first convolution is the one that reads the images") {
  const auto first = [](const char* name) {
    return first_convolution(
        Topology(models::model_by_name(name, models::Options{.with_weights = false}).graph));
  };
  CHECK(first("zfnet") == "conv1");
  CHECK(first("vgg16") == "conv1_1");
  CHECK(first("squeezenet1.0") == "conv1");
  GraphBuilder padded("x", {1, 3, 8, 8});
  padded.add("norm", node::BatchNorm{});
  padded.add("pad", node::Pad2d{{1, 1, 1, 1, 0.0f}});
  padded.add("first", node::Conv2d{4, {Window2d::square(3)}});
  padded.add("second", node::Conv2d{4, {Window2d::square(3)}});
  CHECK(first_convolution(Topology(std::move(padded).finish())) == "first");
  GraphBuilder none("x", {1, 3});
  none.add("fc", node::Linear{2});
  const Topology bare(std::move(none).finish());
  CHECK_THROWS_AS(first_convolution(bare), ArgumentError);
}

TEST_CASE("what is no filters and options out of order are refused") {
  const Context<Cpu> context(1);
  CHECK_THROWS_AS(analyse_filters(context, Tensor<float, Cpu>::filled({2, 3}, 1.0f)), ShapeError);
  CHECK_THROWS_AS(analyse_filters(context, Tensor<float, Cpu>::filled({1, 1, 1025, 1}, 1.0f)), ArgumentError);
  FilterOptions options;
  options.high_from = 0.1;
  CHECK_THROWS_AS(analyse_filters(context, Tensor<float, Cpu>::filled({1, 1, 3, 3}, 1.0f), options),
                  ArgumentError);
}
