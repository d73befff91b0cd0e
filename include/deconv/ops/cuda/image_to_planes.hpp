#pragma once

#include <cstdint>

#include "deconv/core/context.hpp"
#include "deconv/ops/pixel_params.hpp"

// The launcher of image_to_planes, see ops/image_to_planes.hpp; kernels/image_to_planes.cu. T is float, half
// or bfloat16.
namespace deconv::cuda {

template <class T>
void image_to_planes(const Context<Cuda>& context, TensorView<const std::uint8_t, Cuda> src,
                     const PixelParams& params, const deconv::detail::ByteTable& table,
                     TensorView<const float, Cuda> mean_image, TensorView<T, Cuda> dst);

}  // namespace deconv::cuda
