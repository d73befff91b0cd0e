#include "deconv/ops/cuda/sgd_update.hpp"

#include "sgd_launch.cuh"

namespace deconv::cuda {

template <class T>
void sgd_update(const Context<Cuda>& context, const SgdParams& params, const T* gradient, T* velocity,
                T* weights, Index filters, Index filter) {
  start_sgd(context, params, StoredGradient<T>{gradient}, velocity, weights, OnlyInPlace{}, filters, filter);
}

#define DECONV_INSTANCE(T) \
  template void sgd_update<T>(const Context<Cuda>&, const SgdParams&, const T*, T*, T*, Index, Index);
DECONV_INSTANCE(float)
DECONV_INSTANCE(half)
DECONV_INSTANCE(bfloat16)
#undef DECONV_INSTANCE

}  // namespace deconv::cuda
