#pragma once

#include "deconv/nn/models/options.hpp"

namespace deconv::models {

/// LeNet for 28 x 28 grey digits in the form that Caffe made common. Input "data" N x 1 x 28 x 28 (pixel /
/// 256), output "prob" N x classes. Tensors: conv1, pool1, conv2, pool2, ip1, relu1, ip2, prob. 431,080
/// parameters at 10 classes. Source: LeCun et al. 1998 with rectifiers and max-pooling.
[[nodiscard]] inline Model lenet(const Options& options = {.classes = 10}) {
  GraphBuilder net("data", {1, 1, 28, 28});
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

}  // namespace deconv::models
