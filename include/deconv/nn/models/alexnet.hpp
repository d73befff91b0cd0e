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

/// AlexNet's first two layers scaled down to coloured pictures of 56 to 64 pixels, beside zfnet_64: conv1 7 x
/// 7 with stride 4 (zfnet_64: 5 x 5 with stride 2), normalisation before the pool, conv2 reading every eighth
/// pixel. pool2 has stride 1, so that from conv3 on both networks are the same, planes of 8 x 8, as those of
/// the two papers both have planes of 13 x 13. Input "data" N x 3 x 64 x 64 unless options say otherwise (32
/// pixels a side or more), output "prob" N x classes; tensors are named as alexnet's. At 3 x 64 x 64 and 10
/// classes 1,546,122 parameters and 33,825,792 multiply-adds an image.
[[nodiscard]] inline Model alexnet_64(const Options& options = {.classes = 10}) {
  const node::Lrn norm{{LrnRegion::across_channels, AlphaConvention::plain, 5, 1e-4f, 0.75f, 2.0f}};
  GraphBuilder net("data", detail::chosen_input("alexnet-64", options, 3, 64, 32));
  net.add("conv1", node::Conv2d{48, {Window2d::square(7, 4, 3)}});
  net.add("relu1", node::Relu{});
  net.add("norm1", norm);
  net.add("pool1", node::MaxPool2d{{Window2d::square(3, 2, 0, Rounding::ceil)}});
  net.add("conv2", node::Conv2d{96, {Window2d::square(5, 1, 2)}});
  net.add("relu2", node::Relu{});
  net.add("norm2", norm);
  net.add("pool2", node::MaxPool2d{{Window2d::square(3, 1, 1)}});
  net.add("conv3", node::Conv2d{128, {Window2d::square(3, 1, 1)}});
  net.add("relu3", node::Relu{});
  net.add("conv4", node::Conv2d{128, {Window2d::square(3, 1, 1)}});
  net.add("relu4", node::Relu{});
  net.add("conv5", node::Conv2d{96, {Window2d::square(3, 1, 1)}});
  net.add("relu5", node::Relu{});
  net.add("pool5", node::MaxPool2d{{Window2d::square(3, 2, 0, Rounding::ceil)}});
  detail::add_zfnet_head(net, "alexnet-64", 512, options);
  return finish("alexnet-64", std::move(net), options);
}

}  // namespace deconv::models
