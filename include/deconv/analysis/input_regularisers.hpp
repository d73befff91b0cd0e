#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include "deconv/core/tensor.hpp"

// What keeps an input that is made by gradient ascent near to pictures: operations on planes C x H x W on the
// host, each by itself. Sources: Yosinski et al., "Understanding neural networks through deep visualization",
// ICML workshop 2015, section 3 (blur, decay, clipping of small norms and contributions); Mahendran and
// Vedaldi, "Understanding deep image representations by inverting them", CVPR 2015, section 3 (total
// variation).
namespace deconv {

namespace detail {

inline void check_planes(const Shape& shape, bool row_major) {
  require<ShapeError>(shape.rank() == 3 && shape.count() > 0 && row_major,
                      "planes channels x height x width wanted, met ", shape);
}

/// The value that `percent` of the numbers lie below; reorders them.
[[nodiscard]] inline double share_below(std::vector<double>& values, double percent) {
  const auto at = static_cast<std::ptrdiff_t>(percent / 100 * static_cast<double>(values.size()));
  std::nth_element(values.begin(), values.begin() + at, values.end());
  return values[static_cast<std::size_t>(at)];
}

/// Sets every channel to 0 at the positions whose number is among the lowest `percent` of all positions'
/// (ties stay). Throws ArgumentError unless 0 <= percent < 100.
template <class T>
void clip_lowest(TensorView<T, Cpu> planes, const std::vector<double>& numbers, double percent) {
  require<ArgumentError>(percent >= 0 && percent < 100,
                         "a share of pixels from 0 to below 100 % wanted, met ", percent);
  std::vector<double> sorted = numbers;
  const double least = share_below(sorted, percent);
  const Index positions = planes[1] * planes[2];
  for (Index i = 0; i < positions; ++i)
    if (numbers[static_cast<std::size_t>(i)] < least)
      for (Index c = 0; c < planes[0]; ++c) planes.data()[c * positions + i] = T(0);
}

}  // namespace detail

/// The planes moved `down` and `right` pixels, what leaves at one edge entering at the other. Throws
/// ShapeError.
template <class T>
[[nodiscard]] Tensor<T, Cpu> rolled(TensorView<const T, Cpu> planes, Index down, Index right) {
  detail::check_planes(planes.shape(), planes.row_major());
  const Index height = planes[1], width = planes[2];
  const auto wrapped = [](Index i, Index length) { return ((i % length) + length) % length; };
  Tensor<T, Cpu> result(planes.shape());
  const Index shift = wrapped(right, width);
  for (Index c = 0; c < planes[0]; ++c)
    for (Index y = 0; y < height; ++y) {
      const T* from = planes.data() + (c * height + y) * width;
      T* to = result.data() + (c * height + wrapped(y + down, height)) * width;
      std::copy_n(from, width - shift, to + shift);
      std::copy_n(from + width - shift, shift, to);
    }
  return result;
}

/// Blurs each plane with a Gaussian of standard deviation `sigma` pixels, cut at three of them and scaled to
/// the sum 1; beyond the edges the outermost values are repeated. 0 changes nothing. Throws ShapeError,
/// ArgumentError unless 0 <= sigma <= 100. Cost: 2 * (6 sigma + 1) multiply-adds a value.
template <class T>
void gaussian_blur(TensorView<T, Cpu> planes, double sigma) {
  detail::check_planes(planes.shape(), planes.row_major());
  require<ArgumentError>(sigma >= 0 && sigma <= 100, "a blur of 0 to 100 pixels wanted, met ", sigma);
  if (sigma == 0) return;
  const auto radius = static_cast<Index>(std::ceil(3 * sigma));
  std::vector<double> weights;
  double sum = 0;
  for (Index i = -radius; i <= radius; ++i) {
    weights.push_back(std::exp(-0.5 * static_cast<double>(i * i) / (sigma * sigma)));
    sum += weights.back();
  }
  const Index height = planes[1], width = planes[2];
  std::vector<double> line;
  const auto blur_line = [&](T* first, Index length, Index step) {
    line.resize(static_cast<std::size_t>(length + 2 * radius));
    for (Index i = -radius; i < length + radius; ++i)
      line[static_cast<std::size_t>(i + radius)] =
          static_cast<double>(first[std::clamp<Index>(i, 0, length - 1) * step]);
    for (Index i = 0; i < length; ++i) {
      double value = 0;
      for (std::size_t k = 0; k < weights.size(); ++k)
        value += weights[k] * line[static_cast<std::size_t>(i) + k];
      first[i * step] = static_cast<T>(value / sum);
    }
  };
  for (Index c = 0; c < planes[0]; ++c) {
    T* plane = planes.data() + c * height * width;
    for (Index y = 0; y < height; ++y) blur_line(plane + y * width, width, 1);
    for (Index x = 0; x < width; ++x) blur_line(plane + x, height, width);
  }
}

/// How much neighbouring values differ: the sum over all positions and channels of
/// sqrt(dx^2 + dy^2 + eps^2) - eps, where dx and dy lead to the right and lower neighbour (0 at the edge) and
/// eps = 0.01 makes the sum smooth where they are 0. Throws ShapeError.
template <class T>
[[nodiscard]] double total_variation(TensorView<const T, Cpu> planes);

/// Its gradient with respect to the planes: below 4 in magnitude everywhere. Throws ShapeError. Cost: about
/// twenty operations and a square root a value.
template <class T>
[[nodiscard]] Tensor<T, Cpu> total_variation_gradient(TensorView<const T, Cpu> planes);

namespace detail {

inline constexpr double variation_smoothing = 0.01;

/// Calls `take(i, right, below, dx, dy, length)` with the number of each value, of its neighbours (its own at
/// an edge), and its differences.
template <class T, class Take>
void each_difference(TensorView<const T, Cpu> planes, const Take& take) {
  check_planes(planes.shape(), planes.row_major());
  const Index height = planes[1], width = planes[2];
  const T* v = planes.data();
  for (Index c = 0; c < planes[0]; ++c)
    for (Index y = 0; y < height; ++y)
      for (Index x = 0; x < width; ++x) {
        const Index i = (c * height + y) * width + x;
        const Index right = x + 1 < width ? i + 1 : i, below = y + 1 < height ? i + width : i;
        const double dx = static_cast<double>(v[right]) - static_cast<double>(v[i]);
        const double dy = static_cast<double>(v[below]) - static_cast<double>(v[i]);
        take(i, right, below, dx, dy,
             std::sqrt(dx * dx + dy * dy + variation_smoothing * variation_smoothing));
      }
}

}  // namespace detail

template <class T>
double total_variation(TensorView<const T, Cpu> planes) {
  double sum = 0;
  detail::each_difference(planes, [&](Index, Index, Index, double, double, double length) {
    sum += length - detail::variation_smoothing;
  });
  return sum;
}

template <class T>
Tensor<T, Cpu> total_variation_gradient(TensorView<const T, Cpu> planes) {
  auto gradient = Tensor<T, Cpu>::filled(planes.shape(), T(0));
  T* g = gradient.data();
  detail::each_difference(planes,
                          [&](Index i, Index right, Index below, double dx, double dy, double length) {
                            g[right] += static_cast<T>(dx / length);
                            g[below] += static_cast<T>(dy / length);
                            g[i] -= static_cast<T>((dx + dy) / length);
                          });
  return gradient;
}

/// Sets to 0 the pixels (all channels of a position) whose norm over the channels is among the lowest
/// `percent` of all. Throws ShapeError, ArgumentError unless 0 <= percent < 100.
template <class T>
void clip_small_norms(TensorView<T, Cpu> planes, double percent) {
  detail::check_planes(planes.shape(), planes.row_major());
  const Index positions = planes[1] * planes[2];
  std::vector<double> norms(static_cast<std::size_t>(positions), 0.0);
  for (Index c = 0; c < planes[0]; ++c)
    for (Index i = 0; i < positions; ++i) {
      const auto value = static_cast<double>(planes.data()[c * positions + i]);
      norms[static_cast<std::size_t>(i)] += value * value;
    }
  detail::clip_lowest(planes, norms, percent);
}

/// Sets to 0 the pixels that the objective would miss least: those where |sum over channels of value x
/// gradient|, the change to first order if the pixel became 0, is among the lowest `percent`. Throws
/// ShapeError, ArgumentError unless 0 <= percent < 100.
template <class T>
void clip_small_contributions(TensorView<T, Cpu> planes,
                              std::type_identity_t<TensorView<const T, Cpu>> gradient, double percent) {
  detail::check_planes(planes.shape(), planes.row_major());
  require<ShapeError>(gradient.shape() == planes.shape() && gradient.row_major(), "a gradient of shape ",
                      planes.shape(), " wanted, met ", gradient.shape());
  const Index positions = planes[1] * planes[2];
  std::vector<double> contributions(static_cast<std::size_t>(positions), 0.0);
  for (Index c = 0; c < planes[0]; ++c)
    for (Index i = 0; i < positions; ++i)
      contributions[static_cast<std::size_t>(i)] += static_cast<double>(planes.data()[c * positions + i]) *
                                                    static_cast<double>(gradient.data()[c * positions + i]);
  for (double& one : contributions) one = std::abs(one);
  detail::clip_lowest(planes, contributions, percent);
}

}  // namespace deconv
