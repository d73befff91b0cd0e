#pragma once

#include "deconv/nn/models/options.hpp"

namespace deconv::models {

/// LeNet for 28 x 28 grey digits in the form that Caffe made common. Input "data" N x 1 x 28 x 28 (pixel /
/// 256), output "prob" N x classes. Tensors: conv1, pool1, conv2, pool2, ip1, relu1, ip2, prob. 431,080
/// parameters at 10 classes. Source: LeCun et al. 1998 with rectifiers and max-pooling.
[[nodiscard]] inline Model lenet(const Options& options = {.classes = 10}) {
  detail::refuse_dropout("lenet", options);
  GraphBuilder net("data", detail::fixed_input("lenet", options, 1, 28));
  net.add("conv1", node::Conv2d{20, {Window2d::square(5)}});
  net.add("pool1", node::MaxPool2d{{Window2d::square(2, 2)}});
  net.add("conv2", node::Conv2d{50, {Window2d::square(5)}});
  net.add("pool2", node::MaxPool2d{{Window2d::square(2, 2)}});
  net.add("ip1", node::Linear{500});
  net.add("relu1", node::Relu{});
  net.add("ip2", node::Linear{options.classes});
  net.add("prob", node::Softmax{});
  return finish("lenet", std::move(net), options);
}

/// The form of LeNet that introductions to training use: conv1 5x5 32, pool1, conv2 5x5 64, pool2, fc3 256,
/// fc4, with a rectifier after each of the first three layers. Input "data" N x 1 x 28 x 28 unless options
/// say otherwise (16 pixels a side or more), output "prob" N x classes. Tensors: conv1, relu1, pool1, conv2,
/// relu2, pool2, fc3, relu3, fc4, prob. At 28 x 28 and 10 classes 317,066 parameters and 4,002,304
/// multiply-adds an image.
[[nodiscard]] inline Model lenet32(const Options& options = {.classes = 10}) {
  detail::refuse_dropout("lenet32", options);
  GraphBuilder net("data", detail::chosen_input("lenet32", options, 1, 28, 16));
  net.add("conv1", node::Conv2d{32, {Window2d::square(5)}});
  net.add("relu1", node::Relu{});
  net.add("pool1", node::MaxPool2d{{Window2d::square(2, 2)}});
  net.add("conv2", node::Conv2d{64, {Window2d::square(5)}});
  net.add("relu2", node::Relu{});
  net.add("pool2", node::MaxPool2d{{Window2d::square(2, 2)}});
  net.add("fc3", node::Linear{256});
  net.add("relu3", node::Relu{});
  net.add("fc4", node::Linear{options.classes});
  net.add("prob", node::Softmax{});
  return finish("lenet32", std::move(net), options);
}

}  // namespace deconv::models
