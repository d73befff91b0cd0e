#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "deconv/core/transfer.hpp"
#include "deconv/nn/reverse.hpp"
#include "deconv/nn/score_tensor.hpp"
#include "deconv/ops/unit.hpp"
#include "deconv/ops/units.hpp"

// What an attribution explains: the score of a class, or the activation of one unit.
namespace deconv {

/// The number of each image that is traced back to its pixels.
struct AttributionTarget {
  /// Whose units; empty: the scores before softmax (score_tensor), whose maps are the classes.
  std::string layer;
  /// A map (class) an image, or one for all; empty: that of the strongest unit of each image.
  std::vector<Index> maps;
  /// Row and column of the unit in its map; absent: where the map is strongest.
  std::optional<std::pair<Index, Index>> at;
};

/// The unit that stands for an image, and its value.
template <class T>
struct TargetUnit {
  Unit unit;
  T value = 0;
  Index offset = 0;  ///< of the unit among the elements of the image
};

namespace detail {

/// Host tensors as they are, those of a GPU fetched.
template <class T, Device D>
Tensor<T, Cpu> fetched(const Context<D>& context, Tensor<T, D> tensor) {
  if constexpr (std::same_as<D, Cpu>)
    return tensor;
  else
    return to_host(context, tensor.view());
}

/// Threads of the host for what is done there beside the network's own work.
template <Device D>
Context<Cpu> host_of(const Context<D>& context) {
  if constexpr (std::same_as<D, Cpu>)
    return context;
  else
    return Context<Cpu>();
}

/// One target of one network: forward passes to it, and reverse passes from it to the input.
template <class T, Device D>
class TargetGradient {
 public:
  TargetGradient(const Network<T, D>& network, const Context<D>& context, const AttributionTarget& target)
      : network_(network),
        context_(context),
        target_(target),
        layer_(target.layer.empty() ? score_tensor(network.topology())
                                    : network.topology().name(network.topology().find(target.layer))),
        input_(network.topology().name(network.topology().input(0))) {
    require<ArgumentError>(!target.at || !target.maps.empty(), "a position of a unit wants its map too");
  }

  [[nodiscard]] const std::string& layer() const noexcept { return layer_; }

  /// A pass that goes no further than the target; with `rule` it keeps what a reverse pass reads.
  [[nodiscard]] Trace<T, D> forward(std::type_identity_t<TensorView<const T, D>> src,
                                    const std::optional<ReverseOptions>& rule,
                                    std::vector<std::string> keep = {}) const {
    return network_.forward(context_, src, {false, std::move(keep), rule, layer_});
  }

  /// The target's tensor on the host: a row an image.
  [[nodiscard]] Tensor<T, Cpu> values(const Trace<T, D>& trace) const {
    return fetched<T, D>(context_, trace.activation(context_, layer_));
  }

  /// The unit of each image of `values`, which stand from `first` on in a batch of `images`.
  [[nodiscard]] std::vector<TargetUnit<T>> choose(TensorView<const T, Cpu> values, Index first,
                                                  Index images) const {
    const auto& maps = target_.maps;
    require<ArgumentError>(maps.size() <= 1 || static_cast<Index>(maps.size()) == images, "attributions of ",
                           images, " images want one ", what(), " or ", images, ", met ", maps.size());
    const Shape& shape = values.shape();
    require<ArgumentError>(shape.rank() == 2 || shape.rank() == 4, "layer ", quoted(layer_), " of shape ",
                           shape, " has no units: N x C or N x C x H x W wanted");
    const Index width = shape.rank() == 4 ? shape[3] : 1, plane = (shape.rank() == 4 ? shape[2] : 1) * width;
    std::vector<TargetUnit<T>> chosen;
    for (Index n = 0; n < shape[0]; ++n) {
      const T* row = values.data() + n * shape[1] * plane;
      Index begin = 0, end = shape[1] * plane;
      if (!maps.empty()) {
        const Index map = maps.size() == 1 ? maps[0] : maps[static_cast<std::size_t>(first + n)];
        require<ArgumentError>(map >= 0 && map < shape[1], what(), " ", map, " of layer ", quoted(layer_),
                               " with ", shape[1], " (0 to ", shape[1] - 1, ")");
        begin = map * plane, end = begin + plane;
      }
      if (target_.at) {
        const auto [y, x] = *target_.at;
        require<ArgumentError>(y >= 0 && x >= 0 && x < width && y < plane / width, "layer ", quoted(layer_),
                               " of shape ", shape, " has no position ", y, ",", x);
        begin += y * width + x, end = begin + 1;
      }
      const Index offset = std::max_element(row + begin, row + end) - row;
      chosen.push_back(
          {{first + n, offset / plane, offset % plane / width, offset % width}, row[offset], offset});
    }
    return chosen;
  }

