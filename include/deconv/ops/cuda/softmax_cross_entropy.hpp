#pragma once

#include <cstdint>

#include "deconv/core/context.hpp"

// The launchers of softmax cross-entropy, see ops/softmax_cross_entropy.hpp;
// kernels/softmax_cross_entropy.cu. T is float, half or bfloat16.
namespace deconv::cuda {

template <class T>
void softmax_cross_entropy_forward(const Context<Cuda>& context, const T* logits, const std::int64_t* labels,
                                   Index images, Index classes, T* loss);
template <class T>
void softmax_cross_entropy_reverse(const Context<Cuda>& context, const T* logits, const std::int64_t* labels,
                                   const T* diff_loss, Index images, Index classes, T* diff_logits);

}  // namespace deconv::cuda
