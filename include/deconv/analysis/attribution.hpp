#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <numbers>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "deconv/analysis/attribution_target.hpp"
#include "deconv/analysis/class_activation_map.hpp"
#include "deconv/core/parallel.hpp"
#include "deconv/core/random.hpp"

// What every pixel has to do with a class's score, by the methods that stand beside the deconvnet. All of
// them are reverse passes: one under some rule, or the mean of many gradients.
namespace deconv {

/// `saliency`: the gradient (Simonyan et al. 2013, section 3). `gradient_x_input`: times the input.
/// `integrated_gradients`: input less baseline times the mean gradient between the two (Sundararajan et al.
/// 2017, section 3). `smoothgrad`: the mean gradient of noisy copies (Smilkov et al. 2017). `guided`: guided
/// backpropagation (Springenberg et al. 2014). `deconvnet`: Zeiler and Fergus 2013 from a class's score.
/// `guided_gradcam`: guided backpropagation times Grad-CAM (Selvaraju et al. 2017, section 3.2).
enum class AttributionMethod : std::uint8_t {
  saliency,
  gradient_x_input,
  integrated_gradients,
  smoothgrad,
  guided,
  deconvnet,
  guided_gradcam
};

inline constexpr std::array<AttributionMethod, 7> attribution_methods{AttributionMethod::saliency,
                                                                      AttributionMethod::gradient_x_input,
                                                                      AttributionMethod::integrated_gradients,
                                                                      AttributionMethod::smoothgrad,
                                                                      AttributionMethod::guided,
                                                                      AttributionMethod::deconvnet,
                                                                      AttributionMethod::guided_gradcam};

/// "gradient-x-input" and so on, as the deconv program calls them.
[[nodiscard]] inline std::string_view name_of(AttributionMethod method) noexcept {
  constexpr std::array<std::string_view, 7> names{"saliency",      "gradient-x-input", "integrated-gradients",
                                                  "smoothgrad",    "guided",           "deconvnet",
                                                  "guided-gradcam"};
  return names[static_cast<std::size_t>(method)];
}

/// Where the gradient is taken between baseline and input, and with which weight: the middles of equal parts,
/// or Gauss's points, which are exact for gradients that are polynomials of degree 2 * steps - 1.
enum class PathRule : std::uint8_t { midpoint, gauss_legendre };

/// Places of [0, 1] and weights that add up to 1.
struct PathPoints {
  std::vector<double> places, weights;
};

/// Throws ArgumentError unless 1 <= steps <= 10000. Gauss's points are the roots of Legendre's polynomial, by
/// Newton's method. Cost: steps * steps multiply-adds.
[[nodiscard]] inline PathPoints path_points(PathRule rule, Index steps) {
  require<ArgumentError>(steps >= 1 && steps <= 10000, "steps of a path must be 1 to 10000, met ", steps);
  const auto count = static_cast<std::size_t>(steps);
  const double n = static_cast<double>(steps);
  PathPoints points{std::vector<double>(count), std::vector<double>(count, 1 / n)};
  for (std::size_t i = 0; i < count; ++i) {
    const double at = static_cast<double>(i);
    if (rule == PathRule::midpoint) {
      points.places[i] = (at + 0.5) / n;
      continue;
    }
    double x = std::cos(std::numbers::pi * (at + 0.75) / (n + 0.5)), slope = 1;
    for (int round = 0; round < 100; ++round) {
      double p = 1, before = 0;
      for (Index k = 1; k <= steps; ++k) {
        const double degree = static_cast<double>(k);
        before = std::exchange(p, ((2 * degree - 1) * x * p - (degree - 1) * before) / degree);
      }
      slope = n * (x * p - before) / (x * x - 1);
      const double move = p / slope;
      x -= move;
      if (!(std::abs(move) > 1e-15)) break;
    }
    points.places[count - 1 - i] = (1 + x) / 2;
    points.weights[count - 1 - i] = 1 / ((1 - x * x) * slope * slope);
  }
  return points;
}

struct AttributionOptions {
  AttributionTarget target;

  /// Saliency: the gradient's absolute values, as in its paper; else signed.
  bool absolute = true;

  /// Integrated gradients: where the path begins, in the network's input space: nothing (zero), one value,
  /// one a channel, or an image C x H x W.
  std::vector<double> baseline;
  Index steps = 50;
  PathRule rule = PathRule::gauss_legendre;

