#pragma once

#include <cmath>
#include <vector>

#include "deconv/core/parallel.hpp"
#include "deconv/ops/batch_norm.hpp"
#include "deconv/ops/cpu/channel_sums.hpp"

namespace deconv::cpu {
namespace detail {

/// dst = src * factor + shift, by channel.
template <class T>
void scale_channels(const Context<Cpu>& context, TensorView<const T, Cpu> src, const std::vector<T>& factors,
                    const std::vector<T>& shifts, TensorView<T, Cpu> dst) {
  const auto span = deconv::detail::axis_span(src.shape(), src.layout(), 1);
  const Index channels = span.extent, inner = span.inner;
  if (inner == 1) {
    const auto body = [&](Index pixel) {
      const T *from = src.data() + pixel * channels, *factor = factors.data(), *shift = shifts.data();
      T* to = dst.data() + pixel * channels;
#pragma omp simd
      for (Index c = 0; c < channels; ++c) to[c] = from[c] * factor[c] + shift[c];
    };
    parallel_for(context, span.outer, body, deconv::detail::row_grain(channels));
    return;
  }
  const auto body = [&](Index line) {
    const auto c = static_cast<std::size_t>(line % channels);
    const T *from = src.data() + line * inner, factor = factors[c], shift = shifts[c];
    T* to = dst.data() + line * inner;
#pragma omp simd
    for (Index i = 0; i < inner; ++i) to[i] = from[i] * factor + shift;
  };
  parallel_for(context, span.outer * channels, body, deconv::detail::row_grain(inner));
}

}  // namespace detail

template <class T>
void batch_norm_forward(const Context<Cpu>& context, TensorView<const T, Cpu> src, const T* scale,
                        const T* bias, const T* mean, const T* variance, float epsilon,
                        TensorView<T, Cpu> dst) {
  const auto channels = static_cast<std::size_t>(src[1]);
  std::vector<T> factors(channels), shifts(channels);
  for (std::size_t c = 0; c < channels; ++c) {
    // In double: mean * factor may be far larger than the shift that is left.
    const double factor = scale[c] / std::sqrt(static_cast<double>(variance[c]) + epsilon);
    factors[c] = static_cast<T>(factor);
    shifts[c] = static_cast<T>(bias[c] - mean[c] * factor);
  }
  detail::scale_channels(context, src, factors, shifts, dst);
}

template <class T>
void batch_norm_reverse(const Context<Cpu>& context, TensorView<const T, Cpu> diff_dst, const T* scale,
                        const T* variance, float epsilon, TensorView<T, Cpu> diff_src) {
  const auto channels = static_cast<std::size_t>(diff_dst[1]);
  std::vector<T> factors(channels), shifts(channels, T(0));
  for (std::size_t c = 0; c < channels; ++c)
    factors[c] = static_cast<T>(scale[c] / std::sqrt(static_cast<double>(variance[c]) + epsilon));
  detail::scale_channels(context, diff_dst, factors, shifts, diff_src);
}

template <class T>
void batch_norm_reverse_parameters(const Context<Cpu>& context, TensorView<const T, Cpu> src,
                                   TensorView<const T, Cpu> diff_dst, const T* mean, const T* variance,
                                   float epsilon, T* diff_scale, T* diff_bias) {
  const auto span = deconv::detail::axis_span(src.shape(), src.layout(), 1);
  const T *x = src.data(), *signal = diff_dst.data();
  const auto sums =
      channel_sums(context, span, [=](Index at, Index) { return static_cast<double>(signal[at]); });
  const auto products = channel_sums(context, span, [=](Index at, Index c) {
    return static_cast<double>(signal[at]) * (static_cast<double>(x[at]) - static_cast<double>(mean[c]));
  });
  for (Index c = 0; c < span.extent; ++c) {
    const auto channel = static_cast<std::size_t>(c);
    diff_scale[c] = static_cast<T>(products[channel] / std::sqrt(static_cast<double>(variance[c]) + epsilon));
    diff_bias[c] = static_cast<T>(sums[channel]);
  }
}

}  // namespace deconv::cpu
