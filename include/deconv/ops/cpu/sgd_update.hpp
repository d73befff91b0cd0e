#pragma once

#include <cmath>

#include "deconv/core/parallel.hpp"
#include "deconv/ops/sgd_update.hpp"

namespace deconv::cpu {
namespace detail {

template <class T>
void sgd_step(const SgdParams& params, const T* gradient, T* velocity, T* weights, Index begin, Index end) {
  const T rate = static_cast<T>(params.rate), momentum = static_cast<T>(params.momentum),
          decay = static_cast<T>(params.decay);
#pragma omp simd
  for (Index i = begin; i < end; ++i) {
    velocity[i] = momentum * velocity[i] - rate * (gradient[i] + decay * weights[i]);
    weights[i] += velocity[i];
  }
}

}  // namespace detail

template <class T>
void sgd_update(const Context<Cpu>& context, const SgdParams& params, const T* gradient, T* velocity,
                T* weights, Index filters, Index filter) {
  if (params.largest_rms == 0.0f) {
    parallel_ranges(context, filters * filter, 16384, [&](Index begin, Index end) {
      detail::sgd_step(params, gradient, velocity, weights, begin, end);
    });
    return;
  }
  const auto body = [&](Index k) {
    const Index begin = k * filter, end = begin + filter;
    detail::sgd_step(params, gradient, velocity, weights, begin, end);
    double squares = 0;
    for (Index i = begin; i < end; ++i) squares += static_cast<double>(weights[i]) * weights[i];
    const double rms = std::sqrt(squares / static_cast<double>(filter));
    if (!(rms > static_cast<double>(params.largest_rms))) return;
    const T factor = static_cast<T>(static_cast<double>(params.largest_rms) / rms);
    for (Index i = begin; i < end; ++i) weights[i] *= factor;
  };
  parallel_for(context, filters, body, deconv::detail::row_grain(filter));
}

}  // namespace deconv::cpu
