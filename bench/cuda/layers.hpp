#pragma once
/// The layers that kernels are measured on: those of ZFNet, AlexNet and VGG16 as the library's own models
/// have them, each geometry once, under the name of the first that has it ("zfnet/conv1"), for one image.

#include <string>
#include <utility>
#include <vector>

#include "deconv/nn/graph.hpp"

namespace deconv::bench {

template <class Node>
struct Layer {
  std::string name;
  Node node;
  Shape src, dst;
};

/// With `tiny` channels and planes are cut down to what still has every kind of window.
[[nodiscard]] std::vector<Layer<node::Conv2d>> convolutions(bool tiny);
[[nodiscard]] std::vector<Layer<node::Linear>> linears(bool tiny);
[[nodiscard]] std::vector<Layer<node::MaxPool2d>> max_pools(bool tiny);
[[nodiscard]] std::vector<Layer<node::Lrn>> normalisations(bool tiny);
[[nodiscard]] std::vector<Layer<node::Relu>> rectifiers(bool tiny);
[[nodiscard]] std::vector<Layer<node::Dropout>> dropouts(bool tiny);
[[nodiscard]] std::vector<Layer<node::Softmax>> softmaxes(bool tiny);
/// A convolution with the rectifier and the pool that follow it without anything between them.
struct PooledConvolution {
  std::string name;  ///< of the convolution
  node::Conv2d convolution;
  node::MaxPool2d pool;
  Shape src, between, dst;
};
[[nodiscard]] std::vector<PooledConvolution> pooled_convolutions(bool tiny);

/// The networks by name, without weights: zfnet, alexnet and vgg16. With `tiny` one of their kind that is cut
/// down to a few maps and 33 pixels, in place of zfnet.
[[nodiscard]] std::vector<std::pair<std::string, Graph>> whole_networks(bool tiny);

/// What the networks read: N x 3 x H x W.
[[nodiscard]] std::vector<Layer<node::Identity>> inputs(bool tiny);

}  // namespace deconv::bench