  /// SmoothGrad: the noise's standard deviation as a share of the image's range (largest less smallest).
  double noise = 0.15;
  Index samples = 50;
  bool squared = false;  ///< the mean of squared gradients (Hooker et al. 2019, SmoothGrad squared)
  std::uint64_t seed = 1;

  /// Guided Grad-CAM: the layer whose maps are weighted; empty: last_spatial_layer.
  std::string cam_layer;
  /// Guided Grad-CAM: each pixel takes the nearest value of the map; else they are interpolated.
  bool nearest = false;

  /// Images, steps or samples that go through the network together: what bounds the memory, see
  /// gradient_bytes.
  Index batch = 16;
  /// Told after each pass: passes' rows done and in all.
  std::function<void(Index done, Index total)> progress;
};

/// What the pixels of one image have to do with its target.
template <class T>
struct Attribution {
  AttributionMethod method = AttributionMethod::saliency;
  std::string layer;      ///< the target's tensor
  Unit unit;              ///< the target; its map is the class where the layer holds scores
  T score = 0;            ///< the target's value
  Tensor<T, Cpu> values;  ///< C x H x W (the shape of one input)
  /// Integrated gradients alone: the target's value at the baseline.
  std::optional<T> baseline_score;
  /// Integrated gradients alone: sum of values - (score - baseline_score). Zero for an exact integral.
  std::optional<double> completeness_gap;
};

/// Rows of passes that a batch of `images` takes: what `progress` counts to.
[[nodiscard]] inline Index attribution_rows(AttributionMethod method, Index images,
                                            const AttributionOptions& options) {
  return images * (method == AttributionMethod::integrated_gradients ? options.steps
                   : method == AttributionMethod::smoothgrad         ? options.samples
                                                                     : 1);
}

namespace detail {

/// The shape of one of a batch.
[[nodiscard]] inline Shape shape_of_one(const Shape& batch) {
  return Shape(std::span<const Index>(batch.begin() + 1, batch.rank() - 1));
}

/// attribute() in progress, for one batch and method.
template <class T, Device D>
class AttributionRun {
 public:
  AttributionRun(const Network<T, D>& network, const Context<D>& context, TensorView<const T, D> src,
                 AttributionMethod method, const AttributionOptions& options)
      : network_(network),
        context_(context),
        src_(src),
        method_(method),
        options_(options),
        target_(network, context, options.target),
        images_(src.shape()[0]),
        total_(attribution_rows(method, images_, options)) {}

  std::vector<Attribution<T>> run() {
    if (method_ == AttributionMethod::integrated_gradients || method_ == AttributionMethod::smoothgrad) {
      choose_units();
      fetch_images();
      if (method_ == AttributionMethod::smoothgrad)
        smoothgrad();
      else
        integrated_gradients();
    } else {
      if (method_ == AttributionMethod::gradient_x_input) fetch_images();
      for (Index first = 0; first < images_; first += options_.batch)
        one_pass(first, std::min(options_.batch, images_ - first));
    }
    return std::move(results_);
  }

 private:
  void advance(Index rows) {
    done_ += rows;
    if (options_.progress) options_.progress(done_, total_);
  }

  void begin_results(std::span<const TargetUnit<T>> units) {
    for (const auto& unit : units) {
      Attribution<T> result;
      result.method = method_;
      result.layer = target_.layer();
      result.unit = unit.unit;
      result.score = unit.value;
      result.values = Tensor<T, Cpu>(shape_of_one(src_.shape()));
      results_.push_back(std::move(result));
    }
  }

  void fetch_images() {
    auto plain = context_.template make<T>(src_.shape());
    copy_layout<T>(context_, src_, plain.view());
    inputs_ = fetched<T, D>(context_, std::move(plain));
  }

  /// The units that the images themselves choose, for methods that look at other inputs.
  void choose_units() {
    for (Index first = 0; first < images_; first += options_.batch) {
      const Index count = std::min(options_.batch, images_ - first);
      const auto values = target_.values(target_.forward(src_.slice(first, count), std::nullopt));
      for (auto& unit : target_.choose(values, first, images_)) units_.push_back(unit);
    }
    begin_results(units_);
  }

  [[nodiscard]] ReverseOptions rule() const {
    return method_ == AttributionMethod::deconvnet ? ReverseOptions::deconvnet()
           : method_ == AttributionMethod::guided || method_ == AttributionMethod::guided_gradcam
               ? ReverseOptions::guided()
               : ReverseOptions::gradient();
  }

