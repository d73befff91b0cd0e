#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "deconv/nn/reverse.hpp"
#include "deconv/ops/fill.hpp"
#include "deconv/ops/update_weights.hpp"

namespace deconv {

/// Where the gradients of a network's parameters go: for each node nothing, or a view for each of its
/// parameters in their order, of the parameter's shape and layout; empty views for those without a gradient.
template <class T, Device D>
using ParameterGradients = std::vector<std::vector<TensorView<T, D>>>;

/// What first parameters take in place of a gradient: for each node nothing or a step.
template <class T, Device D>
using ParameterSteps = std::vector<std::optional<WeightStep<T, D>>>;

/// The gradients of a loss with respect to the parameters, by the same reverse pass that projects: `signal`
/// is the loss' gradient at the tensor `from`, with its shape in the trace (either layout). The trace was
/// made with ForwardOptions::reverse = ReverseOptions::training(), and for dropout with
/// ForwardOptions::training. Gradients are summed over the images; nodes that `from` does not depend on get
/// zeros. Nothing is computed below the lowest layer that has parameters in `gradients`. `ready(node)` is
/// called each time a node's gradients are written (on Cuda: are on the stream), last layer first, so that
/// they can be sent on while the pass goes down. Throws ArgumentError, ShapeError. Cost: twice the forward
/// pass's flops.
///
/// `steps` is empty or has an entry for each node: a layer that takes_step() then updates its first parameter
/// as soon as its own part of the pass has read it, with the bits of a gradient in T and take_step, and what
/// `gradients` has for that parameter is left as it is. When the pass throws, some steps may be taken.
template <class T, Device D>
void reverse_to_parameters(Network<T, D>& network, const Context<D>& context, const Trace<T, D>& trace,
                           const std::string& from, std::type_identity_t<TensorView<const T, D>> signal,
                           const ParameterGradients<T, D>& gradients,
                           std::function<void(std::size_t node)> ready = {},
                           const ParameterSteps<T, D>& steps_in_pass = {}) {
  const Topology& topology = network.topology();
  const auto& steps = topology.steps();
  const std::size_t seed = topology.find(from);
  require<ShapeError>(signal.shape() == trace.shape(seed), "the signal at ", quoted(from), " wants shape ",
                      trace.shape(seed), ", met ", signal.shape());
  require<ArgumentError>(gradients.size() == steps.size(), "gradients of ", gradients.size(),
                         " nodes for a network of ", steps.size());
  require<ArgumentError>(steps_in_pass.empty() || steps_in_pass.size() == steps.size(), "steps of ",
                         steps_in_pass.size(), " nodes for a network of ", steps.size());
  const auto has_step = [&](std::size_t i) { return !steps_in_pass.empty() && steps_in_pass[i].has_value(); };
  std::vector<std::size_t> targets;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const std::string& name = topology.graph().nodes[i].name;
    require<ArgumentError>(!has_step(i) || (!gradients[i].empty() && network.layer(i).takes_step()), "layer ",
                           quoted(name), " takes no step in a reverse pass");
    if (gradients[i].empty()) continue;
    const auto parameters = network.layer(i).parameters();
    require<ArgumentError>(gradients[i].size() == parameters.size(), "layer ", quoted(name), ": ",
                           gradients[i].size(), " gradients for ", parameters.size(), " parameters");
    for (std::size_t k = 0; k < parameters.size(); ++k) {
      const auto& gradient = gradients[i][k];
      const auto& value = *parameters[k].value;
      require<ShapeError>(
          gradient.empty() ? !parameters[k].trained
                           : gradient.shape() == value.shape() && gradient.layout() == value.layout(),
          "layer ", quoted(name), ": the gradient of ", quoted(parameters[k].name), " wants shape ",
          value.shape(), " and the parameter's layout, met ", gradient.shape());
    }
    targets.push_back(steps[i].outputs[0]);
  }
  std::vector<Shape> shapes;
  for (std::size_t t = 0; t < topology.tensor_count(); ++t) shapes.push_back(trace.shape(t));
  const auto options = ReverseOptions::training();
  const auto regions = reverse_regions(network, shapes, seed, targets, options, false);
  for (std::size_t i = 0; i < steps.size(); ++i) {
    if (gradients[i].empty() || regions[steps[i].outputs[0]].wanted) continue;
    for (const auto& gradient : gradients[i])
      if (!gradient.empty()) fill<T>(context, gradient, T(0));
    if (has_step(i)) take_step<T>(context, gradients[i][0], *steps_in_pass[i]);
    if (ready) ready(i);
  }
  std::vector<ReverseRow<T, D>> rows;
  for (Index n = 0; n < trace.images(); ++n) rows.push_back({&trace, n, 0, 0});
  detail::ReverseRun<T, D> run(network, context, options, rows, regions);
  run.to_parameters(gradients, std::move(ready), steps_in_pass);
  auto seeded = context.template make<T>(signal.shape(), detail::working_layout<D>(signal.shape()));
  copy_layout<T>(context, signal, seeded.view());
  run.seed(seed, std::move(seeded));
  run.run();
}

}  // namespace deconv
