#pragma once

#include <cmath>
#include <string_view>

#include "deconv/core/context.hpp"
#include "deconv/ops/cuda/sgd_update.hpp"
#include "deconv/ops/operands.hpp"
#include "deconv/ops/sgd_params.hpp"

namespace deconv {

namespace cpu {
template <class T>
void sgd_update(const Context<Cpu>& context, const SgdParams& params, const T* gradient, T* velocity,
                T* weights, Index filters, Index filter);
}  // namespace cpu

namespace detail {

/// Throws ArgumentError unless all parameters are finite and not negative.
inline void check_sgd(std::string_view what, const SgdParams& params) {
  for (const float value :
       {params.rate, params.momentum, params.decay, params.largest_rms, params.gradient_scale})
    require<ArgumentError>(std::isfinite(value) && value >= 0, what,
                           ": finite parameters that are not negative are wanted, met ", value);
}

}  // namespace detail

/// velocity = momentum * velocity - rate * (gradient_scale * gradient + decay * weights), then weights +=
/// velocity. With largest_rms > 0 each filter (index of the outermost axis) whose root mean square exceeds it
/// after the step is scaled back to it; its velocity stays.
///
/// Any rank >= 1, one shape and layout for all three. half and bfloat16 compute in float and round what they
/// store, which loses small steps: weights that are trained want to be float. Throws ShapeError, and
/// ArgumentError unless all parameters are finite and not negative. Bytes: weights and velocity read and
/// written, gradient read; a filter that is scaled back once more, from the caches. Seven flops a weight, two
/// more for the mean square. Source: Krizhevsky et al. 2012, section 5; Zeiler and Fergus 2013, section 3.
template <class T, Device D>
void sgd_update(const Context<D>& context, const SgdParams& params, Source<T, D> gradient,
                TensorView<T, D> velocity, TensorView<T, D> weights) {
  constexpr std::string_view what = "sgd_update";
  detail::check_alike(what, "gradient", weights, gradient);
  detail::check_alike(what, "velocity", weights, velocity);
  require<ShapeError>(weights.rank() >= 1, what, ": wants weights of rank 1 or more");
  detail::check_sgd(what, params);
  if (weights.count() == 0) return;
  const Index filters = weights[0], filter = weights.count() / filters;
  if constexpr (std::same_as<D, Cpu>)
    cpu::sgd_update<T>(context, params, gradient.data(), velocity.data(), weights.data(), filters, filter);
  else
    cuda::sgd_update<T>(context, params, gradient.data(), velocity.data(), weights.data(), filters, filter);
}

}  // namespace deconv

#include "deconv/ops/cpu/sgd_update.hpp"
