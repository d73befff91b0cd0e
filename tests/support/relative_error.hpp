#pragma once
/// How far two arrays are apart, for comparisons written as !(error > tolerance): NaN fails them.

#include <cmath>
#include <limits>
#include <span>

namespace deconv::test {

/// ||actual - expected|| / ||expected||; NaN when the lengths differ or what is expected is zero throughout,
/// since such a comparison would prove nothing.
template <class A, class B>
double relative_error(std::span<const A> actual, std::span<const B> expected) {
  if (actual.size() != expected.size()) return std::numeric_limits<double>::quiet_NaN();
  double difference = 0, size = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const double e = static_cast<double>(expected[i]), d = static_cast<double>(actual[i]) - e;
    difference += d * d;
    size += e * e;
  }
  return std::sqrt(difference / size);
}

/// The same for tensors, which must have as many elements.
template <class A, class B>
double relative_error(const A& actual, const B& expected) {
  return relative_error(std::span<const typename A::value_type>(actual.span()),
                        std::span<const typename B::value_type>(expected.span()));
}

}  // namespace deconv::test
