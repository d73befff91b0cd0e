#pragma once

#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "deconv/analysis/image_transform.hpp"
#include "deconv/analysis/layer_values.hpp"

// How far a network's features move when the image is moved, scaled or rotated.
// Source: Zeiler and Fergus 2013, section 4.1 and Fig. 5.
namespace deconv {

/// What of the image is changed step by step.
enum class SweepKind : std::uint8_t { down, right, scale, rotation };

[[nodiscard]] inline std::string_view name_of(SweepKind kind) noexcept {
  return kind == SweepKind::down    ? "down"
         : kind == SweepKind::right ? "right"
         : kind == SweepKind::scale ? "scale"
                                    : "rotation";
}

/// One change of the image in several amounts: pixels, factors or degrees anticlockwise.
struct Sweep {
  SweepKind kind = SweepKind::down;
  std::vector<double> amounts = {};
};

/// Amounts from `begin` to `end`, both included, in steps of `step`. Throws ArgumentError unless the numbers
/// are finite, the step is above 0, `end` is at least `begin`, and there are at most 100000.
[[nodiscard]] inline std::vector<double> amounts_between(double begin, double end, double step) {
  require<ArgumentError>(std::isfinite(begin) && std::isfinite(end) && step > 0 && end >= begin,
                         "amounts from ", begin, " to ", end, " in steps of ", step,
                         ": finite ascending ends and a step above 0 wanted");
  const double steps = std::floor((end - begin) / step + 1e-9);
  require<ArgumentError>(steps < 1e5, "amounts from ", begin, " to ", end, " in steps of ", step,
                         ": at most 100000 of them wanted");
  std::vector<double> amounts;
  for (int i = 0; i <= static_cast<int>(steps); ++i) amounts.push_back(begin + i * step);
  return amounts;
}

/// The ranges of the paper's figure: vertical translation from -60 to 60 pixels, scaling from 1 to 1.8,
/// rotation from 0 to 350 degrees. The steps are ours.
[[nodiscard]] inline std::vector<Sweep> paper_sweeps() {
  return {{SweepKind::down, amounts_between(-60, 60, 5)},
          {SweepKind::scale, amounts_between(1, 1.8, 0.05)},
          {SweepKind::rotation, amounts_between(0, 350, 10)}};
}

[[nodiscard]] inline ImageTransform transform_of(SweepKind kind, double amount) {
  ImageTransform transform;
  (kind == SweepKind::down    ? transform.down
   : kind == SweepKind::right ? transform.right
   : kind == SweepKind::scale ? transform.scale
                              : transform.degrees) = amount;
  return transform;
}

struct InvarianceOptions {
  /// Whose vectors are compared; "first" and "last" stand for the first and the last hidden layer.
  std::vector<std::string> layers{"first", "last"};
  /// The class whose probability is followed; absent: the most probable class of the unchanged image.
  std::optional<Index> class_index = std::nullopt;
  ResampleOptions resampling = {};
  Index batch = 16;  ///< changed images that go through the network together
  /// Called after each changed image with how many are done of how many.
  std::function<void(Index done, Index total)> progress = {};
};

/// How far one layer's vector moved, one number an amount.
struct LayerDistances {
  std::vector<double> distance;  ///< Euclidean, to the vector of the unchanged image
  std::vector<double> relative;  ///< the same over the norm of that vector; not a number where that is 0
};

/// One sweep of one image.
struct InvarianceCurve {
  Sweep sweep;
  std::vector<LayerDistances> layers;  ///< in the order of Invariance::layers
  std::vector<double> probability;     ///< of the class, one an amount
};

/// What became of one image.
struct Invariance {
  std::vector<std::string> layers;
  std::vector<double> norms;  ///< Euclidean, of each layer's vector of the unchanged image
  Index class_index = 0;
  double probability = 0;  ///< of the class in the unchanged image
  std::vector<InvarianceCurve> curves;
};

/// About how many bytes invariance() holds at most for an image of this shape; see layer_values_bytes.
template <class T, Device D>
[[nodiscard]] std::size_t invariance_bytes(const Network<T, D>& network, const Shape& image,
                                           const InvarianceOptions& options = {}) {
  std::vector<std::string> layers = hidden_layers(network.topology(), options.layers);
  layers.push_back(score_tensor(network.topology()));
  return layer_values_bytes(network, image, options.batch, layers);
}

/// Moves, scales and rotates one image (1 x C x H x W, as the network takes it) by each amount of each sweep
/// and compares the features with those of the unchanged image. What is changed are the network's input
/// planes: the same rule then serves pictures and arrays, amounts are in pixels that the network sees, and no
/// change is exactly none. The border's constant is in the units of these planes, where 0 is commonly the
/// mean colour. All computed in the network's type, differences summed in double. Throws ArgumentError for
/// unknown layers, classes and bad amounts, ShapeError. Cost: one forward pass an amount. Memory: bounded by
/// the batch, see invariance_bytes. Source: Zeiler and Fergus 2013, Fig. 5.
template <class T, Device D>
Invariance invariance(const Network<T, D>& network, const Context<D>& context,
                      std::type_identity_t<TensorView<const T, Cpu>> image, std::span<const Sweep> sweeps,
                      const InvarianceOptions& options = {}) {
  require<ShapeError>(image.rank() == 4 && image[0] == 1 && image.count() > 0 && image.row_major(),
                      "invariance wants one image 1 x C x H x W, met ", image.shape());
  check_resampling(options.resampling, image[1]);
  const Topology& topology = network.topology();
  Invariance result;
  result.layers = hidden_layers(topology, options.layers);
  std::vector<ImageTransform> transforms{{}};  // the unchanged image first
  for (const Sweep& sweep : sweeps) {
    for (const double amount : sweep.amounts) {
      transforms.push_back(transform_of(sweep.kind, amount));
      check_transform(transforms.back());
    }
    const std::size_t count = sweep.amounts.size();
    result.curves.push_back({sweep,
                             std::vector<LayerDistances>(result.layers.size(), {std::vector<double>(count),
                                                                                std::vector<double>(count)}),
                             std::vector<double>(count)});
  }
  std::vector<std::string> tensors = result.layers;
  tensors.push_back(score_tensor(topology));
  const TensorView<const T, Cpu> planes(image.data(), {image[1], image[2], image[3]});

  std::vector<std::vector<T>> unchanged;
  std::size_t curve = 0, amount = 0;
  const auto take = [&](Index i, std::span<const std::span<const T>> rows) {
    const std::vector<double> probabilities = softmax_of(rows.back());
    if (i == 0) {
      const auto classes = static_cast<Index>(probabilities.size());
      result.class_index = options.class_index.value_or(
          std::max_element(rows.back().begin(), rows.back().end()) - rows.back().begin());
      require<ArgumentError>(result.class_index >= 0 && result.class_index < classes, "class ",
                             result.class_index, " of a network with ", classes, " classes (0 to ",
                             classes - 1, ")");
      result.probability = probabilities[static_cast<std::size_t>(result.class_index)];
      for (std::size_t l = 0; l < result.layers.size(); ++l) {
        unchanged.emplace_back(rows[l].begin(), rows[l].end());
        double squares = 0;
        for (const T value : rows[l]) squares += static_cast<double>(value) * static_cast<double>(value);
        result.norms.push_back(std::sqrt(squares));
      }
      return;
    }
    while (amount == result.curves[curve].sweep.amounts.size()) ++curve, amount = 0;
    InvarianceCurve& into = result.curves[curve];
    into.probability[amount] = probabilities[static_cast<std::size_t>(result.class_index)];
    for (std::size_t l = 0; l < result.layers.size(); ++l) {
      double squares = 0;
      for (std::size_t k = 0; k < rows[l].size(); ++k) {
        const double difference = static_cast<double>(rows[l][k]) - static_cast<double>(unchanged[l][k]);
        squares += difference * difference;
      }
      into.layers[l].distance[amount] = std::sqrt(squares);
      into.layers[l].relative[amount] = result.norms[l] > 0 ? std::sqrt(squares) / result.norms[l]
                                                            : std::numeric_limits<double>::quiet_NaN();
    }
    ++amount;
    if (options.progress) options.progress(i, static_cast<Index>(transforms.size()) - 1);
  };
  for_layer_values<T, D>(
      network, context, image.shape(), static_cast<Index>(transforms.size()), options.batch, tensors,
      [&](Index i, TensorView<T, Cpu> slot) {
        transform_planes<T>(planes, transforms[static_cast<std::size_t>(i)], options.resampling, slot);
      },
      take);
  return result;
}

}  // namespace deconv
