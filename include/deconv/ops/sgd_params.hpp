#pragma once

namespace deconv {

/// One step of stochastic gradient descent, see sgd_update().
struct SgdParams {
  float rate = 0.01f;
  float momentum = 0.9f;
  float decay = 0;        ///< weight decay, before the rate
  float largest_rms = 0;  ///< of a filter after the step; 0: any
  /// What the gradient is multiplied with before all else: 1 / N for the sum over N images, or what undoes a
  /// loss scale.
  float gradient_scale = 1;
  friend bool operator==(const SgdParams&, const SgdParams&) = default;
};

}  // namespace deconv
