#pragma once

#include <array>
#include <string>

#include "deconv/nn/models/options.hpp"

namespace deconv::models {

namespace detail {

/// `depths[b]` convolutions of 3 x 3 in block b, then a pool.
[[nodiscard]] inline Model vgg(const char* name, const std::array<int, 5>& depths, const Options& options) {
  constexpr std::array<Index, 5> maps = {64, 128, 256, 512, 512};
  GraphBuilder net("data", detail::fixed_input(name, options, 3, 224));
  for (std::size_t block = 0; block < depths.size(); ++block) {
    const std::string number = std::to_string(block + 1);
    for (int layer = 1; layer <= depths[block]; ++layer) {
      const std::string place = number + '_' + std::to_string(layer);
      net.add("conv" + place, node::Conv2d{maps[block], {Window2d::square(3, 1, 1)}});
      net.add("relu" + place, node::Relu{});
    }
    net.add("pool" + number, node::MaxPool2d{{Window2d::square(2, 2)}});
  }
  detail::add_zfnet_head(net, name, 4096, options);
  return finish(name, std::move(net), options);
}

}  // namespace detail

/// Configurations D and E of Simonyan and Zisserman 2014. Input "data" N x 3 x 224 x 224, output "prob" N x
/// classes. Tensors conv1_1, relu1_1, ..., pool5, fc6, relu6, drop6, ..., fc8, prob. 138,357,544 and
/// 143,667,240 parameters at 1000 classes.
[[nodiscard]] inline Model vgg16(const Options& options = {}) {
  return detail::vgg("vgg16", {2, 2, 3, 3, 3}, options);
}
[[nodiscard]] inline Model vgg19(const Options& options = {}) {
  return detail::vgg("vgg19", {2, 2, 4, 4, 4}, options);
}

}  // namespace deconv::models