  void one_pass(Index first, Index count) {
    const bool with_map = method_ == AttributionMethod::guided_gradcam;
    ClassActivationMapOptions cam{options_.cam_layer, {}};
    // The gradient that Grad-CAM wants reads all that guided backpropagation does.
    const auto trace = with_map ? network_.forward(context_, src_.slice(first, count),
                                                   class_activation_forward(network_, cam))
                                : target_.forward(src_.slice(first, count), rule());
    const auto values = target_.values(trace);
    const auto units = target_.choose(values, first, images_);
    begin_results(units);
    const auto signal = target_.down(trace, units, rule());
    const Index elements = signal.count() / count;
    for (Index n = 0; n < count; ++n) {
      T* to = results_[static_cast<std::size_t>(first + n)].values.data();
      const T* from = signal.data() + n * elements;
      const bool magnitude = method_ == AttributionMethod::saliency && options_.absolute;
      for (Index i = 0; i < elements; ++i) to[i] = magnitude ? std::abs(from[i]) : from[i];
      if (method_ == AttributionMethod::gradient_x_input)
        for (Index i = 0; i < elements; ++i) to[i] *= inputs_.data()[(first + n) * elements + i];
    }
    if (with_map) times_map(trace, cam, units, first);
    advance(count);
  }

  void times_map(const Trace<T, D>& trace, ClassActivationMapOptions& cam,
                 std::span<const TargetUnit<T>> units, Index first) {
    require<ShapeError>(src_.shape().rank() == 4, "guided Grad-CAM wants images N,C,H,W as input, met ",
                        src_.shape());
    for (const auto& unit : units) cam.classes.push_back(unit.unit.map);
    const auto maps = class_activation_maps<T, D>(network_, context_, trace, cam);
    const Index height = src_.shape()[2], width = src_.shape()[3];
    for (std::size_t n = 0; n < maps.size(); ++n) {
      const auto& map = maps[n].map;
      const auto large = options_.nearest ? Tensor<T, Cpu>() : maps[n].resized(height, width);
      auto& values = results_[static_cast<std::size_t>(first) + n].values;
      for (Index i = 0; i < values.count(); ++i) {
        const Index pixel = i % (height * width), y = pixel / width, x = pixel % width;
        values.data()[i] *= options_.nearest ? map.data()[y * map[0] / height * map[1] + x * map[1] / width]
                                             : large.data()[pixel];
      }
    }
  }

  /// The weighted sum of the gradients at inputs that make(image, sample, row) writes, of each image; squared
  /// before it is added where asked for.
  template <class Make>
  void sum_gradients(Index samples, std::span<const double> weights, bool squared, const Make& make) {
    const Index elements = inputs_.count() / images_;
    const Context<Cpu> host = host_of(context_);
    std::vector<double> sum(static_cast<std::size_t>(elements));
    const SampledGradients<T, D> gradients(target_, context_, inputs_, units_, options_.batch);
    gradients.run(
        samples,
        [&](Index image, Index sample, T* row) {
          const T* from = inputs_.data() + image * elements;
          parallel_ranges(host, elements, 4096,
                          [&](Index begin, Index end) { make(image, sample, from, row, begin, end); });
        },
        [&](Index image, Index sample, const T* gradient, T) {
          const double weight = weights[static_cast<std::size_t>(sample)];
          T* to = results_[static_cast<std::size_t>(image)].values.data();
          parallel_ranges(host, elements, 4096, [&](Index begin, Index end) {
            for (Index i = begin; i < end; ++i) {
              double& total = sum[static_cast<std::size_t>(i)];
              const double slope = static_cast<double>(gradient[i]);
              total = (sample == 0 ? 0 : total) + weight * slope * (squared ? slope : 1);
              if (sample == samples - 1) to[i] = static_cast<T>(total);
            }
          });
        },
        [&](Index rows) { advance(rows); });
  }

