#pragma once

#include <cmath>

#include "deconv/core/parallel.hpp"
#include "deconv/ops/sgd_update.hpp"

namespace deconv::cpu {
namespace detail {

/// The step of `count` neighbouring weights. `Scaled` is false where gradient_scale is 1, which then costs no
/// rounding. With `Squares` the sum of the new weights' squares comes back, from the same trip through
/// memory.
template <bool Scaled, bool Squares, class T>
double sgd_step(const SgdParams& params, const T* gradient, T* velocity, T* weights, Index count) {
  const T rate = static_cast<T>(params.rate), momentum = static_cast<T>(params.momentum),
          decay = static_cast<T>(params.decay), scale = static_cast<T>(params.gradient_scale);
  double squares = 0;
#pragma omp simd reduction(+ : squares)
  for (Index i = 0; i < count; ++i) {
    T slope = gradient[i];
    if constexpr (Scaled) slope *= scale;
    velocity[i] = momentum * velocity[i] - rate * (slope + decay * weights[i]);
    const T weight = weights[i] + velocity[i];
    weights[i] = weight;
    if constexpr (Squares) squares += static_cast<double>(weight) * static_cast<double>(weight);
  }
  return squares;
}

template <bool Scaled, class T>
void sgd_update(const Context<Cpu>& context, const SgdParams& params, const T* gradient, T* velocity,
                T* weights, Index filters, Index filter) {
  if (params.largest_rms == 0.0f) {
    parallel_ranges(context, filters * filter, 16384, [&](Index begin, Index end) {
      sgd_step<Scaled, false>(params, gradient + begin, velocity + begin, weights + begin, end - begin);
    });
    return;
  }
  const auto body = [&](Index k) {
    T* const w = weights + k * filter;
    const double squares =
        sgd_step<Scaled, true>(params, gradient + k * filter, velocity + k * filter, w, filter);
    const double rms = std::sqrt(squares / static_cast<double>(filter));
    if (!(rms > static_cast<double>(params.largest_rms))) return;
    const T factor = static_cast<T>(static_cast<double>(params.largest_rms) / rms);
#pragma omp simd
    for (Index i = 0; i < filter; ++i) w[i] *= factor;
  };
  parallel_for(context, filters, body, deconv::detail::row_grain(filter));
}

}  // namespace detail

template <class T>
void sgd_update(const Context<Cpu>& context, const SgdParams& params, const T* gradient, T* velocity,
                T* weights, Index filters, Index filter) {
  if (params.gradient_scale == 1.0f)
    detail::sgd_update<false>(context, params, gradient, velocity, weights, filters, filter);
  else
    detail::sgd_update<true>(context, params, gradient, velocity, weights, filters, filter);
}

}  // namespace deconv::cpu
