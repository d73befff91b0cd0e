#pragma once

#include <cstdint>

#include "deconv/core/dtype.hpp"

/// Writes INSTANCE(T) for every element type of a tensor: for ops that move elements without computing.
#define DECONV_FOR_ELEMENTS(INSTANCE) \
  INSTANCE(float)                     \
  INSTANCE(double)                    \
  INSTANCE(half)                      \
  INSTANCE(bfloat16)                  \
  INSTANCE(std::int64_t)              \
  INSTANCE(std::int32_t)              \
  INSTANCE(std::uint8_t)              \
  INSTANCE(std::uint16_t)
