// Gradients of parameters and data against central differences, on small networks that hold every kind of
// layer; and the same gradients on every device, for any number of threads and any division of a batch.
#include "deconv/nn/parameter_gradients.hpp"

#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <map>
#include <vector>

#include "deconv/core/transfer.hpp"
#include "deconv/nn/models/zfnet_small.hpp"
#include "deconv/ops/one_vs_rest_loss.hpp"
#include "deconv/ops/softmax_cross_entropy.hpp"
#include "nn/small_networks.hpp"
#include "support/catch.hpp"
#include "support/cuda_context.hpp"
#include "support/relative_error.hpp"
#include "support/tolerances.hpp"

using namespace deconv;
using test::random_tensor;
using test::relative_error;
using test::SmallNetwork;

namespace {

/// The small networks, and those that training asks more of.
std::vector<SmallNetwork> networks() {
  using test::detail::chain;
  auto all = test::small_networks();
  const Window2d odd{3, 2, 2, 1, 1, 2, {1, 0, 2, 1}, Rounding::floor};
  all.push_back(chain("rectified convolutions",
                      {{"a", node::Conv2d{6, {odd, 2}, false}},
                       {"b", node::Relu{}},
                       {"c", node::Conv2d{4, {Window2d::square(3, 1, 1), 2}}},
                       {"d", node::Relu{0.1f}},
                       {"e", node::Conv2d{3, {Window2d{2, 3, 1, 2, 2, 1, {0, 1, 1, 0}, Rounding::ceil}}}}},
                      false));
  all.push_back(chain("transposed convolutions",
                      {{"a", node::Conv2dTranspose{4, {Window2d{2, 3, 1, 2, 2, 1, {0, 0, 1, 0}}}, false}},
                       {"b", node::Relu{}},
                       {"c", node::Conv2dTranspose{3, {Window2d::square(3, 2, 1)}}}},
                      false));
  all.push_back(chain("batch normalisations",
                      {{"a", node::Conv2d{5, {Window2d::square(3, 2)}, false}},
                       {"b", node::BatchNorm{}},
                       {"c", node::Relu{}},
                       {"d", node::Linear{6}},
                       {"e", node::BatchNorm{1e-3f}}},
                      false));
  all.push_back(chain("rectified products",
                      {{"a", node::Conv2d{3, {odd}}},
                       {"b", node::MaxPool2d{{Window2d::square(2, 2)}}},
                       {"c", node::Linear{7}},
                       {"d", node::Relu{}},
                       {"e", node::Linear{4, false}}},
                      false));
  all.push_back(chain("dropout",
                      {{"a", node::Conv2d{3, {odd}}},
                       {"b", node::Relu{}},
                       {"c", node::Dropout{0.3f}},
                       {"d", node::Linear{9}},
                       {"e", node::Relu{}},
                       {"f", node::Dropout{0.5f}},
                       {"g", node::Linear{4}}},
                      false));
  return all;
}

const TrainingPass some_step{11, 3, 0};

/// What a step of training keeps.
ForwardOptions for_training(const TrainingPass& pass = some_step) {
  ForwardOptions options = ForwardOptions::outputs_only();
  options.reverse = ReverseOptions::training();
  options.training = pass;
  return options;
}

Model copy_of(const Model& model) {
  Model copy{model.name, model.graph, {}};
  for (const auto& [name, weight] : model.weights) copy.weights.emplace(name, weight.clone());
  return copy;
}

/// Gradients by the parameter's name, on the host. Memory is poisoned before.
template <class T, Device D>
std::map<std::string, Tensor<T, Cpu>> gradients_of(Network<T, D>& network, const Context<D>& context,
                                                   const Trace<T, D>& trace, const std::string& from,
                                                   TensorView<const T, D> signal,
                                                   std::function<void(std::size_t)> ready = {}) {
  ParameterGradients<T, D> views(network.graph().nodes.size());
  std::vector<std::pair<std::string, Tensor<T, D>>> memory;
  for (std::size_t i = 0; i < views.size(); ++i)
    for (const auto& parameter : network.layer(i).parameters()) {
      views[i].emplace_back();
      if (!parameter.trained) continue;
      const auto poison = Tensor<T, Cpu>::filled(
          parameter.value->shape(), std::numeric_limits<T>::quiet_NaN(), parameter.value->layout());
      memory.emplace_back(network.graph().nodes[i].name + "." + parameter.name,
                          to_device(context, poison.view()));
      views[i].back() = memory.back().second.view();
    }
  reverse_to_parameters<T, D>(network, context, trace, from, signal, views, std::move(ready));
  std::map<std::string, Tensor<T, Cpu>> result;
  for (const auto& [name, gradient] : memory) {
    const auto there = to_host(context, gradient.view());
    Tensor<T, Cpu> plain(there.shape());
    copy_layout<T>(Context<Cpu>(1), there.view(), plain.view());
    result.emplace(name, std::move(plain));
  }
  return result;
}

/// A number that depends on a tensor, and its gradient.
struct Objective {
  std::function<double(TensorView<const double, Cpu>)> value;
  std::function<Tensor<double, Cpu>(TensorView<const double, Cpu>)> slope;
};

/// The inner product with random numbers.
Objective inner_product_with(const Shape& shape) {
  const auto direction = std::make_shared<Tensor<double, Cpu>>(random_tensor<double>(shape, 22));
  return {[=](TensorView<const double, Cpu> y) {
            Tensor<double, Cpu> plain(y.shape());
            copy_layout<double>(Context<Cpu>(1), y, plain.view());
            double sum = 0;
            for (Index i = 0; i < plain.count(); ++i) sum += plain.data()[i] * direction->data()[i];
            return sum;
          },
          [=](TensorView<const double, Cpu>) { return direction->clone(); }};
}

/// Compares the gradients of `objective` at the tensor `from` with differences, in at most `most` elements of
/// each parameter and of the input.
void check_against_differences(Network<double, Cpu>& network, Tensor<double, Cpu> src,
                               const std::string& from, const Objective& objective, Index most = 200) {
  const Context<Cpu> context(1);
  ForwardOptions keeping = for_training();
  keeping.keep = {from};
  const auto trace = network.forward(context, src, keeping);
  const auto signal = objective.slope(trace.activation(context, from));
  auto gradients = gradients_of<double, Cpu>(network, context, trace, from, signal);
  const std::string& input = network.graph().inputs[0].name;
  gradients.emplace(input, reverse<double, Cpu>(network, context, trace, from, signal.view(), input,
                                                ReverseOptions::gradient()));
  const auto value = [&] {
    ForwardOptions plain = ForwardOptions::only({from});
    plain.training = some_step;
    return objective.value(network.forward(context, src, plain).activation(context, from));
  };
  auto parameters = network.parameters();
  parameters.emplace(input, &src);
  constexpr double step = 1e-5;
  for (const auto& [name, gradient] : gradients) {
    INFO(network.name() << ", " << name);
    double* const values = parameters.at(name)->data();
    std::vector<double> met, wanted;
    const Index apart = std::max<Index>(1, gradient.count() / most);
    for (Index i = 0; i < gradient.count(); i += apart) {
      const double kept = values[i];
      const auto at = [&](double there) {
        values[i] = there;
        network.parameters_changed();
        return value();
      };
      const double above = at(kept + step), below = at(kept - step);
      at(kept);
      met.push_back(gradient.data()[i]);
      wanted.push_back((above - below) / (2 * step));
    }
    const double error = relative_error(std::span<const double>(met), std::span<const double>(wanted));
    INFO("error " << error);
    CHECK(!(error > test::tolerance::finite_differences));
  }
}

std::vector<std::size_t> nodes_with_parameters(Network<double, Cpu>& network) {
  std::vector<std::size_t> all;
  for (std::size_t i = network.graph().nodes.size(); i-- > 0;)
    if (!network.layer(i).parameters().empty()) all.push_back(i);
  return all;
}

}  // namespace

