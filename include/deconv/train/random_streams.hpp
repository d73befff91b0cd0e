#pragma once

#include <cstdint>

#include "deconv/core/random.hpp"

namespace deconv::train {

/// What random numbers of a run are drawn for, so that none are used twice. Weights and dropout masks draw
/// from the streams that nn/ gives them.
enum class Draw : std::uint64_t {
  order = 0x5d1f6a3e00000000u,  ///< The order of an epoch's pictures.
  view = 0x93c2b70400000000u,   ///< Crops and mirroring of an epoch's pictures.
};

/// The random numbers of one purpose in one epoch; a pure function of its arguments.
[[nodiscard]] constexpr Random random_for(std::uint64_t seed, Draw purpose, std::uint64_t epoch) noexcept {
  return Random(seed, static_cast<std::uint64_t>(purpose) ^ epoch);
}

}  // namespace deconv::train
