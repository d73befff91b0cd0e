#pragma once

#include "deconv/core/tensor.hpp"
#include "deconv/ops/resize_planes.hpp"

namespace deconv {

/// One plane H x W resized to height x width, see resize_planes. Throws ShapeError.
template <class T>
[[nodiscard]] Tensor<T, Cpu> resize_plane(TensorView<const T, Cpu> plane, Index height, Index width) {
  require<ShapeError>(plane.rank() == 2 && plane.count() > 0 && height > 0 && width > 0, "resize of a plane ",
                      plane.shape(), " to ", height, "x", width);
  Tensor<T, Cpu> resized({height, width});
  resize_planes<T>(Context<Cpu>(1), plane.reshaped({1, plane[0], plane[1]}),
                   resized.view().reshaped({1, height, width}));
  return resized;
}

}  // namespace deconv
