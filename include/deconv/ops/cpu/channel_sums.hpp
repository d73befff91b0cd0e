#pragma once

#include <algorithm>
#include <vector>

#include "deconv/core/context.hpp"
#include "deconv/core/parallel.hpp"
#include "deconv/ops/operands.hpp"

namespace deconv::cpu {

/// For each channel the sum of value(at, channel) over all places `at` of a tensor in memory, in double: what
/// gradients of biases and scales are. How the sum is divided follows from the shape alone, so the bits do
/// not depend on threads.
template <class Value>
[[nodiscard]] std::vector<double> channel_sums(const Context<Cpu>& context,
                                               const deconv::detail::AxisSpan& span, const Value& value) {
  const Index channels = span.extent, inner = span.inner;
  // Planes (nchw) are added up line by line, pixels (nhwc) in chunks of some hundred.
  const Index rows = inner > 1 ? span.outer : std::clamp<Index>(span.outer / 256, 1, 64);
  std::vector<double> parts(static_cast<std::size_t>(rows * channels), 0.0);
  if (inner > 1) {
    const auto body = [&](Index line) {
      const Index c = line % channels;
      double sum = 0;
#pragma omp simd reduction(+ : sum)
      for (Index i = 0; i < inner; ++i) sum += value(line * inner + i, c);
      parts[static_cast<std::size_t>(line)] = sum;
    };
    parallel_for(context, rows * channels, body, deconv::detail::row_grain(inner));
  } else {
    const auto body = [&](Index row) {
      double* sums = parts.data() + row * channels;
      for (Index pixel = span.outer * row / rows; pixel < span.outer * (row + 1) / rows; ++pixel)
#pragma omp simd
        for (Index c = 0; c < channels; ++c) sums[c] += value(pixel * channels + c, c);
    };
    parallel_for(context, rows, body, deconv::detail::row_grain(span.outer / rows * channels));
  }
  std::vector<double> total(parts.begin(), parts.begin() + (rows > 0 ? channels : 0));
  total.resize(static_cast<std::size_t>(channels), 0.0);
  for (Index row = 1; row < rows; ++row)
    for (Index c = 0; c < channels; ++c)
      total[static_cast<std::size_t>(c)] += parts[static_cast<std::size_t>(row * channels + c)];
  return total;
}

}  // namespace deconv::cpu
