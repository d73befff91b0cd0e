#pragma once

#include "deconv/core/context.hpp"
#include "deconv/ops/one_vs_rest_params.hpp"

// The launchers of the one-vs-rest losses, see ops/one_vs_rest_loss.hpp; kernels/one_vs_rest_loss.cu. T is
// float, half or bfloat16.
namespace deconv::cuda {

template <class T>
void one_vs_rest_loss_forward(const Context<Cuda>& context, OneVsRestLoss kind, const T* logits,
                              const T* targets, Index images, Index classes, T* loss);
template <class T>
void one_vs_rest_loss_reverse(const Context<Cuda>& context, OneVsRestLoss kind, const T* logits,
                              const T* targets, const T* diff_loss, Index images, Index classes,
                              T* diff_logits);

}  // namespace deconv::cuda