TEST_CASE("gradients of parameters and data agree with finite differences, kind by kind") {
  std::size_t trained = 0;
  for (auto& small : networks()) {
    Network<double, Cpu> network(std::move(small.model));
    const std::string output = network.graph().outputs[0];
    const auto src = random_tensor<double>(small.input, 21);
    const Shape shape = network.forward(Context<Cpu>(1), src).shape(output);
    trained += network.parameters().size();
    check_against_differences(network, src.clone(), output, inner_product_with(shape));
  }
  CHECK(trained > 50);
}

TEST_CASE("gradients of every loss agree with finite differences") {
  const Context<Cpu> context(1);
  const auto labels = Tensor<std::int64_t, Cpu>::from({2}, std::vector<std::int64_t>{4, 0});
  const auto targets = Tensor<double, Cpu>::from({2, 5}, std::vector<double>{1, 0, 1, -1, 0, 0, -1, 0, 1, 1});
  const auto weights = Tensor<double, Cpu>::from({2}, std::vector<double>{0.5, 0.75});
  const auto weighted = [&](const Tensor<double, Cpu>& losses) {
    return losses.data()[0] * weights.data()[0] + losses.data()[1] * weights.data()[1];
  };
  std::vector<Objective> losses = {{[&](TensorView<const double, Cpu> scores) {
                                      Tensor<double, Cpu> loss({2});
                                      softmax_cross_entropy_forward(context, scores, labels, loss.view());
                                      return weighted(loss);
                                    },
                                    [&](TensorView<const double, Cpu> scores) {
                                      Tensor<double, Cpu> slope(scores.shape());
                                      softmax_cross_entropy_reverse(context, scores, labels, weights,
                                                                    slope.view());
                                      return slope;
                                    }}};
  for (const auto kind : {OneVsRestLoss::squared_hinge, OneVsRestLoss::sigmoid})
    losses.push_back({[&, kind](TensorView<const double, Cpu> scores) {
                        Tensor<double, Cpu> loss({2});
                        one_vs_rest_loss_forward(context, kind, scores, targets, loss.view());
                        return weighted(loss);
                      },
                      [&, kind](TensorView<const double, Cpu> scores) {
                        Tensor<double, Cpu> slope(scores.shape());
                        one_vs_rest_loss_reverse(context, kind, scores, targets, weights, slope.view());
                        return slope;
                      }});
  for (const Objective& loss : losses) {
    auto small = test::detail::chain("scores",
                                     {{"a", node::Conv2d{3, {Window2d::square(3, 2)}}},
                                      {"b", node::Relu{}},
                                      {"scores", node::Linear{5}},
                                      {"shares", node::Softmax{}}},
                                     false);
    Network<double, Cpu> network(std::move(small.model));
    check_against_differences(network, random_tensor<double>(small.input, 3), "scores", loss);
  }
}

