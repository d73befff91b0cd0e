#pragma once
/// Every tolerance of the op tests: the largest relative L2 error, ||met - wanted|| / ||wanted||, against the
/// naive reference in double, and why it is that large. What is not here must match to the last bit.

#include <concepts>

#include "deconv/core/dtype.hpp"

namespace deconv::test {

struct Tolerance {
  double of_float;   ///< for ops run in float
  double of_double;  ///< for ops run in double

  /// For ops that store T. Half and bfloat16 compute in float and round what they store: half an ulp is 2^-11
  /// and 2^-8 of a number at most; a little more for ops that store something in between.
  template <class T>
  [[nodiscard]] constexpr double of() const noexcept {
    if (std::same_as<T, double> || of_float == 0) return std::same_as<T, double> ? of_double : 0;
    return of_float + (std::same_as<T, half> ? 0x1p-10 : std::same_as<T, bfloat16> ? 0x1p-7 : 0);
  }
};

namespace tolerance {

/// Only moves or chooses values: nothing is rounded.
inline constexpr Tolerance exact{0, 0};
/// One rounding an element, or a few: a product, a sum of two to nine terms. Half an ulp each is 6e-8
/// (1.1e-16).
inline constexpr Tolerance few_roundings{2e-7, 4e-16};
/// Sums of tens of terms and a division.
inline constexpr Tolerance short_sums{5e-7, 1e-15};
/// Square roots or powers of such sums.
inline constexpr Tolerance powers{1e-6, 3e-15};
/// The difference of two terms of like size, which may cancel to a thirtieth (a gradient, a normalised
/// value).
inline constexpr Tolerance differences{1e-5, 3e-14};
/// exp of differences of size 5 to 10, whose rounding is scaled by their size, and sums of up to a thousand
/// of them (in float in the reference).
inline constexpr Tolerance exponentials{5e-6, 1e-14};
/// Sums of up to thousands of products, in whatever order the matrix product takes; errors grow like the root
/// of the count.
inline constexpr Tolerance long_sums{2e-6, 4e-15};
/// Central differences with step 1e-5 in double: truncation h^2 = 1e-10 times third derivatives, rounding
/// 1e-16 / h.
inline constexpr double finite_differences = 2e-8;
/// The adjoint identity in double: two inner products of thousands of terms.
inline constexpr double adjoint = 1e-12;

}  // namespace tolerance
}  // namespace deconv::test
