#pragma once

#include <string>
#include <string_view>

#include "deconv/nn/models/options.hpp"

namespace deconv::models {

namespace detail {

/// One fire module, "fireN/...": squeeze by 1 x 1, expand by 1 x 1 and 3 x 3 side by side; ends in
/// "fireN/concat".
inline void add_fire(GraphBuilder& net, int number, Index squeeze, Index expand) {
  const std::string name = "fire" + std::to_string(number) + '/';
  net.add(name + "squeeze1x1", node::Conv2d{squeeze, {Window2d::square(1)}});
  const std::string squeezed = net.add(name + "relu_squeeze1x1", node::Relu{});
  net.add(name + "expand1x1", node::Conv2d{expand, {Window2d::square(1)}});
  const std::string narrow = net.add(name + "relu_expand1x1", node::Relu{});
  net.add(name + "expand3x3", node::Conv2d{expand, {Window2d::square(3, 1, 1)}}, {squeezed});
  const std::string wide = net.add(name + "relu_expand3x3", node::Relu{});
  net.add(name + "concat", node::Concat{}, {narrow, wide});
}

inline void add_squeezenet_head(GraphBuilder& net, std::string_view name, Index pad, const Options& options) {
  net.add("drop9", dropout(name, options));
  net.add("conv10", node::Conv2d{options.classes, {Window2d::square(1, 1, pad)}});
  net.add("relu10", node::Relu{});
  net.add("pool10", node::GlobalAveragePool{});
  net.add("logits", node::Flatten{});
  net.add("prob", node::Softmax{});
}

}  // namespace detail

/// SqueezeNet 1.0 of Iandola et al. 2016. Input "data" N x 3 x 227 x 227, output "prob" N x classes. Tensors
/// conv1, relu1, pool1, fire2/squeeze1x1, ..., fire9/concat, conv10, relu10, logits, prob; pools round up,
/// conv10 is padded by one as its authors published it. 1,248,424 parameters at 1000 classes.
[[nodiscard]] inline Model squeezenet1_0(const Options& options = {}) {
  const node::MaxPool2d pool{{Window2d::square(3, 2, 0, Rounding::ceil)}};
  const char* name = "squeezenet1.0";
  GraphBuilder net("data", detail::fixed_input(name, options, 3, 227));
  net.add("conv1", node::Conv2d{96, {Window2d::square(7, 2)}});
  net.add("relu1", node::Relu{});
  net.add("pool1", pool);
  detail::add_fire(net, 2, 16, 64);
  detail::add_fire(net, 3, 16, 64);
  detail::add_fire(net, 4, 32, 128);
  net.add("pool4", pool);
  detail::add_fire(net, 5, 32, 128);
  detail::add_fire(net, 6, 48, 192);
  detail::add_fire(net, 7, 48, 192);
  detail::add_fire(net, 8, 64, 256);
  net.add("pool8", pool);
  detail::add_fire(net, 9, 64, 256);
  detail::add_squeezenet_head(net, name, 1, options);
  return finish(name, std::move(net), options);
}

/// SqueezeNet 1.1, its authors' cheaper second edition: a smaller first layer and earlier pools (after conv1,
/// fire3 and fire5). Input "data" N x 3 x 224 x 224; names as squeezenet1_0's. 1,235,496 parameters at 1000
/// classes.
[[nodiscard]] inline Model squeezenet1_1(const Options& options = {}) {
  const node::MaxPool2d pool{{Window2d::square(3, 2)}};
  const char* name = "squeezenet1.1";
  GraphBuilder net("data", detail::fixed_input(name, options, 3, 224));
  net.add("conv1", node::Conv2d{64, {Window2d::square(3, 2)}});
  net.add("relu1", node::Relu{});
  net.add("pool1", pool);
  detail::add_fire(net, 2, 16, 64);
  detail::add_fire(net, 3, 16, 64);
  net.add("pool3", pool);
  detail::add_fire(net, 4, 32, 128);
  detail::add_fire(net, 5, 32, 128);
  net.add("pool5", pool);
  detail::add_fire(net, 6, 48, 192);
  detail::add_fire(net, 7, 48, 192);
  detail::add_fire(net, 8, 64, 256);
  detail::add_fire(net, 9, 64, 256);
  detail::add_squeezenet_head(net, name, 0, options);
  return finish(name, std::move(net), options);
}

}  // namespace deconv::models