TEST_CASE("gradients of ZFNet's plan in miniature agree with finite differences") {
  const models::Options options{.classes = 3, .with_weights = false, .dropout = 0.4f};
  auto plan = models::detail::scaled_zfnet("miniature", {{4, 5, 6, 6, 4}, 1, 8}, {1, 2, 21, 21}, options);
  Network<double, Cpu> network(test::with_random_weights("miniature", std::move(plan.graph)));
  check_against_differences(network, random_tensor<double>({2, 2, 21, 21}, 5), "fc8",
                            inner_product_with({2, 3}), 30);
}

TEST_CASE("gradients do not depend on threads nor on what else a trace keeps") {
  for (auto& small : networks()) {
    INFO(small.model.name);
    const auto check = [&]<class T>(T) {
      Network<T, Cpu> network(copy_of(small.model));
      const std::string output = network.graph().outputs[0];
      const auto src = random_tensor<T>(small.input, 21);
      std::map<std::string, Tensor<T, Cpu>> kept;
      for (const bool thrifty : {true, false}) {
        std::map<std::string, Tensor<T, Cpu>> first;
        for (const int threads : {1, 2, 3}) {
          const Context<Cpu> context(threads);
          ForwardOptions options = for_training();
          options.keep_everything = !thrifty;
          const auto trace = network.forward(context, src, options);
          const auto signal = random_tensor<T>(trace.shape(output), 22);
          auto met = gradients_of<T, Cpu>(network, context, trace, output, signal);
          if (first.empty()) first = std::move(met);
          for (const auto& [name, gradient] : met) {
            INFO(name << ", " << threads << " threads");
            CHECK(std::memcmp(gradient.data(), first.at(name).data(), gradient.bytes()) == 0);
          }
        }
        // Rectifiers that are folded into the layer before may write another zero than those that are not.
        for (const auto& [name, gradient] : kept)
          CHECK(std::equal(gradient.begin(), gradient.end(), first.at(name).begin()));
        kept = std::move(first);
      }
    };
    check(double{});
    check(float{});
  }
}

