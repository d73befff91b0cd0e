#pragma once

#include <string>

#include "deconv/nn/models/options.hpp"

namespace deconv::models {

/// Choices among the networks of Zeiler and Fergus 2013.
enum class ZfnetVariant : std::uint8_t {
  /// Fig. 3: no padding in conv1, conv2 and the pools, all of which round up.
  paper,
  /// Model (b) of Table 2: as `paper`, with 512, 1024 and 512 maps in conv3 to conv5.
  wide,
  /// The sizes of Fig. 3 with floor rounding: conv1, pool1 and pool2 padded by one pixel, which moves the
  /// grid by one.
  pad1,
};

/// The network of Zeiler and Fergus 2013, Fig. 3. Input "data" N x 3 x 224 x 224, output "prob" N x classes.
/// Tensors are named conv1, relu1, pool1, norm1, ..., pool5, fc6, relu6, drop6, ..., fc8, prob. 62,357,608
/// parameters and 1.168 G multiply-adds an image at 1000 classes. The constants of the contrast
/// normalisation, which the paper leaves out, are AlexNet's, alpha not divided by the region.
[[nodiscard]] inline Model zfnet(const Options& options = {}, ZfnetVariant variant = ZfnetVariant::paper) {
  const bool padded = variant == ZfnetVariant::pad1, wide = variant == ZfnetVariant::wide;
  const Rounding rounding = padded ? Rounding::floor : Rounding::ceil;
  const Index pad = padded ? 1 : 0;
  const node::Lrn norm{{LrnRegion::across_channels, AlphaConvention::plain, 5, 1e-4f, 0.75f, 2.0f}};

  const char* name = wide ? "zfnet-wide" : padded ? "zfnet-pad1" : "zfnet";
  GraphBuilder net("data", detail::fixed_input(name, options, 3, 224));
  net.add("conv1", node::Conv2d{96, {Window2d::square(7, 2, pad, rounding)}});
  net.add("relu1", node::Relu{});
  net.add("pool1", node::MaxPool2d{{Window2d::square(3, 2, pad, rounding)}});
  net.add("norm1", norm);
  net.add("conv2", node::Conv2d{256, {Window2d::square(5, 2, 0, rounding)}});
  net.add("relu2", node::Relu{});
  net.add("pool2", node::MaxPool2d{{Window2d::square(3, 2, pad, rounding)}});
  net.add("norm2", norm);
  net.add("conv3", node::Conv2d{wide ? 512 : 384, {Window2d::square(3, 1, 1)}});
  net.add("relu3", node::Relu{});
  net.add("conv4", node::Conv2d{wide ? 1024 : 384, {Window2d::square(3, 1, 1)}});
  net.add("relu4", node::Relu{});
  net.add("conv5", node::Conv2d{wide ? 512 : 256, {Window2d::square(3, 1, 1)}});
  net.add("relu5", node::Relu{});
  net.add("pool5", node::MaxPool2d{{Window2d::square(3, 2, 0, rounding)}});
  detail::add_zfnet_head(net, name, 4096, options);
  return finish(name, std::move(net), options);
}

}  // namespace deconv::models
