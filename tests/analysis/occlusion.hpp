#pragma once
/// What tests of occlusion compare with: brute force, and how far two analyses are apart.

#include <algorithm>
#include <cmath>
#include <limits>

#include "deconv/analysis/occlusion.hpp"
#include "deconv/core/random.hpp"
#include "support/catch.hpp"

namespace deconv::test {

/// The largest difference, relative to the largest value expected; NaN wherever there is one.
template <class T>
double largest_difference(const Tensor<T, Cpu>& actual, const Tensor<T, Cpu>& expected) {
  if (actual.shape() != expected.shape()) return std::numeric_limits<double>::quiet_NaN();
  double most = 0, size = 0;
  for (Index i = 0; i < actual.count(); ++i) {
    const double difference =
        std::abs(static_cast<double>(actual.data()[i]) - static_cast<double>(expected.data()[i]));
    if (std::isnan(difference)) return difference;
    most = std::max(most, difference);
    size = std::max(size, std::abs(static_cast<double>(expected.data()[i])));
  }
  return most / size;
}

/// An image 1 x C x H x W of smooth noise around 0, as normalised photographs are.
inline Tensor<float, Cpu> noise_image(const Shape& shape, float deviation = 1, std::uint64_t seed = 5) {
  Tensor<float, Cpu> image(shape);
  fill_normal(image.view(), Random(seed, 0), 0.0f, deviation);
  return image;
}

/// occlude() and occlude_by_brute_force() agree, and neither is the same at every place.
template <class T>
void check_against_brute_force(const Network<T, Cpu>& network, const Tensor<T, Cpu>& image,
                               const OcclusionOptions& options, double tolerance = 1e-5,
                               TensorView<const T, Cpu> picture = {}) {
  const Context<Cpu> context(2);
  const auto expected = occlude_by_brute_force<T, Cpu>(network, context, image.view(), options, picture);
  const auto actual = occlude<T, Cpu>(network, context, image.view(), options, picture);
  CHECK(actual.grid == expected.grid);
  CHECK(actual.layer == expected.layer);
  CHECK(actual.maps == expected.maps);
  CHECK(actual.classes == expected.classes);
  CHECK_FALSE(!(largest_difference(actual.activation, expected.activation) <= tolerance));
  CHECK_FALSE(!(largest_difference(actual.score, expected.score) <= tolerance));
  CHECK_FALSE(!(largest_difference(actual.probability, expected.probability) <= tolerance));
  CHECK(actual.whole_score == expected.whole_score);
  // Vacuous where the patch changes nothing.
  const auto [low, high] = std::minmax_element(expected.score.begin(), expected.score.end());
  const double base = static_cast<double>(expected.whole_score[0]);
  CHECK(std::max(std::abs(static_cast<double>(*low) - base), std::abs(static_cast<double>(*high) - base)) >
        1e-4 * std::abs(base));
  Index different = 0;
  for (Index i = 0; i < actual.top_class.count(); ++i)
    different += actual.top_class.data()[i] != expected.top_class.data()[i];
  CHECK(different == 0);
}

}  // namespace deconv::test