  /// From the chosen unit of each image of the trace, seeded with 1, down to the input under a rule.
  [[nodiscard]] Tensor<T, Cpu> down(const Trace<T, D>& trace, std::span<const TargetUnit<T>> units,
                                    const ReverseOptions& rule) const {
    std::vector<Unit> places;
    for (std::size_t n = 0; n < units.size(); ++n) {
      places.push_back(units[n].unit);
      places.back().image = static_cast<Index>(n);
    }
    const std::vector<T> ones(units.size(), T(1));
    auto signal = context_.template make<T>(trace.shape(layer_));
    place_units<T>(context_, places, ones, signal.view());
    return fetched<T, D>(context_,
                         reverse<T, D>(network_, context_, trace, layer_, signal.view(), input_, rule));
  }

 private:
  [[nodiscard]] const char* what() const { return target_.layer.empty() ? "class" : "map"; }

  const Network<T, D>& network_;
  const Context<D>& context_;
  const AttributionTarget& target_;
  std::string layer_, input_;
};

/// Gradients of many inputs, each made of one image of a batch: `samples` rows an image, as many at once as
/// `rows` says. The units are those of the images themselves.
template <class T, Device D>
class SampledGradients {
 public:
  SampledGradients(const TargetGradient<T, D>& target, const Context<D>& context,
                   TensorView<const T, Cpu> images, std::span<const TargetUnit<T>> units, Index rows)
      : target_(target), context_(context), images_(images), units_(units), rows_(rows) {}

  /// make(image, sample, row) writes the input; take(image, sample, gradient, value) reads its gradient and
  /// the unit's value there, in the order of images and samples; done(rows) is called after each pass.
  template <class Make, class Take, class Done>
  void run(Index samples, const Make& make, const Take& take, const Done& done) const {
    const Index count = images_.shape()[0], total = count * samples, elements = images_.count() / count;
    for (Index begin = 0; begin < total; begin += rows_) {
      const Index now = std::min(rows_, total - begin);
      Tensor<T, Cpu> batch(images_.shape().with(0, now));
      std::vector<TargetUnit<T>> units;
      for (Index i = 0; i < now; ++i) {
        units.push_back(units_[static_cast<std::size_t>((begin + i) / samples)]);
        make((begin + i) / samples, (begin + i) % samples, batch.data() + i * elements);
      }
      const auto trace = forward(batch);
      const auto values = target_.values(trace);
      const auto gradient = target_.down(trace, units, ReverseOptions::gradient());
      const Index width = values.count() / now;
      for (Index i = 0; i < now; ++i)
        take((begin + i) / samples, (begin + i) % samples, gradient.data() + i * elements,
             values.data()[i * width + units[static_cast<std::size_t>(i)].offset]);
      done(now);
    }
  }

 private:
  [[nodiscard]] Trace<T, D> forward(const Tensor<T, Cpu>& batch) const {
    if constexpr (std::same_as<D, Cpu>)
      return target_.forward(batch, ReverseOptions::gradient());
    else
      return target_.forward(to_device(context_, batch.view()), ReverseOptions::gradient());
  }

  const TargetGradient<T, D>& target_;
  const Context<D>& context_;
  TensorView<const T, Cpu> images_;
  std::span<const TargetUnit<T>> units_;
  Index rows_;
};

/// An image of the input's shape: zeros where `values` is empty, one value throughout, one a channel, or the
/// image itself. `shape` is that of a batch. Throws ArgumentError for any other number of values.
template <class T>
Tensor<T, Cpu> baseline_image(std::span<const double> values, const Shape& shape) {
  const Index elements = shape.count() / std::max<Index>(shape[0], 1), channels = shape[1],
              given = static_cast<Index>(values.size());
  require<ArgumentError>(given <= 1 || given == channels || given == elements,
                         "a baseline is one value, one a channel (", channels, ") or an image (", elements,
                         " values), met ", given);
  Tensor<T, Cpu> image(shape.with(0, 1));
  for (Index i = 0; i < elements; ++i) {
    const Index at = given == elements ? i : given == channels ? i / (elements / channels) : 0;
    image.data()[i] = given == 0 ? T(0) : static_cast<T>(values[static_cast<std::size_t>(at)]);
  }
  return image;
}

}  // namespace detail

/// Bytes that gradients of `rows` images at once hold at most: every tensor of the forward pass, and the two
/// largest signals of the reverse pass.
template <class T, Device D>
[[nodiscard]] std::size_t gradient_bytes(const Network<T, D>& network, const Shape& images, Index rows) {
  const auto shapes = network.shapes_for({images.with(0, rows)});
  Index all = 0, largest = 0;
  for (const Shape& shape : *shapes) {
    all += shape.count();
    largest = std::max(largest, shape.count());
  }
  return static_cast<std::size_t>(all + 2 * largest) * sizeof(T);
}

}  // namespace deconv
