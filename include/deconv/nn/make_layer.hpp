#pragma once

#include <algorithm>
#include <memory>
#include <type_traits>
#include <utility>
#include <variant>

#include "deconv/core/transfer.hpp"
#include "deconv/nn/graph.hpp"
#include "deconv/nn/layers/convolution.hpp"
#include "deconv/nn/layers/dropout.hpp"
#include "deconv/nn/layers/linear.hpp"
#include "deconv/nn/layers/pointwise.hpp"
#include "deconv/nn/layers/pooling.hpp"
#include "deconv/nn/layers/shaping.hpp"
#include "deconv/nn/layers/softmax.hpp"

namespace deconv {

namespace detail {

/// Takes a node's weight out of the model as elements of T; float ones are moved.
template <class T>
Tensor<T, Cpu> take_weight(Weights& weights, const Node& node, const char* name) {
  const auto found = weights.find(node.name + "." + name);
  require<FormatError>(found != weights.end(), kind_of(node.params), " ", quoted(node.name), ": weight ",
                       quoted(name), " is missing");
  if constexpr (std::is_same_v<T, float>) {
    return std::move(found->second);
  } else {
    Tensor<T, Cpu> converted(found->second.shape());
    std::transform(found->second.begin(), found->second.end(), converted.begin(),
                   [](float value) { return static_cast<T>(value); });
    return converted;
  }
}

/// A host weight where the device wants it. Filters (rank 4) lie in nhwc order on a GPU, as its convolutions
/// read them.
template <class T, Device D>
Tensor<T, D> place_weight(const Context<D>& context, Tensor<T, Cpu> weight) {
  if constexpr (std::same_as<D, Cpu>) {
    return weight;
  } else {
    if (weight.rank() != 4) return to_device(context, weight.view());
    Tensor<T, Cpu> filters(weight.shape(), Layout::nhwc);
    for (Index k = 0; k < weight[0]; ++k)
      for (Index c = 0; c < weight[1]; ++c)
        for (Index r = 0; r < weight[2]; ++r)
          for (Index t = 0; t < weight[3]; ++t) filters(k, c, r, t) = weight(k, c, r, t);
    return to_device(context, filters.view());
  }
}

}  // namespace detail

/// The layer that a node describes, with its weights taken out of `weights`. Throws FormatError when one is
/// missing. On a GPU the weights lie in the context's workspace, and are there when its stream has got so
/// far.
template <class T, Device D>
std::unique_ptr<Layer<T, D>> make_layer(const Context<D>& context, const Node& node, Weights& weights) {
  using Pointer = std::unique_ptr<Layer<T, D>>;
  const auto take = [&](const char* name) {
    return detail::place_weight<T, D>(context, detail::take_weight<T>(weights, node, name));
  };
  const auto bias = [&](bool present) { return present ? take("bias") : Tensor<T, D>(); };
  return std::visit(
      detail::Overloaded{
          [&](const node::Conv2d& p) -> Pointer {
            auto weight = take("weight");
            return std::make_unique<Conv2d<T, D>>(p.params, std::move(weight), bias(p.bias));
          },
          [&](const node::Conv2dTranspose& p) -> Pointer {
            auto weight = take("weight");
            return std::make_unique<Conv2dTranspose<T, D>>(p.params, std::move(weight), bias(p.bias));
          },
          [&](const node::Linear& p) -> Pointer {
            auto weight = take("weight");
            return std::make_unique<Linear<T, D>>(std::move(weight), bias(p.bias));
          },
          [&](const node::BatchNorm& p) -> Pointer {
            auto scale = take("scale"), shift = take("bias"), mean = take("mean"),
                 variance = take("variance");
            return std::make_unique<BatchNorm<T, D>>(p.epsilon, std::move(scale), std::move(shift),
                                                     std::move(mean), std::move(variance));
          },
          [&](const node::MaxPool2d& p) -> Pointer {
            return std::make_unique<MaxPool2d<T, D>>(p.params, p.column_major);
          },
          [&](const node::MaxUnpool2d&) -> Pointer { return std::make_unique<MaxUnpool2d<T, D>>(); },
          [&](const node::AveragePool2d& p) -> Pointer {
            return std::make_unique<AveragePool2d<T, D>>(p.params);
          },
          [&](const node::GlobalAveragePool&) -> Pointer {
            return std::make_unique<GlobalAveragePool<T, D>>();
          },
          [&](const node::GlobalMaxPool&) -> Pointer { return std::make_unique<GlobalMaxPool<T, D>>(); },
          [&](const node::Relu& p) -> Pointer { return std::make_unique<Relu<T, D>>(p.negative_slope); },
          [&](const node::Lrn& p) -> Pointer { return std::make_unique<Lrn<T, D>>(p.params); },
          [&](const node::Softmax& p) -> Pointer { return std::make_unique<Softmax<T, D>>(p.axis); },
          [&](const node::LogSoftmax& p) -> Pointer { return std::make_unique<LogSoftmax<T, D>>(p.axis); },
          [&](const node::Concat& p) -> Pointer { return std::make_unique<Concat<T, D>>(p.axis); },
          [&](const node::Add&) -> Pointer { return std::make_unique<Add<T, D>>(); },
          [&](const node::Pad2d& p) -> Pointer { return std::make_unique<Pad2d<T, D>>(p.params); },
          [&](const node::Dropout& p) -> Pointer {
            return std::make_unique<Dropout<T, D>>(p.ratio, node.name);
          },
          [&](const node::Identity&) -> Pointer {
            return std::make_unique<PassThrough<T, D>>(Reach::pointwise);
          },
          [&](const node::Custom&) -> Pointer {
            raise<ArgumentError>("layer ", quoted(node.name),
                                 " is of a program's own and was not given to the network");
          },
          [&](const node::Flatten&) -> Pointer { return std::make_unique<PassThrough<T, D>>(Reach::whole); },
          [&](const node::Reshape&) -> Pointer { return std::make_unique<PassThrough<T, D>>(Reach::whole); },
      },
      node.params);
}

}  // namespace deconv
