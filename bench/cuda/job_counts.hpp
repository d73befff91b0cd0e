#pragma once
/// What whole jobs on a chain of layers must compute and move at least, layer by layer.

#include <string>

#include "deconv/nn/graph.hpp"

namespace deconv::bench {

struct Counts {
  double flops = 0;
  double elements = 0;  ///< read and written
  [[nodiscard]] Counts operator+(const Counts& other) const noexcept {
    return {flops + other.flops, elements + other.elements};
  }
};

/// The deepest rectified convolution: what projections begin at and Grad-CAM looks at.
[[nodiscard]] std::string last_rectified(const Graph& graph);
/// A forward pass of `images` images, no further than the named tensor (empty: all of it).
[[nodiscard]] Counts forward_counts(const Graph& graph, Index images, const std::string& up_to = {});
/// The gradient from the last layer down to the named tensor.
[[nodiscard]] Counts reverse_counts(const Graph& graph, Index images, const std::string& down_to);
/// `units` units of the named tensor down to the pixels, each on its receptive field or, where that is larger
/// than the plane, on the plane.
[[nodiscard]] Counts projection_counts(const Graph& graph, const std::string& layer, Index units);

}  // namespace deconv::bench
