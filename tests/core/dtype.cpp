#include "deconv/core/dtype.hpp"

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include "support/catch.hpp"

using namespace deconv;

namespace {

template <class T>
float value_of(std::uint32_t bits) {
  T stored;
  stored.bits = static_cast<std::uint16_t>(bits);
  return static_cast<float>(stored);
}

// Every finite positive value of a 16-bit type, its neighbour above, and what lies between them: halfway goes
// to the even one, a hair less or more to the nearer one. Exhaustive, so that no range of exponents is
// forgotten.
template <class T>
int wrongly_rounded(std::uint32_t largest_finite) {
  int wrong = 0;
  for (std::uint32_t bits = 0; bits <= largest_finite; ++bits) {
    const float here = value_of<T>(bits);
    if (T(here).bits != bits) ++wrong;
    if (T(-here).bits != (bits | 0x8000u)) ++wrong;
    if (bits == largest_finite) break;
    const float above = value_of<T>(bits + 1);
    const float middle = static_cast<float>((double{here} + double{above}) / 2);
    const std::uint32_t even = bits % 2 == 0 ? bits : bits + 1;
    if (T(middle).bits != even) ++wrong;
    if (T(std::nextafter(middle, here)).bits != bits) ++wrong;
    if (T(std::nextafter(middle, above)).bits != bits + 1) ++wrong;
  }
  return wrong;
}

}  // namespace

TEST_CASE("half rounds every value to the nearest, halfway to even") {
  CHECK(value_of<half>(0x3c00) == 1.0F);
  CHECK(value_of<half>(0x7bff) == 65504.0F);
  CHECK(value_of<half>(0x0001) == std::ldexp(1.0F, -24));
  CHECK(value_of<half>(0xc500) == -5.0F);
  CHECK(wrongly_rounded<half>(0x7bff) == 0);
}

TEST_CASE("half at its ends") {
  const float infinity = std::numeric_limits<float>::infinity();
  CHECK(half(65519.0F).bits == 0x7bff);
  CHECK(half(65520.0F).bits == 0x7c00);
  CHECK(half(-1e30F).bits == 0xfc00);
  CHECK(half(infinity).bits == 0x7c00);
  CHECK(value_of<half>(0x7c00) == infinity);
  CHECK(std::isnan(static_cast<float>(half(std::numeric_limits<float>::quiet_NaN()))));
  CHECK(half(1e-30F).bits == 0);
  CHECK(half(-0.0F).bits == 0x8000);
}

TEST_CASE("bfloat16 rounds every value to the nearest, halfway to even") {
  CHECK(value_of<bfloat16>(0x3f80) == 1.0F);
  CHECK(wrongly_rounded<bfloat16>(0x7f7f) == 0);
  CHECK(bfloat16(std::numeric_limits<float>::max()).bits == 0x7f80);
  // A NaN whose upper half alone would be an infinity stays a NaN.
  CHECK(std::isnan(static_cast<float>(bfloat16(std::bit_cast<float>(0x7f800001u)))));
}

TEST_CASE("types know their sizes") {
  CHECK(dtype_of<float> == DType::float32);
  CHECK(dtype_of<half> == DType::float16);
  CHECK(size_of(dtype_of<double>) == sizeof(double));
  CHECK(size_of(dtype_of<bfloat16>) == sizeof(bfloat16));
  CHECK(size_of(dtype_of<std::uint8_t>) == 1);
  CHECK(name_of(DType::bfloat16) == "bfloat16");
}
