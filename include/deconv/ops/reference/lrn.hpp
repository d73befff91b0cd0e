#pragma once

#include <cmath>
#include <vector>

#include "deconv/ops/lrn.hpp"

namespace deconv::reference {

/// k + a * the sum of squares over the region of one element.
template <class T>
T lrn_denominator(TensorView<const T, Cpu> src, const LrnParams& params, Index n, Index c, Index y, Index x) {
  const Index before = (params.size - 1) / 2, behind = params.size / 2;
  const bool across = params.region == LrnRegion::across_channels;
  T sum = T(0);
  for (Index i = -before; i <= behind; ++i)
    for (Index j = across ? 0 : -before; j <= (across ? 0 : behind); ++j) {
      const Index channel = across ? c + i : c, row = across ? y : y + i, column = x + j;
      if (channel < 0 || channel >= src[1] || row < 0 || row >= src[2] || column < 0 || column >= src[3])
        continue;
      const T value = src(n, channel, row, column);
      sum += value * value;
    }
  return static_cast<T>(params.k) + static_cast<T>(deconv::detail::lrn_scale(params)) * sum;
}

/// As deconv::lrn_forward.
template <class T>
void lrn_forward(Source<T, Cpu> src, const LrnParams& params, TensorView<T, Cpu> dst) {
  for (Index n = 0; n < dst[0]; ++n)
    for (Index c = 0; c < dst[1]; ++c)
      for (Index y = 0; y < dst[2]; ++y)
        for (Index x = 0; x < dst[3]; ++x)
          dst(n, c, y, x) = src(n, c, y, x) * std::pow(lrn_denominator<T>(src, params, n, c, y, x),
                                                       -static_cast<T>(params.beta));
}

/// As deconv::lrn_reverse.
template <class T>
void lrn_reverse(Source<T, Cpu> src, Source<T, Cpu> diff_dst, const LrnParams& params,
                 TensorView<T, Cpu> diff_src) {
  const Index before = (params.size - 1) / 2, behind = params.size / 2;
  const bool across = params.region == LrnRegion::across_channels;
  const T beta = static_cast<T>(params.beta);
  const T factor = 2 * static_cast<T>(deconv::detail::lrn_scale(params)) * beta;
  for (Index n = 0; n < src[0]; ++n)
    for (Index c = 0; c < src[1]; ++c)
      for (Index y = 0; y < src[2]; ++y)
        for (Index x = 0; x < src[3]; ++x) {
          T sum = T(0);
          for (Index i = -behind; i <= before; ++i)
            for (Index j = across ? 0 : -behind; j <= (across ? 0 : before); ++j) {
              const Index channel = across ? c + i : c, row = across ? y : y + i, column = x + j;
              if (channel < 0 || channel >= src[1] || row < 0 || row >= src[2] || column < 0 ||
                  column >= src[3])
                continue;
              sum += diff_dst(n, channel, row, column) * src(n, channel, row, column) *
                     std::pow(lrn_denominator<T>(src, params, n, channel, row, column), -beta - T(1));
            }
          diff_src(n, c, y, x) =
              diff_dst(n, c, y, x) * std::pow(lrn_denominator<T>(src, params, n, c, y, x), -beta) -
              factor * src(n, c, y, x) * sum;
        }
}

}  // namespace deconv::reference
