// Average precision in closed form.

#include "deconv/analysis/average_precision.hpp"

#include "support/catch.hpp"

using namespace deconv;

namespace {

using Marks = std::vector<std::int8_t>;

bool near(double met, double wanted) { return std::abs(met - wanted) <= 1e-12; }

}  // namespace

TEST_CASE("average precision of rankings that can be worked out by hand") {
  const std::vector<double> falling{5, 4, 3, 2, 1};
  for (const auto kind : {AveragePrecision::voc2012, AveragePrecision::plain}) {
    CHECK(near(average_precision(falling, Marks{1, 1, -1, -1, -1}, kind), 1));
    CHECK(near(average_precision(falling, Marks{-1, -1, -1, -1, 1}, kind), 1.0 / 5));
    CHECK(near(average_precision(falling, Marks{1, -1, 1, -1, -1}, kind), (1 + 2.0 / 3) / 2));
    CHECK(std::isnan(average_precision(falling, Marks{-1, -1, 0, -1, -1}, kind)));
  }
  // Precisions 1/2 and 2/3: the envelope lifts the first to the second.
  const Marks lifted{-1, 1, 1, -1, -1};
  CHECK(near(average_precision(falling, lifted, AveragePrecision::plain), (0.5 + 2.0 / 3) / 2));
  CHECK(near(average_precision(falling, lifted, AveragePrecision::voc2012), 2.0 / 3));
}

TEST_CASE("equal scores enter together, whatever their order") {
  for (const auto kind : {AveragePrecision::voc2012, AveragePrecision::plain}) {
    // All the same: the share of positives.
    CHECK(near(average_precision(std::vector<double>{1, 1, 1, 1}, Marks{1, -1, -1, -1}, kind), 0.25));
    CHECK(near(average_precision(std::vector<double>{1, 1, 1, 1}, Marks{-1, -1, -1, 1}, kind), 0.25));
    const double one = average_precision(std::vector<double>{3, 2, 2, 2, 1}, Marks{1, 1, -1, -1, 1}, kind);
    const double other = average_precision(std::vector<double>{2, 1, 2, 3, 2}, Marks{-1, 1, 1, 1, -1}, kind);
    CHECK(near(one, other));
    // Recall 1/3 at precision 1, 2/3 at 2/4, 1 at 3/5.
    const bool envelope = kind == AveragePrecision::voc2012;
    CHECK(near(one, (1 + (envelope ? 0.6 : 0.5) + 0.6) / 3));
  }
}

TEST_CASE("difficult ones count in nothing, and what is no number comes last") {
  const std::vector<double> scores{9, 5, 4, 3};
  CHECK(near(average_precision(scores, Marks{0, 1, -1, 1}),
             average_precision(std::vector<double>{5, 4, 3}, Marks{1, -1, 1})));
  CHECK(near(average_precision(std::vector<double>{NAN, 1}, Marks{1, -1}), 0.5));
  CHECK(near(mean_average_precision(std::vector<double>{0.5, NAN, 1}), 0.75));
  CHECK(std::isnan(mean_average_precision(std::vector<double>{NAN})));
  CHECK_THROWS_AS(average_precision(scores, Marks{1}), ArgumentError);
}
