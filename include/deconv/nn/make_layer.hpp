#pragma once

#include <memory>
#include <type_traits>
#include <utility>
#include <variant>

#include "deconv/nn/graph.hpp"
#include "deconv/nn/layers/convolution.hpp"
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
    std::copy(found->second.begin(), found->second.end(), converted.begin());
    return converted;
  }
}

}  // namespace detail

/// The layer that a node describes, with its weights taken out of `weights`. Throws FormatError when one is
/// missing.
template <class T>
std::unique_ptr<Layer<T, Cpu>> make_layer(const Node& node, Weights& weights) {
  using Pointer = std::unique_ptr<Layer<T, Cpu>>;
  const auto take = [&](const char* name) { return detail::take_weight<T>(weights, node, name); };
  const auto bias = [&](bool present) { return present ? take("bias") : Tensor<T, Cpu>(); };
  return std::visit(
      detail::Overloaded{
          [&](const node::Conv2d& p) -> Pointer {
            auto weight = take("weight");
            return std::make_unique<Conv2d<T, Cpu>>(p.params, std::move(weight), bias(p.bias));
          },
          [&](const node::Conv2dTranspose& p) -> Pointer {
            auto weight = take("weight");
            return std::make_unique<Conv2dTranspose<T, Cpu>>(p.params, std::move(weight), bias(p.bias));
          },
          [&](const node::Linear& p) -> Pointer {
            auto weight = take("weight");
            return std::make_unique<Linear<T, Cpu>>(std::move(weight), bias(p.bias));
          },
          [&](const node::BatchNorm& p) -> Pointer {
            auto scale = take("scale"), shift = take("bias"), mean = take("mean"),
                 variance = take("variance");
            return std::make_unique<BatchNorm<T, Cpu>>(p.epsilon, std::move(scale), std::move(shift),
                                                       std::move(mean), std::move(variance));
          },
          [&](const node::MaxPool2d& p) -> Pointer {
            return std::make_unique<MaxPool2d<T, Cpu>>(p.params, p.column_major);
          },
          [&](const node::MaxUnpool2d&) -> Pointer { return std::make_unique<MaxUnpool2d<T, Cpu>>(); },
          [&](const node::AveragePool2d& p) -> Pointer {
            return std::make_unique<AveragePool2d<T, Cpu>>(p.params);
          },
          [&](const node::GlobalAveragePool&) -> Pointer {
            return std::make_unique<GlobalAveragePool<T, Cpu>>();
          },
          [&](const node::GlobalMaxPool&) -> Pointer { return std::make_unique<GlobalMaxPool<T, Cpu>>(); },
          [&](const node::Relu& p) -> Pointer { return std::make_unique<Relu<T, Cpu>>(p.negative_slope); },
          [&](const node::Lrn& p) -> Pointer { return std::make_unique<Lrn<T, Cpu>>(p.params); },
          [&](const node::Softmax& p) -> Pointer { return std::make_unique<Softmax<T, Cpu>>(p.axis); },
          [&](const node::LogSoftmax& p) -> Pointer { return std::make_unique<LogSoftmax<T, Cpu>>(p.axis); },
          [&](const node::Concat& p) -> Pointer { return std::make_unique<Concat<T, Cpu>>(p.axis); },
          [&](const node::Add&) -> Pointer { return std::make_unique<Add<T, Cpu>>(); },
          [&](const node::Pad2d& p) -> Pointer { return std::make_unique<Pad2d<T, Cpu>>(p.params); },
          [&](const node::Dropout&) -> Pointer {
            return std::make_unique<PassThrough<T, Cpu>>(Reach::pointwise);
          },
          [&](const node::Identity&) -> Pointer {
            return std::make_unique<PassThrough<T, Cpu>>(Reach::pointwise);
          },
          [&](const node::Custom&) -> Pointer {
            raise<ArgumentError>("layer ", quoted(node.name),
                                 " is of a program's own and was not given to the network");
          },
          [&](const node::Flatten&) -> Pointer {
            return std::make_unique<PassThrough<T, Cpu>>(Reach::whole);
          },
          [&](const node::Reshape&) -> Pointer {
            return std::make_unique<PassThrough<T, Cpu>>(Reach::whole);
          },
      },
      node.params);
}

}  // namespace deconv
