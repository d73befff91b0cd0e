#pragma once

#include <cstdint>

namespace deconv {

/// Losses that ask of each class by itself whether a picture is of it; see one_vs_rest_loss_forward().
enum class OneVsRestLoss : std::uint8_t {
  /// max(0, 1 - s z)^2, s = 1 where the picture is of the class, else -1: a linear support vector machine a
  /// class, trained together with what is below. Source: Tang 2013, "Deep learning using linear support
  /// vector machines"; Table 7 of Zeiler and Fergus 2013.
  squared_hinge,
  /// log(1 + exp(-s z)), the cross-entropy of 1 / (1 + exp(-z)): pictures of several classes at once.
  sigmoid,
};

}  // namespace deconv
