#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

#include "deconv/analysis/attribution.hpp"

// How good an attribution is, as a number: pixels are taken away, or put back, in its order, and the class's
// probability is watched. Source: Petsiuk et al., "RISE: Randomized Input Sampling for Explanation of
// Black-box Models", BMVC 2018, section 4.2.
namespace deconv {

/// How the channels of an attribution become one number a pixel: their sum, for methods whose values say how
/// much a pixel adds to the score, or the sum of their absolute values, for those whose values say how much
/// the score minds the pixel.
enum class PixelRanking : std::uint8_t { sum, magnitude };

/// What suits a method: `sum` for gradient x input and integrated gradients, whose values are contributions,
/// `magnitude` for the others.
[[nodiscard]] inline PixelRanking pixel_ranking_of(AttributionMethod method) noexcept {
  return method == AttributionMethod::gradient_x_input || method == AttributionMethod::integrated_gradients
             ? PixelRanking::sum
             : PixelRanking::magnitude;
}

/// Places y * W + x of an attribution C x H x W, the strongest first; equals stay in raster order, NaN comes
/// last. Throws ShapeError. Cost: a sort.
template <class T>
[[nodiscard]] std::vector<Index> ranked_pixels(TensorView<const T, Cpu> attribution, PixelRanking ranking) {
  require<ShapeError>(attribution.rank() == 3 && attribution.count() > 0,
                      "pixels are ranked by an attribution C x H x W, met ", attribution.shape());
  const Index plane = attribution[1] * attribution[2];
  std::vector<double> strength(static_cast<std::size_t>(plane));
  for (Index i = 0; i < attribution.count(); ++i) {
    const double value = static_cast<double>(attribution.data()[i]);
    strength[static_cast<std::size_t>(i % plane)] += ranking == PixelRanking::sum ? value : std::abs(value);
  }
  for (double& value : strength)
    if (std::isnan(value)) value = -std::numeric_limits<double>::infinity();
  std::vector<Index> order(static_cast<std::size_t>(plane));
  std::iota(order.begin(), order.end(), Index{0});
  std::stable_sort(order.begin(), order.end(), [&](Index a, Index b) {
    return strength[static_cast<std::size_t>(a)] > strength[static_cast<std::size_t>(b)];
  });
  return order;
}

/// Planes (any shape whose last two axes are H and W) blurred by a Gaussian of `deviation` pixels, cut at
/// three deviations; pixels at the border are repeated beyond it. Throws ArgumentError unless 0 < deviation
/// <= 1000. Cost: 12 deviations of multiply-adds a pixel.
template <class T>
[[nodiscard]] Tensor<T, Cpu> blurred_planes(TensorView<const T, Cpu> planes, double deviation) {
  require<ArgumentError>(deviation > 0 && deviation <= 1000, "a blur of 0 to 1000 pixels wanted, met ",
                         deviation);
  require<ShapeError>(planes.rank() >= 2 && planes.row_major(), "a blur wants planes H x W, met ",
                      planes.shape());
  const Index reach = static_cast<Index>(std::ceil(3 * deviation));
  std::vector<double> weights;
  for (Index i = -reach; i <= reach; ++i)
    weights.push_back(std::exp(-0.5 * std::pow(static_cast<double>(i) / deviation, 2)));
  const double total = std::accumulate(weights.begin(), weights.end(), 0.0);
  const Index width = planes.shape().extent(-1), height = planes.shape().extent(-2), plane = width * height;
  Tensor<T, Cpu> result(planes.shape());
  std::vector<double> rows(static_cast<std::size_t>(plane));
  for (Index p = 0; plane > 0 && p < planes.count() / plane; ++p) {
    const T* from = planes.data() + p * plane;
    for (Index i = 0; i < plane; ++i) {
      double sum = 0;
      for (Index d = -reach; d <= reach; ++d)
        sum += weights[static_cast<std::size_t>(d + reach)] *
               static_cast<double>(from[i / width * width + std::clamp<Index>(i % width + d, 0, width - 1)]);
      rows[static_cast<std::size_t>(i)] = sum / total;
    }
    for (Index i = 0; i < plane; ++i) {
      double sum = 0;
      for (Index d = -reach; d <= reach; ++d) {
        const Index y = std::clamp<Index>(i / width + d, 0, height - 1);
        sum += weights[static_cast<std::size_t>(d + reach)] *
               rows[static_cast<std::size_t>(y * width + i % width)];
      }
      result.data()[p * plane + i] = static_cast<T>(sum / total);
    }
  }
  return result;
}

struct PerturbationOptions {
  /// Equal parts of the pixels, one after the other; the curve has one point more.
  Index steps = 50;
  PixelRanking ranking = PixelRanking::sum;
  /// What stands for a pixel that is not there: nothing (zero), one value, one a channel, or an image
  /// C x H x W, in the network's input space.
  std::vector<double> baseline;
  /// Above 0: instead of `baseline`, the image itself blurred by so many pixels (see blurred_planes).
  double blur = 0;
  /// Pictures that go through the network together.
  Index batch = 16;
  /// Told after each pass: pictures done and in all.
  std::function<void(Index done, Index total)> progress;
};

/// The class's probability over the share of pixels that were taken away, or put in.
struct PerturbationCurve {
  std::vector<double> shares;         ///< 0 to 1
  std::vector<double> probabilities;  ///< softmax of the scores
  double area = 0;                    ///< under the curve, by trapezia: 0 to 1
};

namespace detail {

/// The pixels of one picture exchanged step by step for those of another, in an order.
template <class T, Device D>
PerturbationCurve exchanged(const Network<T, D>& network, const Context<D>& context,
                            TensorView<const T, Cpu> from, TensorView<const T, Cpu> to,
                            std::span<const Index> order, Index class_index,
                            const PerturbationOptions& options) {
  const Index plane = static_cast<Index>(order.size()), channels = from.count() / plane;
  require<ArgumentError>(options.steps >= 1 && options.steps <= plane, "steps of a curve must be 1 to ",
                         plane, " (the pixels), met ", options.steps);
  require<ArgumentError>(options.batch >= 1, "a batch of at least one wanted, met ", options.batch);
  const std::string score = score_tensor(network.topology());
  Tensor<T, Cpu> current(from.shape());
  std::copy(from.begin(), from.end(), current.begin());
  PerturbationCurve curve;
  const Index total = options.steps + 1;
  for (Index begin = 0, changed = 0; begin < total; begin += options.batch) {
    const Index now = std::min(options.batch, total - begin);
    Tensor<T, Cpu> batch(from.shape().with(0, now));
    for (Index i = 0; i < now; ++i) {
      const Index wanted = (begin + i) * plane / options.steps;
      for (; changed < wanted; ++changed)
        for (Index c = 0; c < channels; ++c) {
          const Index at = c * plane + order[static_cast<std::size_t>(changed)];
          current.data()[at] = to.data()[at];
        }
      std::copy(current.begin(), current.end(), batch.data() + i * current.count());
      curve.shares.push_back(static_cast<double>(wanted) / static_cast<double>(plane));
    }
    const auto trace = network.forward(context, to_device(context, batch.view()), {false, {}, {}, score});
    const auto scores = fetched<T, D>(context, trace.activation(context, score));
    const Index classes = scores.count() / now;
    require<ShapeError>(scores.shape()[1] == classes, "scores ", quoted(score), " of shape ", scores.shape(),
                        ": one number a class wanted");
    require<ArgumentError>(class_index >= 0 && class_index < classes, "class ", class_index,
                           " of a network with ", classes, " classes (0 to ", classes - 1, ")");
    for (Index i = 0; i < now; ++i) {
      const T* row = scores.data() + i * classes;
      const double own = static_cast<double>(row[class_index]);
      double sum = 0;
      for (Index k = 0; k < classes; ++k) sum += std::exp(static_cast<double>(row[k]) - own);
      curve.probabilities.push_back(1 / sum);
    }
    if (options.progress) options.progress(begin + now, total);
  }
  for (std::size_t i = 1; i < curve.shares.size(); ++i)
    curve.area +=
        (curve.shares[i] - curve.shares[i - 1]) * (curve.probabilities[i] + curve.probabilities[i - 1]) / 2;
  return curve;
}

template <class T, Device D>
PerturbationCurve perturbation_curve(const Network<T, D>& network, const Context<D>& context,
                                     TensorView<const T, Cpu> image, Index class_index,
                                     TensorView<const T, Cpu> attribution, const PerturbationOptions& options,
                                     bool insert) {
  require<ShapeError>(image.rank() == 4 && image[0] == 1 && image.count() > 0 && image.row_major(),
                      "a curve wants one image 1 x C x H x W, met ", image.shape());
  const auto order = ranked_pixels<T>(attribution, options.ranking);
  require<ShapeError>(static_cast<Index>(order.size()) == image[2] * image[3] && attribution[2] == image[3],
                      "the attribution of an image ", image.shape(), " has as many rows and columns, met ",
                      attribution.shape());
  require<ArgumentError>(options.blur >= 0 && (options.blur == 0 || options.baseline.empty()),
                         "a baseline or a blur from 0 on wanted, met both");
  const auto absent = options.blur > 0 ? blurred_planes<T>(image, options.blur)
                                       : baseline_image<T>(options.baseline, image.shape());
  return insert ? exchanged<T, D>(network, context, absent.view(), image, order, class_index, options)
                : exchanged<T, D>(network, context, image, absent.view(), order, class_index, options);
}

}  // namespace detail

/// The curve when pixels are taken away, the strongest first: a good attribution falls early, its area is
/// small. `image` 1 x C x H x W as the network takes it, `attribution` C x H x W or 1 x H x W of any scale.
/// Throws ArgumentError, ShapeError. Memory: options.batch images' outputs. Cost: steps + 1 forward passes.
template <class T, Device D>
PerturbationCurve deletion_curve(const Network<T, D>& network, const Context<D>& context,
                                 std::type_identity_t<TensorView<const T, Cpu>> image, Index class_index,
                                 std::type_identity_t<TensorView<const T, Cpu>> attribution,
                                 const PerturbationOptions& options = {}) {
  return detail::perturbation_curve<T, D>(network, context, image, class_index, attribution, options, false);
}

/// The curve when pixels are put into the baseline, the strongest first: a good attribution rises early, its
/// area is large. As deletion_curve.
template <class T, Device D>
PerturbationCurve insertion_curve(const Network<T, D>& network, const Context<D>& context,
                                  std::type_identity_t<TensorView<const T, Cpu>> image, Index class_index,
                                  std::type_identity_t<TensorView<const T, Cpu>> attribution,
                                  const PerturbationOptions& options = {}) {
  return detail::perturbation_curve<T, D>(network, context, image, class_index, attribution, options, true);
}

}  // namespace deconv
