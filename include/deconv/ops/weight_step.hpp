#pragma once

#include "deconv/core/tensor_view.hpp"
#include "deconv/ops/sgd_params.hpp"

namespace deconv {

/// A step of gradient descent (sgd_update) that is taken where a layer's gradient is summed up, so that the
/// gradient need not be kept. See ops/update_weights.hpp.
template <class T, Device D>
struct WeightStep {
  SgdParams sgd;
  TensorView<float, D> velocity, weights;  ///< what is trained: of the layer's weights' shape and layout
  /// For T other than float the layer's own weights, which become `weights` rounded; else empty.
  TensorView<T, D> rounded;
};

}  // namespace deconv
