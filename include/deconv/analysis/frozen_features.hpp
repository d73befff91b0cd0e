#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <numeric>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "deconv/core/transfer.hpp"
#include "deconv/io/loader.hpp"
#include "deconv/nn/network.hpp"

// What a network's layers say of many pictures, as rows for a classifier.
namespace deconv {

/// How a layer's maps become one row a picture: all their values one after another, as the paper does, or
/// each map's mean over its positions.
enum class FeaturePooling : std::uint8_t { flatten, mean };

struct FrozenFeatureOptions {
  FeaturePooling pooling = FeaturePooling::flatten;
  Index batch = 16;
  int workers = 2;           ///< threads that read and preprocess pictures
  bool skip_broken = false;  ///< leave broken pictures out instead of throwing
  std::function<void(const std::string&)> warn = nullptr;
  /// Called with the number of pictures done since the last call; may throw to stop.
  std::function<void(Index)> advance = nullptr;
};

/// Rows of features, in the order of `pictures`.
struct FrozenFeatures {
  std::vector<Index> pictures;  ///< numbers in the data set; broken ones that were left out are missing
  std::vector<Tensor<float, Cpu>> rows;  ///< one a layer: pictures x features
  Index skipped = 0;
};

/// Numbers a picture that a layer gives for inputs of this shape (C x H x W). Throws ArgumentError for an
/// unknown layer, ShapeError for an input that does not fit.
template <class T, Device D>
[[nodiscard]] Index feature_count(const Network<T, D>& network, const std::string& layer, const Shape& input,
                                  FeaturePooling pooling) {
  const auto shapes = network.shapes_for({Shape{1, input[0], input[1], input[2]}});
  const Shape& shape = (*shapes)[network.topology().find(layer)];
  require<ShapeError>(shape.rank() >= 2 && shape[0] == 1, "layer ", quoted(layer), " of shape ", shape,
                      ": rows a picture wanted");
  return pooling == FeaturePooling::mean ? shape[1] : shape.count();
}

/// Bytes of the features of so many pictures: what frozen_features will hold beside a batch's activations.
template <class T, Device D>
[[nodiscard]] std::uint64_t frozen_feature_bytes(const Network<T, D>& network,
                                                 const std::vector<std::string>& layers, const Shape& input,
                                                 FeaturePooling pooling, Index pictures) {
  std::uint64_t bytes = 0;
  for (const std::string& layer : layers)
    bytes += static_cast<std::uint64_t>(feature_count(network, layer, input, pooling)) *
             static_cast<std::uint64_t>(pictures) * sizeof(float);
  return bytes;
}

/// The features of some pictures of a set (`pictures` by number) at some layers: one pass over the pictures
/// for all layers, the network being run no further than the last of them. Results do not depend on the batch
/// or the number of threads. Memory: frozen_feature_bytes, and the activations of one batch. Throws
/// ArgumentError for unknown layers or a preprocessing without a size, what reading the first broken picture
/// threw.
template <class T, Device D>
[[nodiscard]] FrozenFeatures frozen_features(const Network<T, D>& network, const Context<D>& context,
                                             const io::Preprocess& preprocess, const io::Dataset& set,
                                             std::vector<Index> pictures,
                                             const std::vector<std::string>& layers,
                                             const FrozenFeatureOptions& options = {}) {
  require<ArgumentError>(!layers.empty(), "features want a layer");
  const auto input = preprocess.output_shape();
  require<ArgumentError>(input.has_value(),
                         "features want inputs of one size: a preprocessing with a crop or an exact size");
  const Topology& topology = network.topology();
  ForwardOptions forward = ForwardOptions::only(layers);
  std::size_t last = 0;
  for (const std::string& layer : layers) {
    const std::size_t tensor = topology.find(layer), producer = topology.producer(tensor);
    const std::size_t place = producer == Topology::no_producer ? 0 : producer + 1;
    if (forward.up_to.empty() || place > last) forward.up_to = layer, last = place;
  }
  FrozenFeatures result;
  const auto count = static_cast<Index>(pictures.size());
  for (const std::string& layer : layers)
    result.rows.emplace_back(Shape{count, feature_count(network, layer, *input, options.pooling)});
  io::LoaderOptions loading;
  loading.batch = options.batch;
  loading.workers = options.workers;
  loading.skip_broken = options.skip_broken;
  loading.warn = options.warn;
  loading.indices = std::move(pictures);
  io::BatchLoader loader(set, preprocess, std::move(loading));
  while (const auto batch = loader.next()) {
    Tensor<T, Cpu> converted;
    TensorView<const T, Cpu> images;
    if constexpr (std::same_as<T, float>) {
      images = batch->images.view();
    } else {
      converted = Tensor<T, Cpu>(batch->images.shape());
      std::transform(batch->images.begin(), batch->images.end(), converted.begin(),
                     [](float value) { return static_cast<T>(value); });
      images = converted.view();
    }
    const auto trace = [&] {
      if constexpr (std::same_as<D, Cpu>)
        return network.forward(context, images, forward);
      else
        return network.forward(context, to_device(context, images), forward);
    }();
    const auto done = static_cast<Index>(result.pictures.size());
    const auto images_here = static_cast<Index>(batch->indices.size());
    for (std::size_t l = 0; l < layers.size(); ++l) {
      auto there = trace.activation(context, layers[l]);
      const Tensor<T, Cpu> values = [&]() -> Tensor<T, Cpu> {
        if constexpr (std::same_as<D, Cpu>)
          return std::move(there);
        else
          return to_host(context, there.view());
      }();
      const Index width = result.rows[l].shape()[1], each = values.count() / images_here;
      for (Index n = 0; n < images_here; ++n) {
        const T* from = values.data() + n * each;
        float* to = result.rows[l].data() + (done + n) * width;
        const Index positions = options.pooling == FeaturePooling::mean ? each / width : 1;
        for (Index d = 0; d < width; ++d) {
          double sum = 0;
          for (Index p = 0; p < positions; ++p) sum += static_cast<double>(from[d * positions + p]);
          to[d] = static_cast<float>(sum / static_cast<double>(positions));
        }
      }
    }
    result.pictures.insert(result.pictures.end(), batch->indices.begin(), batch->indices.end());
    if (options.advance) options.advance(images_here);
  }
  result.skipped = loader.skipped();
  const auto kept = static_cast<Index>(result.pictures.size());
  require<ArgumentError>(kept > 0, "features: a picture that can be read wanted, met none");
  if (kept < count)
    for (Tensor<float, Cpu>& rows : result.rows) {
      Tensor<float, Cpu> fewer({kept, rows.shape()[1]});
      std::copy_n(rows.data(), fewer.count(), fewer.data());
      rows = std::move(fewer);
    }
  return result;
}

/// The named rows of one layer's features as a matrix of their own.
[[nodiscard]] inline Tensor<float, Cpu> feature_rows(const Tensor<float, Cpu>& features,
                                                     const std::vector<Index>& rows) {
  const Index width = features.shape()[1];
  Tensor<float, Cpu> chosen({static_cast<Index>(rows.size()), width});
  for (std::size_t i = 0; i < rows.size(); ++i)
    std::copy_n(features.data() + rows[i] * width, width, chosen.data() + static_cast<Index>(i) * width);
  return chosen;
}

}  // namespace deconv
