#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "deconv/nn/network.hpp"
#include "deconv/ops/window_copy.hpp"

namespace deconv {

/// A trace of one image that holds only what a reverse pass under `options` reads from the tensors and layers
/// below `seeds`: for the deconvnet the pooling switches, a byte an output. Small enough to keep for many
/// images while their activations are long gone. `trace` was made with these options
/// (ForwardOptions::reverse). Throws ArgumentError when it lacks something. Bytes: what is kept, twice.
template <class T, Device D>
Trace<T, D> reverse_state(const Network<T, D>& network, const Context<D>& context, const Trace<T, D>& trace,
                          Index image, const std::vector<std::size_t>& seeds, const ReverseOptions& options) {
  const Topology& topology = network.topology();
  const auto& steps = topology.steps();
  std::vector<bool> below(topology.tensor_count());
  for (const std::size_t seed : seeds) below[seed] = true;
  auto shapes = std::make_shared<std::vector<Shape>>();
  for (std::size_t t = 0; t < topology.tensor_count(); ++t)
    shapes->push_back(trace.shape(t).rank() == 0 ? trace.shape(t) : trace.shape(t).with(0, 1));
  Trace<T, D> state(network.shared_topology(), shapes);

  const auto copy_tensor = [&](std::size_t tensor) {
    const auto& from = trace.slot(tensor).view;
    auto& to = state.slot(tensor);
    if (!to.view.empty()) return;
    require<ArgumentError>(!from.empty(), "tensor ", quoted(topology.name(tensor)),
                           " was not kept by the forward pass");
    to.storage =
        std::make_shared<Tensor<T, D>>(context.template make<T>(from.shape().with(0, 1), from.layout()));
    to.view = to.storage->view();
    copy_layout<T>(context, from.slice(image, 1), to.view);
  };
  for (std::size_t i = steps.size(); i-- > 0;) {
    bool reached = false;
    for (const std::size_t output : steps[i].outputs) reached = reached || below[output];
    if (!reached) continue;
    for (const std::size_t input : steps[i].inputs) below[input] = true;
    const ReverseReads reads = network.layer(i).reverse_reads(options);
    if (reads.src)
      for (const std::size_t input : steps[i].inputs) copy_tensor(input);
    if (reads.dst) copy_tensor(steps[i].outputs[0]);
    if (reads.switches) {
      const auto from = trace.switches_of(i).view();
      require<ArgumentError>(!from.empty(), "switches of layer ", quoted(topology.graph().nodes[i].name),
                             " were not kept by the forward pass");
      const Index taps = from.width() == 1 ? 256 : from.width() == 2 ? 65536 : Index{1} << 32;
      auto& to = state.switches_of(i);
      to = Switches<D>::make(from.shape().with(0, 1), from.layout(), taps, context.workspace());
      gather_windows(context, std::vector{WindowPlace<SwitchesView<const std::byte, D>>{from, image}},
                     to.view());
    }
  }
  return state;
}

}  // namespace deconv
