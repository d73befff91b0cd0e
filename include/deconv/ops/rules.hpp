#pragma once

#include <cstdint>

namespace deconv {

/// How a rectifier passes a signal down. The gradient keeps the forward mask (signal where the input was
/// positive), the deconvnet rectifies the signal itself, guided does both. Source: Zeiler and Fergus 2013,
/// section 2.1; Springenberg et al. 2014, figure 1.
enum class RectifierRule : std::uint8_t { deconvnet, guided, gradient };

/// What an input pixel that won several overlapping pooling windows receives: the sum of their signals (the
/// adjoint of max-pooling) or the signal of the last window in raster order.
enum class OverlapRule : std::uint8_t { sum, last };

/// How contrast normalisation passes a signal down: unchanged (the paper's deconvnet) or by its gradient.
enum class NormalisationRule : std::uint8_t { identity, gradient };

/// The choices of a reverse pass. The default is the paper's deconvnet.
struct ReverseOptions {
  RectifierRule rectifier = RectifierRule::deconvnet;
  OverlapRule overlap = OverlapRule::sum;
  NormalisationRule normalisation = NormalisationRule::identity;
  /// Gradients of the layers' parameters too (reverse_to_parameters); layers then keep what they read.
  bool parameters = false;

  static constexpr ReverseOptions deconvnet() noexcept { return {}; }
  static constexpr ReverseOptions guided() noexcept {
    return {RectifierRule::guided, OverlapRule::sum, NormalisationRule::identity};
  }
  static constexpr ReverseOptions gradient() noexcept {
    return {RectifierRule::gradient, OverlapRule::sum, NormalisationRule::gradient};
  }
  /// What a step of training wants.
  static constexpr ReverseOptions training() noexcept {
    return {RectifierRule::gradient, OverlapRule::sum, NormalisationRule::gradient, true};
  }
};

}  // namespace deconv
