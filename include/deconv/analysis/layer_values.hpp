#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "deconv/core/parallel.hpp"
#include "deconv/core/transfer.hpp"
#include "deconv/nn/network.hpp"
#include "deconv/nn/score_tensor.hpp"

// What many images give at some layers, a batch at a time.
namespace deconv {

/// The first layer that computes: the first convolution or fully connected layer's output, rectified where a
/// rectifier alone reads it. Throws ArgumentError when there is none.
[[nodiscard]] inline std::string first_hidden_layer(const Topology& topology) {
  for (std::size_t i = 0; i < topology.steps().size(); ++i) {
    const node::Params& params = topology.graph().nodes[i].params;
    if (std::holds_alternative<node::Conv2d>(params) || std::holds_alternative<node::Linear>(params))
      return topology.name(topology.find_rectified(topology.name(topology.steps()[i].outputs[0])));
  }
  raise<ArgumentError>("the network has no convolution and no fully connected layer");
}

/// The last hidden layer: what the classifier reads, the classifier being the last convolution or fully
/// connected layer below the scores, and dropout and mere changes of shape before it being looked through
/// (fc7 rectified in ZFNet, fire9/concat in SqueezeNet). Throws ArgumentError when there is none.
[[nodiscard]] inline std::string last_hidden_layer(const Topology& topology) {
  std::size_t tensor = topology.find(score_tensor(topology));
  bool classified = false;
  for (;;) {
    const std::size_t producer = topology.producer(tensor);
    require<ArgumentError>(producer != Topology::no_producer,
                           "the network has no layer between its input and its scores");
    const node::Params& params = topology.graph().nodes[producer].params;
    const bool looked_through =
        std::holds_alternative<node::Dropout>(params) || std::holds_alternative<node::Flatten>(params) ||
        std::holds_alternative<node::Reshape>(params) || std::holds_alternative<node::Identity>(params);
    if (classified && !looked_through) return topology.name(tensor);
    classified = classified || std::holds_alternative<node::Conv2d>(params) ||
                 std::holds_alternative<node::Linear>(params);
    tensor = topology.steps()[producer].inputs[0];
  }
}

/// The tensors that names stand for, "first" and "last" being first_hidden_layer and last_hidden_layer where
/// the network has no tensors of these names. Throws ArgumentError for unknown names.
[[nodiscard]] inline std::vector<std::string> hidden_layers(const Topology& topology,
                                                            std::span<const std::string> names) {
  std::vector<std::string> layers;
  for (const std::string& name : names) {
    const auto& graph = topology.graph();
    const bool own = graph.aliases.contains(name) ||
                     std::any_of(graph.nodes.begin(), graph.nodes.end(), [&](const Node& node) {
                       return node.name == name || node.outputs.front() == name;
                     });
    const bool word = !own && (name == "first" || name == "last");
    std::string layer = !word             ? topology.name(topology.find(name))
                        : name == "first" ? first_hidden_layer(topology)
                                          : last_hidden_layer(topology);
    if (std::find(layers.begin(), layers.end(), layer) == layers.end()) layers.push_back(std::move(layer));
  }
  return layers;
}

/// Softmax of one row of scores, in double.
template <class T>
[[nodiscard]] std::vector<double> softmax_of(std::span<const T> scores) {
  double most = -INFINITY, sum = 0;
  for (const T score : scores) most = std::max(most, static_cast<double>(score));
  std::vector<double> result;
  for (const T score : scores) result.push_back(std::exp(static_cast<double>(score) - most));
  for (const double value : result) sum += value;
  for (double& value : result) value /= sum;
  return result;
}

/// About how many bytes for_layer_values holds at most with batches of `batch` images of shape `image` (its
/// first extent is of no account): the activations that live at the same time, and the layers' copies.
/// Workspaces of single layers are not counted. Throws as Network::shapes_for.
template <class T, Device D>
[[nodiscard]] std::size_t layer_values_bytes(const Network<T, D>& network, const Shape& image, Index batch,
                                             std::span<const std::string> layers) {
  const Topology& topology = network.topology();
  const auto shapes = network.shapes_for({image.with(0, batch)});
  const auto bytes = [&](std::size_t tensor) {
    return static_cast<std::size_t>((*shapes)[tensor].count()) * sizeof(T);
  };
  std::vector<std::size_t> last_reader(topology.tensor_count(), 0);
  for (std::size_t i = 0; i < topology.steps().size(); ++i)
    for (const std::size_t input : topology.steps()[i].inputs) last_reader[input] = i;
  std::size_t kept = 0;
  for (const std::string& layer : layers) {
    const std::size_t tensor = topology.find(layer);
    last_reader[tensor] = topology.steps().size();
    kept += bytes(tensor);
  }
  std::size_t live = bytes(topology.input(0)), most = live;
  for (std::size_t i = 0; i < topology.steps().size(); ++i) {
    for (const std::size_t output : topology.steps()[i].outputs) live += bytes(output);
    most = std::max(most, live);
    std::vector<std::size_t> read = topology.steps()[i].inputs;
    std::sort(read.begin(), read.end());
    read.erase(std::unique(read.begin(), read.end()), read.end());
    for (const std::size_t input : read)
      if (last_reader[input] == i) live -= bytes(input);
  }
  return most + 2 * kept + bytes(topology.input(0));
}

/// Runs `count` images through the network in batches and hands on what they give at `layers`, in order.
/// `image`: the shape of one, its first extent being of no account. `make(i, slot)` writes image i, [C, H,
/// W], and is called by several threads at once on the host; `take(i, rows)` receives the values of image i,
/// one span a layer in nchw order, valid during the call. Returns nothing; throws what these throw, and
/// ArgumentError for unknown layers. Cost: the forward passes up to the last of the layers. Memory: see
/// layer_values_bytes.
template <class T, Device D, class Make, class Take>
void for_layer_values(const Network<T, D>& network, const Context<D>& context, const Shape& image,
                      Index count, Index batch, const std::vector<std::string>& layers, const Make& make,
                      const Take& take) {
  require<ArgumentError>(batch >= 1, "at least one image a batch wanted, met ", batch);
  require<ArgumentError>(!layers.empty(), "at least one layer wanted");
  ForwardOptions options = ForwardOptions::only(layers);
  options.up_to = layers.back();
  const Context<Cpu> host = [&] {
    if constexpr (std::same_as<D, Cpu>)
      return context;
    else
      return Context<Cpu>();
  }();
  for (Index begin = 0; begin < count; begin += batch) {
    const Index images = std::min(batch, count - begin);
    Tensor<T, Cpu> src(image.with(0, images));
    const Index size = src.count() / images;
    const Shape one = [&] {
      std::vector<Index> extents(src.shape().begin() + 1, src.shape().end());
      return Shape(extents);
    }();
    parallel_for(host, images,
                 [&](Index i) { make(begin + i, TensorView<T, Cpu>(src.data() + i * size, one)); });
    std::vector<Tensor<T, Cpu>> values;
    {
      const auto trace = network.forward(context, to_device(context, src.view()), options);
      for (const std::string& layer : layers) {
        auto plain = trace.activation(context, layer);
        if constexpr (std::same_as<D, Cpu>)
          values.push_back(std::move(plain));
        else
          values.push_back(to_host(context, plain.view()));
      }
    }
    std::vector<std::span<const T>> rows(layers.size());
    for (Index i = 0; i < images; ++i) {
      for (std::size_t l = 0; l < layers.size(); ++l) {
        const auto length = static_cast<std::size_t>(values[l].count() / images);
        rows[l] = std::span<const T>(values[l].data(), values[l].span().size())
                      .subspan(static_cast<std::size_t>(i) * length, length);
      }
      take(begin + i, std::span<const std::span<const T>>(rows));
    }
  }
}

}  // namespace deconv
