#pragma once
/// Small networks in double that between them hold every kind of layer.

#include <string>
#include <utility>
#include <vector>

#include "deconv/core/random.hpp"
#include "deconv/nn/graph_builder.hpp"
#include "deconv/nn/initialise.hpp"
#include "deconv/nn/network.hpp"

namespace deconv::test {

/// The graph with random weights; scales and variances are positive, biases are not zero.
inline Model with_random_weights(std::string name, Graph graph, std::uint64_t seed = 7) {
  Model model{std::move(name), std::move(graph), {}};
  initialise(model, Initialisation::he, seed);
  std::uint64_t stream = 0;
  for (auto& [weight, values] : model.weights) {
    const Random random(seed, ++stream);
    if (weight.ends_with(".scale") || weight.ends_with(".variance"))
      fill_uniform<float>(values, random, 0.5f, 1.5f);
    else if (!weight.ends_with(".weight"))
      fill_normal<float>(values, random, 0.0f, 0.5f);
  }
  return model;
}

template <class T>
Tensor<T, Cpu> random_tensor(const Shape& shape, std::uint64_t seed) {
  Tensor<T, Cpu> tensor(shape);
  fill_normal<T>(tensor, Random(seed), 0, 1);
  return tensor;
}

/// A network and whether it is affine: f(x) = A x + b.
struct SmallNetwork {
  Model model;
  bool affine = false;
  Shape input{2, 4, 9, 8};
};

namespace detail {

inline SmallNetwork chain(const std::string& name, std::vector<std::pair<std::string, node::Params>> layers,
                          bool affine) {
  SmallNetwork result;
  GraphBuilder net("x", result.input);
  for (auto& [layer, params] : layers) net.add(layer, std::move(params));
  result.model = with_random_weights(name, std::move(net).finish());
  result.affine = affine;
  return result;
}

}  // namespace detail

/// Each with the name of what it is about; two images of 4 x 9 x 8.
inline std::vector<SmallNetwork> small_networks() {
  using detail::chain;
  std::vector<SmallNetwork> all;
  const Window2d odd{3, 2, 2, 1, 1, 2, {1, 0, 2, 1}, Rounding::floor};
  all.push_back(chain("conv2d", {{"a", node::Conv2d{6, {odd, 2}}}, {"b", node::Conv2d{3, {}, false}}}, true));
  all.push_back(
      chain("conv2d, ceil", {{"a", node::Conv2d{5, {Window2d::square(3, 2, 0, Rounding::ceil)}}}}, true));
  all.push_back(chain("conv2d_transpose",
                      {{"a", node::Conv2dTranspose{6, {Window2d{3, 2, 2, 3, 1, 1, {1, 0, 0, 1}}, 2, 1, 0}}}},
                      true));
  for (const bool count : {false, true})
    all.push_back(chain("average_pool2d",
                        {{"a", node::AveragePool2d{{Window2d::square(3, 2, 1, Rounding::ceil), count}}}},
                        true));
  all.push_back(
      chain("global_average_pool", {{"a", node::Conv2d{3, {}}}, {"b", node::GlobalAveragePool{}}}, true));
  all.push_back(
      chain("batch_norm", {{"a", node::BatchNorm{}}, {"b", node::Conv2d{3, {Window2d::square(3)}}}}, true));
  all.push_back(
      chain("pad2d", {{"a", node::Pad2d{{1, -2, 0, 3, 0.5f}}}, {"b", node::Conv2d{3, {Window2d::square(3)}}}},
            true));
  all.push_back(chain(
      "linear",
      {{"a", node::Conv2d{3, {odd}}}, {"b", node::Flatten{}}, {"c", node::Dropout{}}, {"d", node::Linear{5}}},
      true));
  all.push_back(chain("linear over planes", {{"a", node::Linear{5}}, {"b", node::Identity{}}}, true));
  all.push_back(chain("reshape",
                      {{"a", node::Conv2d{6, {}}},
                       {"b", node::Reshape{{0, 4, 12, -1}}},
                       {"c", node::Conv2d{2, {Window2d::square(3)}}}},
                      true));

  all.push_back(chain("relu",
                      {{"a", node::Conv2d{5, {Window2d::square(3)}}},
                       {"b", node::Relu{}},
                       {"c", node::Conv2d{5, {Window2d::square(3)}}},
                       {"d", node::Relu{0.2f}}},
                      false));
  all.push_back(chain("max_pool2d",
                      {{"a", node::MaxPool2d{{Window2d::square(3, 2, 1, Rounding::ceil)}}},
                       {"b", node::Conv2d{3, {}}},
                       {"c", node::MaxPool2d{{Window2d{2, 3, 1, 1, 1, 1, {}}}}}},
                      false));
  all.push_back(chain("global_max_pool",
                      {{"a", node::Conv2d{5, {}}}, {"b", node::GlobalMaxPool{}}, {"c", node::Linear{3}}},
                      false));
  for (const auto region : {LrnRegion::across_channels, LrnRegion::within_channel})
    for (const auto convention : {AlphaConvention::per_region, AlphaConvention::plain})
      all.push_back(chain("lrn",
                          {{"a", node::Lrn{{region, convention, 3, 0.8f, 0.75f, 1.0f}}},
                           {"b", node::Conv2d{3, {}}},
                           {"c", node::Lrn{{region, convention, 2, 0.3f, 0.6f, 2.0f}}}},
                          false));
  all.push_back(chain("softmax", {{"a", node::Linear{6}}, {"b", node::Softmax{}}}, false));
  all.push_back(chain("log_softmax", {{"a", node::Linear{6}}, {"b", node::LogSoftmax{-1}}}, false));
  all.push_back(chain("softmax over planes", {{"a", node::Softmax{2}}, {"b", node::LogSoftmax{1}}}, false));

  {  // branches and joins: the input is read three times, one branch by itself
    SmallNetwork joined;
    GraphBuilder net("x", joined.input);
    const std::string left = net.add("left", node::Conv2d{4, {Window2d::square(3, 1, 1)}}, {"x"});
    const std::string rectified = net.add("rectified", node::Relu{}, {left});
    const std::string right = net.add("right", node::Conv2d{4, {Window2d::square(1)}}, {"x"});
    const std::string sum = net.add("sum", node::Add{}, {rectified, right, "x"});
    net.add("both", node::Concat{}, {sum, right});
    net.add("rows", node::Concat{-2}, {"both", "both"});
    net.add("pool", node::MaxPool2d{{Window2d::square(2, 2)}});
    joined.model = with_random_weights("branches", std::move(net).finish());
    all.push_back(std::move(joined));
  }
  {  // a pooling's indices lead an unpooling of other values
    SmallNetwork unpooled;
    unpooled.affine = false;
    Graph graph;
    graph.inputs = {{"x", unpooled.input}};
    graph.nodes.push_back({"pool", node::MaxPool2d{{Window2d::square(2, 2)}}, {"x"}, {"pool", "places"}});
    graph.nodes.push_back({"values", node::Conv2d{4, {Window2d::square(1)}}, {"pool"}, {"values"}});
    graph.nodes.push_back(
        {"unpool", node::MaxUnpool2d{Window2d::square(2, 2), 9, 8}, {"values", "places"}, {"unpool"}});
    graph.outputs = {"unpool"};
    unpooled.model = with_random_weights("max_unpool2d", std::move(graph));
    all.push_back(std::move(unpooled));
  }
  return all;
}

}  // namespace deconv::test
