#pragma once
/// The small network that Captum's own tests expect numbers of (golden/captum_expectations.json).

#include <algorithm>

#include "deconv/nn/graph_builder.hpp"
#include "deconv/nn/initialise.hpp"
#include "deconv/nn/network.hpp"

namespace deconv::test {

/// A convolution of ones with biases -50 and -75, rectified, and a linear layer to four, rectified.
inline Network<double, Cpu> captum_one_convolution() {
  GraphBuilder net("x", {1, 1, 4, 4});
  net.add("conv1", node::Conv2d{2, {Window2d::square(3)}});
  net.add("relu1", node::Relu{});
  net.add("fc1", node::Linear{4});
  net.add("relu2", node::Relu{});
  Model model{"one conv", std::move(net).finish(), {}};
  initialise(model, Initialisation::he, 1);
  std::fill(model.weights.at("conv1.weight").begin(), model.weights.at("conv1.weight").end(), 1.0f);
  model.weights.at("conv1.bias").data()[0] = -50;
  model.weights.at("conv1.bias").data()[1] = -75;
  for (Index i = 0; i < 32; ++i) model.weights.at("fc1.weight").data()[i] = i % 8 < 5 ? 1.0f : -1.0f;
  return Network<double, Cpu>(std::move(model));
}

}  // namespace deconv::test
