#include "sgd_update.cuh"

#include "common/divide.cuh"
#include "common/launch.cuh"
#include "deconv/core/error.hpp"
#include "deconv/ops/cuda/sgd_update.hpp"

namespace deconv::cuda {
namespace {

/// All weights, `N` at a time.
template <int N, class T>
void step(const Context<Cuda>& context, const SgdParams& params, const T* gradient, T* velocity, T* weights,
          Index count) {
  const Index vectors = count / N;
  if (vectors == 0) return;
  launch(context, &sgd_step<T, N>, grid_for(vectors, sgd_threads), sgd_threads, 0, params, gradient, velocity,
         weights, vectors);
}

}  // namespace

template <class T>
void sgd_update(const Context<Cuda>& context, const SgdParams& params, const T* gradient, T* velocity,
                T* weights, Index filters, Index filter) {
  constexpr int width = vector_width<T>;
  const auto aligned = [&](Index count) {
    return vector_aligned<width>(gradient, count) && vector_aligned<width>(velocity, count) &&
           vector_aligned<width>(weights, count);
  };
  const Index count = filters * filter;
  if (params.largest_rms == 0.0f) {
    const Index whole = aligned(0) ? count / width * width : 0;
    step<width>(context, params, gradient, velocity, weights, whole);
    return step<1>(context, params, gradient + whole, velocity + whole, weights + whole, count - whole);
  }
  require<ShapeError>(filters <= divider_limit, "sgd_update: ", filters, " filters are too many for a GPU");
  launch(context, aligned(filter) ? &sgd_step_of_filters<T, width> : &sgd_step_of_filters<T, 1>,
         dim3(static_cast<unsigned>(filters)), sgd_threads, 0, params, gradient, velocity, weights, filter);
}

#define DECONV_INSTANCE(T) \
  template void sgd_update<T>(const Context<Cuda>&, const SgdParams&, const T*, T*, T*, Index, Index);
DECONV_INSTANCE(float)
DECONV_INSTANCE(half)
DECONV_INSTANCE(bfloat16)
#undef DECONV_INSTANCE

}  // namespace deconv::cuda
