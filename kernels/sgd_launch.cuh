#pragma once

#include "common/divide.cuh"
#include "common/launch.cuh"
#include "deconv/core/error.hpp"
#include "sgd_update.cuh"

namespace deconv::cuda {

/// Starts the step over `filters` x `filter` weights, 16 bytes at a time where everything allows it.
template <class T, class Gradient, class Rounded>
void start_sgd(const Context<Cuda>& context, const SgdParams& params, const Gradient& gradient, T* velocity,
               T* weights, const Rounded& rounded, Index filters, Index filter) {
  constexpr int width = vector_width<T>;
  const auto aligned = [&](Index count) {
    return gradient.template aligned<width>(count) && vector_aligned<width>(velocity, count) &&
           vector_aligned<width>(weights, count);
  };
  if (params.largest_rms == 0.0f) {
    const Index count = filters * filter;
    const Index vectors = aligned(0) ? count / width : 0, rest = count - vectors * width;
    if (vectors > 0)
      launch(context, &sgd_step<T, width, Gradient, Rounded>, grid_for(vectors, sgd_threads), sgd_threads, 0,
             params, gradient, velocity, weights, rounded, 0, vectors);
    if (rest > 0)
      launch(context, &sgd_step<T, 1, Gradient, Rounded>, grid_for(rest, sgd_threads), sgd_threads, 0, params,
             gradient, velocity, weights, rounded, vectors * width, rest);
    return;
  }
  require<ShapeError>(filters <= divider_limit, "sgd_update: ", filters, " filters are too many for a GPU");
  launch(context,
         aligned(filter) ? &sgd_step_of_filters<T, width, Gradient, Rounded>
                         : &sgd_step_of_filters<T, 1, Gradient, Rounded>,
         dim3(static_cast<unsigned>(filters)), sgd_threads, 0, params, gradient, velocity, weights, rounded,
         filter);
}

}  // namespace deconv::cuda