TEST_CASE("parts of a batch, each with its place in it, have gradients that add up to the whole's") {
  const Context<Cpu> context(2);
  for (auto& small : networks()) {
    const bool positions_move = small.model.name == "softmax over planes";  // no images: rows of planes
    if (positions_move) continue;
    INFO(small.model.name);
    Network<double, Cpu> network(std::move(small.model));
    if (network.parameters().empty()) continue;
    const std::string output = network.graph().outputs[0];
    const auto src = random_tensor<double>(small.input.with(0, 5), 21);
    const auto trace = network.forward(context, src, for_training());
    const Shape shape = trace.shape(output);
    if (shape[0] != 5) continue;
    const auto signal = random_tensor<double>(shape, 22);
    const auto whole = gradients_of<double, Cpu>(network, context, trace, output, signal);
    std::map<std::string, Tensor<double, Cpu>> sum;
    for (const auto& [first, count] : {std::pair<Index, Index>{0, 2}, {2, 3}}) {
      TrainingPass pass = some_step;
      pass.first_image = first;
      const auto part = network.forward(context, src.view().slice(first, count), for_training(pass));
      auto met = gradients_of<double, Cpu>(network, context, part, output, signal.view().slice(first, count));
      for (auto& [name, gradient] : met) {
        const auto [there, added] = sum.try_emplace(name, std::move(gradient));
        if (added) continue;
        for (Index i = 0; i < there->second.count(); ++i) there->second.data()[i] += gradient.data()[i];
      }
    }
    for (const auto& [name, gradient] : whole) {
      INFO(name);
      CHECK(!(relative_error(sum.at(name), gradient) > 1e-13));
    }
  }
}

TEST_CASE("masks change from step to step and from seed to seed, and inference drops nothing") {
  const Context<Cpu> context(1);
  for (auto& small : networks()) {
    if (small.model.name != "dropout") continue;
    const Network<double, Cpu> network(std::move(small.model));
    const auto src = random_tensor<double>(small.input, 21);
    const auto output = [&](const std::optional<TrainingPass>& pass) {
      ForwardOptions options = ForwardOptions::outputs_only();
      options.training = pass;
      const auto result = network.forward(context, src, options).activation(context, "g");
      return std::vector<double>(result.begin(), result.end());
    };
    const auto here = output(TrainingPass{1, 2, 0});
    CHECK(here == output(TrainingPass{1, 2, 0}));
    CHECK(here != output(TrainingPass{1, 3, 0}));
    CHECK(here != output(TrainingPass{2, 2, 0}));
    CHECK(here != output(TrainingPass{1, 2, 2}));
    CHECK(here != output(std::nullopt));
    CHECK(output(std::nullopt) == output(std::nullopt));
  }
}

