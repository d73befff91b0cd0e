#pragma once

#include <array>
#include <string_view>

#include "deconv/nn/models/options.hpp"

// ZFNet's plan for pictures of tens of pixels: the same layers under the same names with fewer maps, padded
// convolutions, and pools that round up as the original's do.
namespace deconv::models {

namespace detail {

struct ZfnetPlan {
  std::array<Index, 5> maps;  ///< of conv1 to conv5
  Index stride;               ///< of conv1, 5 x 5 as conv2; conv3 to conv5 are 3 x 3
  Index units;                ///< of fc6 and fc7
};

[[nodiscard]] inline Model scaled_zfnet(std::string_view name, const ZfnetPlan& plan, const Shape& input,
                                        const Options& options) {
  const node::Lrn norm{{LrnRegion::across_channels, AlphaConvention::plain, 5, 1e-4f, 0.75f, 2.0f}};
  const node::MaxPool2d pool{{Window2d::square(3, 2, 0, Rounding::ceil)}};
  GraphBuilder net("data", input);
  net.add("conv1", node::Conv2d{plan.maps[0], {Window2d::square(5, plan.stride, 2)}});
  net.add("relu1", node::Relu{});
  net.add("pool1", pool);
  net.add("norm1", norm);
  net.add("conv2", node::Conv2d{plan.maps[1], {Window2d::square(5, 1, 2)}});
  net.add("relu2", node::Relu{});
  net.add("pool2", pool);
  net.add("norm2", norm);
  net.add("conv3", node::Conv2d{plan.maps[2], {Window2d::square(3, 1, 1)}});
  net.add("relu3", node::Relu{});
  net.add("conv4", node::Conv2d{plan.maps[3], {Window2d::square(3, 1, 1)}});
  net.add("relu4", node::Relu{});
  net.add("conv5", node::Conv2d{plan.maps[4], {Window2d::square(3, 1, 1)}});
  net.add("relu5", node::Relu{});
  net.add("pool5", pool);
  add_zfnet_head(net, name, plan.units, options);
  return finish(std::string(name), std::move(net), options);
}

}  // namespace detail

/// ZFNet scaled down to grey or coloured pictures of 28 to 32 pixels. Input "data" N x 1 x 28 x 28 unless
/// options say otherwise (16 pixels a side or more), output "prob" N x classes; tensors are named as zfnet's.
/// At 1 x 28 x 28 and 10 classes 461,962 parameters (1.85 MB in float) and 20,361,216 multiply-adds an image.
[[nodiscard]] inline Model zfnet_small(const Options& options = {.classes = 10}) {
  const Shape input = detail::chosen_input("zfnet-small", options, 1, 28, 16);
  return detail::scaled_zfnet("zfnet-small", {{32, 64, 96, 96, 64}, 1, 256}, input, options);
}

/// ZFNet scaled down to coloured pictures of 56 to 64 pixels. Input "data" N x 3 x 64 x 64 unless options say
/// otherwise (32 pixels a side or more), output "prob" N x classes; tensors are named as zfnet's. At 3 x 64 x
/// 64 and 10 classes 1,542,666 parameters and 57,824,256 multiply-adds an image.
[[nodiscard]] inline Model zfnet_64(const Options& options = {.classes = 10}) {
  const Shape input = detail::chosen_input("zfnet-64", options, 3, 64, 32);
  return detail::scaled_zfnet("zfnet-64", {{48, 96, 128, 128, 96}, 2, 512}, input, options);
}

}  // namespace deconv::models
