#include "softmax_cross_entropy.cuh"

#include <algorithm>

#include "common/divide.cuh"
#include "common/launch.cuh"
#include "deconv/ops/cuda/softmax_cross_entropy.hpp"

namespace deconv::cuda {
namespace {

/// Calls body(first image, blocks) for as many images at once as a grid takes.
template <class Body>
void over_images(Index images, const Body& body) {
  for (Index first = 0; first < images; first += divider_limit)
    body(first, dim3(static_cast<unsigned>(std::min<Index>(divider_limit, images - first))));
}

}  // namespace

template <class T>
void softmax_cross_entropy_forward(const Context<Cuda>& context, const T* logits, const std::int64_t* labels,
                                   Index images, Index classes, T* loss) {
  over_images(images, [&](Index first, dim3 grid) {
    launch(context, &cross_entropy<T>, grid, cross_entropy_threads, 0, classes, logits + first * classes,
           labels + first, loss + first);
  });
}

template <class T>
void softmax_cross_entropy_reverse(const Context<Cuda>& context, const T* logits, const std::int64_t* labels,
                                   const T* diff_loss, Index images, Index classes, T* diff_logits) {
  over_images(images, [&](Index first, dim3 grid) {
    launch(context, &cross_entropy_reverse<T>, grid, cross_entropy_threads, 0, classes,
           logits + first * classes, labels + first, diff_loss + first, diff_logits + first * classes);
  });
}

#define DECONV_INSTANCE(T)                                                                                   \
  template void softmax_cross_entropy_forward<T>(const Context<Cuda>&, const T*, const std::int64_t*, Index, \
                                                 Index, T*);                                                 \
  template void softmax_cross_entropy_reverse<T>(const Context<Cuda>&, const T*, const std::int64_t*,        \
                                                 const T*, Index, Index, T*);
DECONV_INSTANCE(float)
DECONV_INSTANCE(half)
DECONV_INSTANCE(bfloat16)
#undef DECONV_INSTANCE

}  // namespace deconv::cuda
