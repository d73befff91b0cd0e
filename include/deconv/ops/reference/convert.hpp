#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>

#include "deconv/core/dtype.hpp"
#include "deconv/ops/convert.hpp"

namespace deconv::reference {

/// The nearest number with `digits` binary digits and exponents from `least`, ties to the even one; worked
/// out by arithmetic, not on the bits.
inline double nearest_number(double value, int digits, int least, double largest) {
  if (!std::isfinite(value) || value == 0) return value;
  const int exponent = std::max(std::ilogb(value), least);
  const double unit = std::ldexp(1.0, exponent - digits + 1);
  const double rounded = std::nearbyint(value / unit) * unit;
  return std::abs(rounded) > largest ? std::copysign(std::numeric_limits<double>::infinity(), value)
                                     : rounded;
}

/// What convert() makes of a number for half, bfloat16 or float.
template <class B>
double nearest_of(double value) {
  if constexpr (std::is_same_v<B, half>)
    return nearest_number(value, 11, -14, 65504);
  else if constexpr (std::is_same_v<B, bfloat16>)
    return nearest_number(value, 8, -126, 0x1.FEp127);
  else
    return nearest_number(value, 24, -126, 0x1.FFFFFEp127);
}

/// As deconv::convert, for float, half and bfloat16; as numbers.
template <class B, class A>
void convert(TensorView<const A, Cpu> src, TensorView<double, Cpu> dst) {
  for (Index i = 0; i < dst.count(); ++i)
    dst.data()[i] = nearest_of<B>(static_cast<double>(static_cast<float>(src.data()[i])));
}

}  // namespace deconv::reference
