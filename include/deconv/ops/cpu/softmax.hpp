#pragma once

#include <algorithm>
#include <cmath>

#include "deconv/core/parallel.hpp"
#include "deconv/ops/softmax.hpp"

namespace deconv::cpu {
namespace detail {

/// Calls body(first element) for every line along the axis; the line's elements lie `span.inner` apart.
template <class Body>
void each_line(const Context<Cpu>& context, const deconv::detail::AxisSpan& span, const Body& body) {
  parallel_for(
      context, span.outer * span.inner,
      [&](Index line) { body(line / span.inner * span.extent * span.inner + line % span.inner); },
      deconv::detail::row_grain(span.extent * 8));
}

/// The maximum of a line and log of the sum of exp(value - maximum).
template <class T>
std::pair<T, double> log_sum_exp(const T* line, const deconv::detail::AxisSpan& span) {
  T most = line[0];
  for (Index i = 1; i < span.extent; ++i) most = std::max(most, line[i * span.inner]);
  double sum = 0;
  for (Index i = 0; i < span.extent; ++i) sum += static_cast<double>(std::exp(line[i * span.inner] - most));
  return {most, std::log(sum)};
}

}  // namespace detail

template <class T>
void softmax_forward(const Context<Cpu>& context, const T* src, deconv::detail::AxisSpan span, T* dst) {
  detail::each_line(context, span, [&](Index first) {
    const T* from = src + first;
    T* to = dst + first;
    T most = from[0];
    for (Index i = 1; i < span.extent; ++i) most = std::max(most, from[i * span.inner]);
    double sum = 0;
    for (Index i = 0; i < span.extent; ++i) {
      to[i * span.inner] = std::exp(from[i * span.inner] - most);
      sum += static_cast<double>(to[i * span.inner]);
    }
    const T scale = static_cast<T>(1 / sum);
    for (Index i = 0; i < span.extent; ++i) to[i * span.inner] *= scale;
  });
}

template <class T>
void log_softmax_forward(const Context<Cpu>& context, const T* src, deconv::detail::AxisSpan span, T* dst) {
  detail::each_line(context, span, [&](Index first) {
    const auto [most, log_sum] = detail::log_sum_exp(src + first, span);
    const T shift = static_cast<T>(log_sum);
    for (Index i = 0; i < span.extent; ++i)
      dst[first + i * span.inner] = (src[first + i * span.inner] - most) - shift;
  });
}

template <class T>
void softmax_reverse(const Context<Cpu>& context, const T* dst, const T* diff_dst,
                     deconv::detail::AxisSpan span, T* diff_src) {
  detail::each_line(context, span, [&](Index first) {
    double sum = 0;
    for (Index i = first; i < first + span.extent * span.inner; i += span.inner)
      sum += static_cast<double>(dst[i]) * static_cast<double>(diff_dst[i]);
    const T mean = static_cast<T>(sum);
    for (Index i = first; i < first + span.extent * span.inner; i += span.inner)
      diff_src[i] = dst[i] * (diff_dst[i] - mean);
  });
}

template <class T>
void log_softmax_reverse(const Context<Cpu>& context, const T* dst, const T* diff_dst,
                         deconv::detail::AxisSpan span, T* diff_src) {
  detail::each_line(context, span, [&](Index first) {
    double sum = 0;
    for (Index i = first; i < first + span.extent * span.inner; i += span.inner)
      sum += static_cast<double>(diff_dst[i]);
    const T total = static_cast<T>(sum);
    for (Index i = first; i < first + span.extent * span.inner; i += span.inner)
      diff_src[i] = diff_dst[i] - std::exp(dst[i]) * total;
  });
}

}  // namespace deconv::cpu
