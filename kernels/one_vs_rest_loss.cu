#include "one_vs_rest_loss.cuh"

#include <algorithm>

#include "common/divide.cuh"
#include "common/launch.cuh"
#include "deconv/ops/cuda/one_vs_rest_loss.hpp"

namespace deconv::cuda {
namespace {

/// Calls body(first image, images, blocks) for as many images at once as a grid takes.
template <class Body>
void over_images(Index images, const Body& body) {
  constexpr Index most = divider_limit / one_vs_rest_warps * one_vs_rest_warps;
  for (Index first = 0; first < images; first += most) {
    const Index count = std::min(most, images - first);
    body(first, count, dim3(static_cast<unsigned>(parts_of<Index>(count, one_vs_rest_warps))));
  }
}

}  // namespace

template <class T>
void one_vs_rest_loss_forward(const Context<Cuda>& context, OneVsRestLoss kind, const T* logits,
                              const T* targets, Index images, Index classes, T* loss) {
  const auto kernel = kind == OneVsRestLoss::squared_hinge
                          ? &one_vs_rest_losses<OneVsRestLoss::squared_hinge, T>
                          : &one_vs_rest_losses<OneVsRestLoss::sigmoid, T>;
  over_images(images, [&](Index first, Index count, dim3 grid) {
    launch(context, kernel, grid, one_vs_rest_threads, 0, count, classes, logits + first * classes,
           targets + first * classes, loss + first);
  });
}

template <class T>
void one_vs_rest_loss_reverse(const Context<Cuda>& context, OneVsRestLoss kind, const T* logits,
                              const T* targets, const T* diff_loss, Index images, Index classes,
                              T* diff_logits) {
  const auto kernel = kind == OneVsRestLoss::squared_hinge
                          ? &one_vs_rest_slopes<OneVsRestLoss::squared_hinge, T>
                          : &one_vs_rest_slopes<OneVsRestLoss::sigmoid, T>;
  over_images(images, [&](Index first, Index count, dim3 grid) {
    launch(context, kernel, grid, one_vs_rest_threads, 0, count, classes, logits + first * classes,
           targets + first * classes, diff_loss + first, diff_logits + first * classes);
  });
}

#define DECONV_INSTANCE(T)                                                                                  \
  template void one_vs_rest_loss_forward<T>(const Context<Cuda>&, OneVsRestLoss, const T*, const T*, Index, \
                                            Index, T*);                                                     \
  template void one_vs_rest_loss_reverse<T>(const Context<Cuda>&, OneVsRestLoss, const T*, const T*,        \
                                            const T*, Index, Index, T*);
DECONV_INSTANCE(float)
DECONV_INSTANCE(half)
DECONV_INSTANCE(bfloat16)
#undef DECONV_INSTANCE

}  // namespace deconv::cuda
