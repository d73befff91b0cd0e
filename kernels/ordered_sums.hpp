#pragma once

#include "deconv/core/context.hpp"
#include "deconv/ops/weight_step.hpp"

// The last step of products whose sums were split; see ordered_sums.cuh.
namespace deconv::cuda {

/// What becomes of a sum on its way out.
template <class T>
struct SumsTarget {
  T* dst = nullptr;
  const T* bias = nullptr;  ///< null, or a value for each of `channels`, the innermost axis of dst
  int channels = 1;
  bool rectified = false;
  float negative_slope = 0.0f;
  /// Not 0: dst is filters in nchw while the parts are in nhwc, filters x taps x filter_channels.
  int taps = 0, filter_channels = 0;
};

/// dst[i] = sum over s < splits of parts[s * count + i], s ascending.
template <class T>
void add_parts(const Context<Cuda>& context, const float* parts, int splits, Index count,
               const SumsTarget<T>& target);

/// The sums of `splits` >= 1 parts are a gradient of weights, rounded to T: takes the step for it, and keeps
/// it nowhere. Bits of add_parts (for one part: of the part) and sgd_update. The step's tensors are laid out
/// like the parts.
template <class T>
void add_parts_and_step(const Context<Cuda>& context, const float* parts, int splits,
                        const WeightStep<T, Cuda>& step);

}  // namespace deconv::cuda
