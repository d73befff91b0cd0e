#pragma once
/// The layers that kernels are measured on: those of ZFNet, AlexNet and VGG16 as the library's own models
/// have them, each geometry once, under the name of the first that has it ("zfnet/conv1"), for one image.

#include <string>
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
/// What the networks read: N x 3 x H x W.
[[nodiscard]] std::vector<Layer<node::Identity>> inputs(bool tiny);

}  // namespace deconv::bench
