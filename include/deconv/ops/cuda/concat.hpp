#pragma once

#include "deconv/core/context.hpp"

// The launchers of concat, see ops/concat.hpp; kernels/concat.cu. T is any element type of core/dtype.hpp.
namespace deconv::cuda {

/// Copies between the whole and the part of it that begins at `offset` along `axis`.
template <class T>
void copy_into_part(const Context<Cuda>& context, TensorView<const T, Cuda> part, Index axis, Index offset,
                    TensorView<T, Cuda> whole);
template <class T>
void copy_from_part(const Context<Cuda>& context, TensorView<const T, Cuda> whole, Index axis, Index offset,
                    TensorView<T, Cuda> part);

}  // namespace deconv::cuda
