// Linear classifiers against solutions that are known.

#include "deconv/analysis/linear_classifier.hpp"

#include <cmath>

#include "deconv/core/random.hpp"
#include "support/catch.hpp"

using namespace deconv;

namespace {

Tensor<float, Cpu> column(const std::vector<float>& values) {
  Tensor<float, Cpu> features({static_cast<Index>(values.size()), 1});
  std::copy(values.begin(), values.end(), features.data());
  return features;
}

/// Points around one centre a class, far apart; `length` numbers each.
Tensor<float, Cpu> clusters(Index classes, Index each, Index length, std::vector<Index>& labels, float noise,
                            std::uint64_t seed) {
  Tensor<float, Cpu> features({classes * each, length});
  const Random centres(3), random(seed);
  labels.clear();
  for (Index n = 0; n < classes * each; ++n) {
    labels.push_back(n % classes);
    for (Index d = 0; d < length; ++d)
      features.data()[n * length + d] =
          centres.normal(static_cast<std::uint64_t>((n % classes) * length + d)) +
          noise * random.normal(static_cast<std::uint64_t>(n * length + d));
  }
  return features;
}

}  // namespace

TEST_CASE("a support vector machine of two points is the one of the textbook") {
  // Standardised the points are -1 and 1: w minimises w^2 / 2 + 2 c (1 - w)^2, so w = 4 c / (1 + 4 c).
  const auto features = column({3, 7});
  for (const double c : {0.1, 1.0, 25.0}) {
    LinearOptions options{LinearLoss::squared_hinge, c};
    options.tolerance = 1e-10;
    const auto made =
        fit_linear_classifier(features.view(), class_targets(std::vector<Index>{0, 1}, 2), 2, options);
    const double w = 4 * c / (1 + 4 * c);
    CHECK(made.converged);
    CHECK(!(std::abs(static_cast<double>(made.weight.data()[1]) - w) > 1e-6));
    CHECK(!(std::abs(static_cast<double>(made.weight.data()[0]) + w) > 1e-6));
    CHECK(!(std::abs(made.bias[0]) > 1e-6));
    CHECK(!(std::abs(made.objective - 2 * (w * w / 2 + 2 * c * (1 - w) * (1 - w))) > 1e-6));
    const auto scores = made.scores(column({5, 9}).view());
    CHECK(!(std::abs(scores.data()[1]) > 1e-6));
    CHECK(!(std::abs(scores.data()[3] - 2 * w) > 1e-6));
  }
}

TEST_CASE("features that never change leave the classes' frequencies") {
  Tensor<float, Cpu> features = Tensor<float, Cpu>::filled({10, 3}, 4.0f);
  const std::vector<Index> labels{0, 0, 0, 0, 0, 1, 1, 1, 2, 2};
  LinearOptions options{LinearLoss::softmax, 1};
  options.tolerance = 1e-9;
  const auto made = fit_linear_classifier(features.view(), class_targets(labels, 3), 3, options);
  for (const float weight : made.weight) CHECK(weight == 0.0f);
  CHECK(!(std::abs(made.bias[0] - made.bias[1] - std::log(5.0 / 3)) > 1e-6));
  CHECK(!(std::abs(made.bias[1] - made.bias[2] - std::log(3.0 / 2)) > 1e-6));
  // One class against the rest: the logarithm of its odds.
  options.loss = LinearLoss::logistic;
  const auto each = fit_linear_classifier(features.view(), class_targets(labels, 3), 3, options);
  CHECK(!(std::abs(each.bias[1] - std::log(3.0 / 7)) > 1e-6));
}

TEST_CASE("what can be told apart by planes is, with more features than rows and with fewer") {
  for (const Index length : {5, 400})
    for (const LinearLoss loss : {LinearLoss::softmax, LinearLoss::squared_hinge, LinearLoss::logistic}) {
      std::vector<Index> labels, others;
      const auto features = clusters(4, 20, length, labels, 0.2f, 5),
                 fresh = clusters(4, 9, length, others, 0.2f, 6);
      const auto made = fit_linear_classifier(features.view(), class_targets(labels, 4), 4, {loss, 100});
      CAPTURE(length, static_cast<int>(loss));
      CHECK(made.converged);
      CHECK(accuracy_of(made.scores(features.view()).view(), labels) == 1);
      CHECK(accuracy_of(made.scores(fresh.view()).view(), others) > 0.9);
      const auto again = fit_linear_classifier(features.view(), class_targets(labels, 4), 4, {loss, 100});
      CHECK(std::equal(made.weight.begin(), made.weight.end(), again.weight.begin()));
    }
}

TEST_CASE("among sums of rows lies the same minimum") {
  // Each feature twice over: rows are then fewer than features, the problem is the same.
  std::vector<Index> labels;
  const auto features = clusters(3, 10, 20, labels, 1.0f, 7);
  Tensor<float, Cpu> doubled({30, 40});
  for (Index n = 0; n < 30; ++n)
    for (Index d = 0; d < 40; ++d) doubled.data()[n * 40 + d] = features.data()[n * 20 + d % 20];
  for (const LinearLoss loss : {LinearLoss::softmax, LinearLoss::squared_hinge, LinearLoss::logistic}) {
    LinearOptions options{loss, 3};
    options.tolerance = 1e-9;
    options.iterations = 2000;
    const auto one = fit_linear_classifier(features.view(), class_targets(labels, 3), 3, options);
    const auto two = fit_linear_classifier(doubled.view(), class_targets(labels, 3), 3, options);
    CHECK(!(std::abs(one.objective - two.objective) > 1e-5 * one.objective));
    const auto a = one.scores(features.view()), b = two.scores(doubled.view());
    for (Index i = 0; i < a.count(); ++i) CHECK(!(std::abs(a.data()[i] - b.data()[i]) > 1e-4));
  }
}

TEST_CASE("marks that are neither do not count") {
  auto features = column({-2, -1, 1, 2, 100});
  std::vector<std::int8_t> targets{-1, -1, 1, 1, 0};
  LinearOptions options{LinearLoss::squared_hinge, 10};
  const auto made = fit_linear_classifier(features.view(), targets, 1, options);
  targets[4] = -1;
  const auto other = fit_linear_classifier(features.view(), targets, 1, options);
  CHECK(made.weight.data()[0] > 0);
  CHECK(made.scores(features.view()).data()[4] > 0);
  CHECK(other.scores(features.view()).data()[4] < made.scores(features.view()).data()[4]);
}

TEST_CASE("what cannot be fitted is refused") {
  const auto features = column({1, 2});
  const auto targets = class_targets(std::vector<Index>{0, 1}, 2);
  CHECK_THROWS_AS(fit_linear_classifier(features.view(), targets, 3), ArgumentError);
  CHECK_THROWS_AS(fit_linear_classifier(features.view(), targets, 2, {LinearLoss::softmax, 0}),
                  ArgumentError);
  CHECK_THROWS_AS(class_targets(std::vector<Index>{2}, 2), ArgumentError);
  const std::vector<std::int8_t> both{1, 1, -1, 1};
  CHECK_THROWS_AS(fit_linear_classifier(features.view(), both, 2), ArgumentError);
  CHECK_NOTHROW(fit_linear_classifier(features.view(), both, 2, {LinearLoss::logistic, 1}));
  CHECK_THROWS_AS(fit_linear_classifier(Tensor<float, Cpu>({2, 1, 1}).view(), targets, 2), ShapeError);
  CHECK_THROWS_AS(fit_linear_classifier(column({1, NAN}).view(), targets, 2), ArgumentError);
}
