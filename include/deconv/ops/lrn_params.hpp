#pragma once

#include <cstdint>

#include "deconv/core/shape.hpp"

namespace deconv {

enum class LrnRegion : std::uint8_t { across_channels, within_channel };

/// Whether alpha is divided by the number of summed elements (Caffe, ONNX: `per_region`, n across channels,
/// n*n within) or multiplies the sum as it is (Krizhevsky's paper: `plain`).
enum class AlphaConvention : std::uint8_t { per_region, plain };

/// Local response normalisation: dst = src / (k + a * sum of squares over the region)^beta, a = alpha or
/// alpha / region. The region has `size` channels (or size x size pixels) around the element, size odd or
/// even; with even size the region reaches (size-1)/2 before and size/2 behind (ONNX). Elements outside the
/// tensor count as 0. Source: Krizhevsky et al. 2012, section 3.3.
struct LrnParams {
  LrnRegion region = LrnRegion::across_channels;
  AlphaConvention convention = AlphaConvention::per_region;
  Index size = 5;
  float alpha = 1e-4f;
  float beta = 0.75f;
  float k = 1.0f;
  friend bool operator==(const LrnParams&, const LrnParams&) = default;
};

namespace detail {

/// a of the formula: alpha, or alpha shared among the summed elements.
inline double lrn_scale(const LrnParams& params) noexcept {
  if (params.convention == AlphaConvention::plain) return params.alpha;
  const auto size = static_cast<double>(params.size);
  return params.alpha / (params.region == LrnRegion::across_channels ? size : size * size);
}

}  // namespace detail
}  // namespace deconv