  void smoothgrad() {
    require<ArgumentError>(options_.samples >= 1 && options_.noise >= 0 && std::isfinite(options_.noise),
                           "SmoothGrad wants at least one sample and noise from 0 on, met ", options_.samples,
                           " and ", options_.noise);
    const Index elements = inputs_.count() / images_;
    std::vector<double> deviations;
    for (Index n = 0; n < images_; ++n) {
      const T* from = inputs_.data() + n * elements;
      const auto [low, high] = std::minmax_element(from, from + elements);
      deviations.push_back(options_.noise * (static_cast<double>(*high) - static_cast<double>(*low)));
    }
    const std::vector<double> weights(static_cast<std::size_t>(options_.samples),
                                      1.0 / static_cast<double>(options_.samples));
    sum_gradients(options_.samples, weights, options_.squared,
                  [&](Index image, Index sample, const T* from, T* row, Index begin, Index end) {
                    // One sequence a sample, the same for each image: an image's result is its own in any
                    // batch.
                    const Random random(options_.seed, static_cast<std::uint64_t>(sample));
                    const double deviation = deviations[static_cast<std::size_t>(image)];
                    for (Index i = begin; i < end; ++i)
                      row[i] = static_cast<T>(
                          static_cast<double>(from[i]) +
                          deviation * static_cast<double>(random.normal(static_cast<std::uint64_t>(i))));
                  });
  }

  void integrated_gradients() {
    const PathPoints points = path_points(options_.rule, options_.steps);
    const auto baseline = baseline_image<T>(options_.baseline, src_.shape());
    const auto at_baseline =
        target_.values(target_.forward(to_device(context_, baseline.view()), std::nullopt));
    sum_gradients(options_.steps, points.weights, false,
                  [&](Index, Index sample, const T* from, T* row, Index begin, Index end) {
                    const double place = points.places[static_cast<std::size_t>(sample)];
                    for (Index i = begin; i < end; ++i) {
                      const double start = static_cast<double>(baseline.data()[i]);
                      row[i] = static_cast<T>(start + place * (static_cast<double>(from[i]) - start));
                    }
                  });
    const Index elements = inputs_.count() / images_;
    for (Index n = 0; n < images_; ++n) {
      auto& result = results_[static_cast<std::size_t>(n)];
      double sum = 0;
      for (Index i = 0; i < elements; ++i) {
        T& value = result.values.data()[i];
        value *= inputs_.data()[n * elements + i] - baseline.data()[i];
        sum += static_cast<double>(value);
      }
      result.baseline_score = at_baseline.data()[units_[static_cast<std::size_t>(n)].offset];
      result.completeness_gap =
          sum - (static_cast<double>(result.score) - static_cast<double>(*result.baseline_score));
    }
  }

  const Network<T, D>& network_;
  const Context<D>& context_;
  TensorView<const T, D> src_;
  AttributionMethod method_;
  const AttributionOptions& options_;
  TargetGradient<T, D> target_;
  Index images_, total_, done_ = 0;
  std::vector<TargetUnit<T>> units_;
  Tensor<T, Cpu> inputs_;
  std::vector<Attribution<T>> results_;
};

}  // namespace detail

/// The attribution of every image of a batch (N x C x H x W, either layout) to a class's score before
/// softmax, or to a unit (AttributionOptions::target), by one method. The reverse pass begins with 1 at the
/// target; guided backpropagation and the deconvnet pass contrast normalisation unchanged, gradients by its
/// gradient. An image's result does not depend on the batch it is in (up to rounding). Throws ArgumentError
/// for unknown layers, classes and options out of range, and for guided Grad-CAM of a unit; ShapeError.
/// Memory: the results and gradient_bytes of options.batch images. Cost: a forward and a reverse pass an
/// image; with integrated gradients and SmoothGrad one of each a step or sample, and a forward pass.
template <class T, Device D>
std::vector<Attribution<T>> attribute(const Network<T, D>& network, const Context<D>& context,
                                      std::type_identity_t<TensorView<const T, D>> src,
                                      AttributionMethod method, const AttributionOptions& options = {}) {
  require<ArgumentError>(network.graph().inputs.size() == 1,
                         "attributions want a network with one input, met ", network.graph().inputs.size());
  require<ShapeError>(src.rank() >= 2 && src.count() > 0, "attributions want images N,C,H,W, met ",
                      src.shape());
  require<ArgumentError>(options.batch >= 1, "a batch of at least one wanted, met ", options.batch);
  require<ArgumentError>(method != AttributionMethod::guided_gradcam || options.target.layer.empty(),
                         "guided Grad-CAM explains a class; for a unit of layer ",
                         quoted(options.target.layer), " another method is wanted");
  return detail::AttributionRun<T, D>(network, context, src, method, options).run();
}

}  // namespace deconv
