// Steps of training on the Cpu, as bench/compare.py runs them beside the peers: see bench/README.md.
// bench_training [--threads N] [--repeat N].

#include <cstdint>
#include <variant>

#include "deconv/dist/local.hpp"
#include "deconv/nn/models/lenet.hpp"
#include "deconv/nn/models/zfnet.hpp"
#include "deconv/nn/receptive_field.hpp"
#include "deconv/nn/score_tensor.hpp"
#include "deconv/train/training_step.hpp"
#include "job.hpp"

namespace {

using namespace deconv;

/// Forward, gradient of every parameter, update with momentum and decay, of a batch of noise.
void step(const Context<Cpu>& context, const std::string& name, Model model, Index batch, int repeat) {
  // Three products of the forward pass's size, but for the first layer, whose input wants no gradient.
  Graph graph = model.graph;
  double flops = 3 * static_cast<double>(multiply_adds(graph));
  graph.nodes.resize(1);
  graph.outputs = {graph.nodes[0].outputs[0]};
  graph.aliases.clear();
  flops -= static_cast<double>(multiply_adds(graph));

  Network<float, Cpu> network(std::move(model));
  dist::LocalCommunicator<Cpu> communicator;
  train::Sgd<float, Cpu> sgd(context, network, communicator, [](const std::string&, const Node&) {
    return train::ParameterRule{1, 5e-4f, 0};
  });
  const Shape& input = network.graph().inputs[0].shape;
  Tensor<float, Cpu> images(input.with(0, batch));
  fill_normal(images.view(), Random(1, 3), 0.0f, 1.0f);
  std::vector<std::vector<Index>> classes;
  for (Index n = 0; n < batch; ++n) classes.push_back({n % 10});
  const std::string scores = score_tensor(network.topology());
  train::StepOptions options;
  options.rate = 1e-4f;
  options.whole_batch = batch;
  bench::measure({name, 2 * flops * static_cast<double>(batch), 0,
                  [&] {
                    ++options.pass.step;
                    train::training_step<float, Cpu>(network, context, communicator, sgd, scores,
                                                     images.view(), classes, options);
                  }},
                 repeat);
}

}  // namespace

int main(int argc, char** argv) {
  const bench::Arguments arguments(argc, argv, default_threads());
  const Context<Cpu> context(arguments.threads);
  step(context, "train_step_lenet32_128",
       models::lenet32({.classes = 10, .initialisation = Initialisation::torch}), 128, 8 * arguments.repeat);
  step(context, "train_step_zfnet_16", models::zfnet({.initialisation = Initialisation::he}), 16,
       arguments.repeat);
}
