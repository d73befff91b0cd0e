#pragma once

#include <string>

#include "deconv/nn/models/options.hpp"

namespace deconv::models {

/// Whether conv2, conv4 and conv5 see half of the maps below (the two GPUs of the original) or all of them.
enum class AlexnetConnections : std::uint8_t { grouped, dense };

/// The network of Krizhevsky et al. 2012. Input "data" N x 3 x 227 x 227, output "prob" N x classes. Tensors
/// are named conv1, relu1, norm1, pool1, ..., fc8, prob: normalisation before the pool, unlike zfnet. At 1000
/// classes 60,965,224 parameters grouped and 62,378,344 dense.
[[nodiscard]] inline Model alexnet(const Options& options = {},
                                   AlexnetConnections connections = AlexnetConnections::grouped) {
  const Index groups = connections == AlexnetConnections::grouped ? 2 : 1;
  const node::Lrn norm{{LrnRegion::across_channels, AlphaConvention::plain, 5, 1e-4f, 0.75f, 2.0f}};
  const node::MaxPool2d pool{{Window2d::square(3, 2)}};

  const char* name = groups == 1 ? "alexnet-dense" : "alexnet";
  GraphBuilder net("data", detail::fixed_input(name, options, 3, 227));
  net.add("conv1", node::Conv2d{96, {Window2d::square(11, 4)}});
  net.add("relu1", node::Relu{});
  net.add("norm1", norm);
  net.add("pool1", pool);
  net.add("conv2", node::Conv2d{256, {Window2d::square(5, 1, 2), groups}});
  net.add("relu2", node::Relu{});
  net.add("norm2", norm);
  net.add("pool2", pool);
  net.add("conv3", node::Conv2d{384, {Window2d::square(3, 1, 1)}});
  net.add("relu3", node::Relu{});
  net.add("conv4", node::Conv2d{384, {Window2d::square(3, 1, 1), groups}});
  net.add("relu4", node::Relu{});
  net.add("conv5", node::Conv2d{256, {Window2d::square(3, 1, 1), groups}});
  net.add("relu5", node::Relu{});
  net.add("pool5", pool);
  detail::add_zfnet_head(net, name, 4096, options);
  return finish(name, std::move(net), options);
}

}  // namespace deconv::models
