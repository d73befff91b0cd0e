#pragma once

#include <string_view>

#include "deconv/core/error.hpp"
#include "deconv/core/quoted.hpp"

namespace deconv {

/// How a GPU multiplies float tensors in convolutions and linear layers. half and bfloat16 tensors take the
/// tensor cores under each of them: their products are exact there and are summed in float.
enum class Maths {
  float32,  ///< multiply-adds in float, the same bits on every GPU
  tf32,     ///< tensor cores, factors rounded to 10 bits of mantissa (relative error of a factor 2^-11)
  tf32x3,   ///< tensor cores, each factor in two parts of 11 bits, three products: nearly float's accuracy
};

[[nodiscard]] constexpr std::string_view name_of(Maths maths) noexcept {
  return maths == Maths::tf32 ? "tf32" : maths == Maths::tf32x3 ? "3xtf32" : "float32";
}

/// The maths of a name_of. Throws ArgumentError.
[[nodiscard]] inline Maths maths_named(std::string_view name) {
  for (const Maths maths : {Maths::float32, Maths::tf32, Maths::tf32x3})
    if (name == name_of(maths)) return maths;
  raise<ArgumentError>("there is no maths mode ", quoted(std::string(name)),
                       "; there are float32, tf32 and 3xtf32");
}

}  // namespace deconv