TEST_CASE("gradients arrive from the last layer to the first, once each, and are 0 where nothing depends") {
  const Context<Cpu> context(1);
  for (auto& small : networks()) {
    INFO(small.model.name);
    Network<double, Cpu> network(std::move(small.model));
    const auto trace = network.forward(context, random_tensor<double>(small.input, 21), for_training());
    const std::string output = network.graph().outputs[0];
    const auto signal = random_tensor<double>(trace.shape(output), 22);
    std::vector<std::size_t> order;
    gradients_of<double, Cpu>(network, context, trace, output, signal,
                              [&](std::size_t node) { order.push_back(node); });
    CHECK(order == nodes_with_parameters(network));
  }
  GraphBuilder net("x", {1, 2, 4, 4});
  net.add("a", node::Conv2d{3, {Window2d::square(3, 1, 1)}});
  net.add("b", node::Conv2d{3, {}});
  net.add("side", node::Conv2d{2, {}}, {"a"});
  Network<double, Cpu> network(test::with_random_weights("apart", std::move(net).finish()));
  ForwardOptions keeping = for_training();
  keeping.keep = {"a", "b", "side"};
  const auto trace = network.forward(context, random_tensor<double>({2, 2, 4, 4}, 1), keeping);
  const auto signal = random_tensor<double>(trace.shape("side"), 2);
  const auto met = gradients_of<double, Cpu>(network, context, trace, "side", signal);
  for (const auto& [name, gradient] : met) {
    INFO(name);
    const auto zeros = std::count(gradient.begin(), gradient.end(), 0.0);
    CHECK(zeros == (name.starts_with("b.") ? gradient.count() : 0));
  }
}

TEST_CASE("gradients name what does not fit") {
  const Context<Cpu> context(1);
  GraphBuilder net("x", {1, 2, 4, 4});
  net.add("a", node::Conv2d{3, {Window2d::square(3, 1, 1)}});
  Network<double, Cpu> network(test::with_random_weights("one", std::move(net).finish()));
  const auto trace = network.forward(context, random_tensor<double>({2, 2, 4, 4}, 1), for_training());
  const auto signal = random_tensor<double>({2, 3, 4, 4}, 2), few = random_tensor<double>({1, 3, 4, 4}, 2);
  Tensor<double, Cpu> weight({3, 2, 3, 3}), bias({3}), other({2});
  const auto pass = [&](const Tensor<double, Cpu>& from, const ParameterGradients<double, Cpu>& gradients) {
    reverse_to_parameters<double, Cpu>(network, context, trace, "a", from, gradients);
  };
  CHECK_NOTHROW(pass(signal, {{weight.view(), bias.view()}}));
  CHECK_THROWS_AS(pass(few, {{weight.view(), bias.view()}}), ShapeError);
  CHECK_THROWS_AS(pass(signal, {{weight.view(), other.view()}}), ShapeError);
  CHECK_THROWS_AS(pass(signal, {{weight.view(), {}}}), ShapeError);
  CHECK_THROWS_AS(pass(signal, {{weight.view()}}), ArgumentError);
  CHECK_THROWS_AS(pass(signal, {}), ArgumentError);
}

#if defined(DECONV_TEST_CUDA)

TEST_CASE("gradients on the Cuda device are the host's") {
  if (!test::cuda_context()) return;
  const Context<Cuda>& gpu = *test::cuda_context();
  const Context<Cpu> host(2);
  for (auto& small : networks()) {
    INFO(small.model.name);
    Network<float, Cuda> there(gpu, copy_of(small.model));
    Network<float, Cpu> here(std::move(small.model));
    const std::string output = here.graph().outputs[0];
    const auto src = random_tensor<float>(small.input, 21);
    const auto trace = here.forward(host, src, for_training());
    const auto there_trace = there.forward(gpu, to_device(gpu, src.view()), for_training());
    const auto signal = random_tensor<float>(trace.shape(output), 22);
    const auto there_signal = to_device(gpu, signal.view());
    const auto wanted = gradients_of<float, Cpu>(here, host, trace, output, signal);
    const auto met = gradients_of<float, Cuda>(there, gpu, there_trace, output, there_signal.view());
    CHECK(met.size() == wanted.size());
    for (const auto& [name, gradient] : wanted) {
      INFO(name);
      // Both sides in float, in different orders of summation; some sums cancel.
      CHECK(!(relative_error(met.at(name), gradient) > 1e-5));
    }
  }
}

#endif
