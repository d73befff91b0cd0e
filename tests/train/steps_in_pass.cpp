// Layers that are updated while the reverse pass goes down end in the bits of those that are updated after
// it.

#include "deconv/dist/local.hpp"
#include "deconv/nn/graph_builder.hpp"
#include "deconv/nn/initialise.hpp"
#include "deconv/train/training_step.hpp"
#include "nn/small_networks.hpp"
#include "support/catch.hpp"
#include "support/cuda_context.hpp"

namespace {

using namespace deconv;
using test::random_tensor;
using train::ParameterRule;
using train::Sgd;

/// Strides, groups, two branches that meet, dropout, filters beyond the radius, and a layer off the loss'
/// path.
Model branching() {
  GraphBuilder net("data", {1, 3, 12, 12});
  net.add("conv1", node::Conv2d{8, {Window2d::square(3, 1, 1)}});
  net.add("relu1", node::Relu{});
  net.add("pool1", node::MaxPool2d{{Window2d::square(3, 2, 0, Rounding::ceil)}});
  net.add("conv2", node::Conv2d{8, {Window2d::square(3, 1, 1), 2}});
  net.add("sum2", node::Add{}, {"pool1", "conv2"});
  net.add("relu2", node::Relu{});
  net.add("conv3", node::Conv2d{6, {Window2d::square(3, 2, 1)}});
  net.add("fc4", node::Linear{12});
  net.add("relu4", node::Relu{});
  net.add("drop4", node::Dropout{0.3f});
  net.add("fc5", node::Linear{4});
  net.add("aside", node::Conv2d{2, {Window2d::square(1, 1, 0)}}, {"relu2"});
  Model model{"branching", std::move(net).finish(), {}};
  initialise(model, Initialisation::he, 7);
  return model;
}

ParameterRule rule_of(const std::string& name, const Node&) {
  ParameterRule rule{1, 1e-3f, 0};
  if (name.ends_with(".bias")) rule = {2, 0, 0};
  if (name == "conv1.weight" || name == "fc4.weight") rule.largest_rms = 0.1f;
  if (name == "conv3.weight") rule.rate = 0;  // its bias is trained
  return rule;
}

#if defined(DECONV_TEST_CUDA)

/// Everything that three steps change, by name.
template <class T>
std::map<std::string, std::vector<float>> trained(bool in_pass, float loss_scale) {
  const Context<Cuda>& context = *test::cuda_context();
  dist::LocalCommunicator<Cuda> communicator;
  Network<T, Cuda> network(context, branching());
  Sgd<T, Cuda> sgd(context, network, communicator, rule_of);
  train::StepOptions options;
  options.rate = 0.05f;
  options.whole_batch = 5;
  options.loss_scale = loss_scale;
  options.steps_in_pass = in_pass;
  for (std::uint64_t step = 0; step < 3; ++step) {
    options.pass = {9, step, 0};
    const auto images = random_tensor<float>({5, 3, 12, 12}, 30 + step);
    const auto result = train::training_step<T, Cuda>(network, context, communicator, sgd, "fc5", images,
                                                      {{0}, {1}, {2}, {3}, {0}}, options);
    REQUIRE(std::isfinite(result.loss));
  }
  std::map<std::string, std::vector<float>> all;
  const auto keep = [&](const std::string& name, auto view) {
    const auto there = to_host(context, view);
    auto& values = all[name];
    for (const auto value : there.span()) values.push_back(static_cast<float>(value));
  };
  sgd.each([&](const std::string& name, TensorView<float, Cuda> weights, TensorView<float, Cuda> velocity) {
    keep(name, weights);
    keep(name + " velocity", velocity);
  });
  for (const auto& [name, parameter] : network.parameters()) keep(name + " of the layer", parameter->view());
  return all;
}

template <class T>
void check_same_bits(float loss_scale) {
  const auto after = trained<T>(false, loss_scale), in_pass = trained<T>(true, loss_scale);
  REQUIRE(after.size() == in_pass.size());
  REQUIRE(after.size() > 20);
  for (const auto& [name, values] : after) {
    CAPTURE(name, name_of(dtype_of<T>));
    CHECK(std::memcmp(values.data(), in_pass.at(name).data(), values.size() * sizeof(float)) == 0);
  }
}

TEST_CASE("updates in the reverse pass leave the bits of updates after it", "[train][cuda]") {
  if (!test::cuda_context()) return;
  check_same_bits<float>(1);
  check_same_bits<half>(64);
  check_same_bits<bfloat16>(1);
}

TEST_CASE("which steps a reverse pass takes", "[train][cuda]") {
  if (!test::cuda_context()) return;
  const Context<Cuda>& context = *test::cuda_context();
  Network<float, Cuda> network(context, branching());
  const auto stepped = [&](dist::Communicator<Cuda>& communicator) {
    Sgd<float, Cuda> sgd(context, network, communicator, rule_of);
    std::vector<std::string> names;
    const auto& steps = sgd.steps(0.5f, 0.9f, 0.25f);
    for (std::size_t i = 0; i < steps.size(); ++i) {
      if (!steps[i]) continue;
      names.push_back(network.graph().nodes[i].name);
      CHECK(steps[i]->sgd ==
            SgdParams{0.5f, 0.9f, 1e-3f, names.back() == "conv1" || names.back() == "fc4" ? 0.1f : 0, 0.25f});
      CHECK(steps[i]->rounded.empty());
    }
    return names;
  };
  dist::LocalCommunicator<Cuda> alone;
  CHECK(stepped(alone) == std::vector<std::string>{"conv1", "conv2", "fc4", "fc5", "aside"});
  // What is to be added over the ranks first must wait.
  std::vector<std::string> of_two{"none asked"};
  dist::LocalGroup<Cuda>(2).run([&](dist::Communicator<Cuda>& communicator) {
    if (communicator.leads()) of_two = stepped(communicator);
  });
  CHECK(of_two.empty());
}

#endif

TEST_CASE("reverse passes refuse steps that no layer takes", "[train]") {
  const Context<Cpu> context(1);
  Network<float, Cpu> network(context, branching());
  dist::LocalCommunicator<Cpu> communicator;
  Sgd<float, Cpu> sgd(context, network, communicator, rule_of);
  // On the host nothing would be saved.
  for (const auto& step : sgd.steps(0.5f, 0.9f, 1)) CHECK_FALSE(step.has_value());
  ForwardOptions forward = ForwardOptions::outputs_only();
  forward.reverse = ReverseOptions::training();
  forward.training = TrainingPass{9, 0, 0};
  forward.up_to = "fc5";
  const auto trace = network.forward(context, random_tensor<float>({2, 3, 12, 12}, 1), forward);
  const auto signal = random_tensor<float>({2, 4}, 2);
  ParameterSteps<float, Cpu> steps(network.graph().nodes.size());
  const auto pass = [&] {
    reverse_to_parameters<float, Cpu>(network, context, trace, "fc5", signal, sgd.gradients(), {}, steps);
  };
  CHECK_NOTHROW(pass());
  steps[1].emplace();  // a rectifier
  CHECK_THROWS_AS(pass(), ArgumentError);
  steps.pop_back();
  CHECK_THROWS_AS(pass(), ArgumentError);
}

TEST_CASE("steps are taken on the host too, also by layers that the loss does not reach", "[train]") {
  const Context<Cpu> context(1);
  Network<float, Cpu> network(context, branching()), other(context, branching());
  dist::LocalCommunicator<Cpu> communicator;
  Sgd<float, Cpu> sgd(context, network, communicator, rule_of);
  const SgdParams params{0.1f, 0.9f, 0.01f, 0, 0.5f};
  ForwardOptions forward = ForwardOptions::outputs_only();
  forward.reverse = ReverseOptions::training();
  forward.training = TrainingPass{9, 0, 0};
  forward.up_to = "fc5";
  const auto trace = network.forward(context, random_tensor<float>({2, 3, 12, 12}, 1), forward);
  const auto signal = random_tensor<float>({2, 4}, 2);
  reverse_to_parameters<float, Cpu>(network, context, trace, "fc5", signal, sgd.gradients());
  ParameterSteps<float, Cpu> steps(network.graph().nodes.size());
  std::vector<Tensor<float, Cpu>> velocities;
  velocities.reserve(2 * steps.size());
  std::map<std::string, Tensor<float, Cpu>> wanted;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    if (sgd.gradients()[i].empty()) continue;
    auto& weights = *network.layer(i).parameters()[0].value;
    auto expected = weights.clone();
    for (int k = 0; k < 2; ++k)
      velocities.push_back(Tensor<float, Cpu>::filled(weights.shape(), 0.25f, weights.layout()));
    auto &velocity = velocities[velocities.size() - 2], &own = velocities.back();
    sgd_update<float>(context, params, sgd.gradients()[i][0], velocity.view(), expected.view());
    wanted.emplace(network.graph().nodes[i].name + ".weight", std::move(expected));
    steps[i].emplace(WeightStep<float, Cpu>{params, own.view(), weights.view(), {}});
  }
  CHECK(wanted.size() == 6);
  reverse_to_parameters<float, Cpu>(network, context, trace, "fc5", signal, sgd.gradients(), {}, steps);
  for (const auto& [name, expected] : wanted) {
    CAPTURE(name);
    const auto& met = *network.parameters().at(name);
    CHECK(std::memcmp(met.data(), expected.data(), met.bytes()) == 0);
    CHECK(std::memcmp(met.data(), other.parameters().at(name)->data(), met.bytes()) != 0);
  }
}

}  // namespace
