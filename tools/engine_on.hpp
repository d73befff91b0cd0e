#pragma once
/// The engine of one device, for the files engine*.cpp alone: they are compiled once for each set of devices.

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine.hpp"

namespace deconv::tool {

template <Device D>
class EngineOn final : public Engine {
 public:
  EngineOn(Context<D> context, Model model)
      : context_(std::move(context)), network_(context_, std::move(model)) {}

  [[nodiscard]] const Topology& topology() const override { return network_.topology(); }

  [[nodiscard]] std::vector<Tensor<float, Cpu>> activations(
      Images images, const std::vector<std::string>& layers) const override {
    ForwardOptions options = ForwardOptions::only(layers);
    // The deepest layer asked for bounds the work; every other one lies on no longer a way.
    options.up_to = layers.back();
    const auto trace = forward(images, options);
    std::vector<Tensor<float, Cpu>> arrays;
    for (const std::string& layer : layers) {
      auto array = trace.activation(context_, layer);
      if constexpr (std::same_as<D, Cpu>)
        arrays.push_back(std::move(array));
      else
        arrays.push_back(to_host(context_, array.view()));
    }
    return arrays;
  }

  [[nodiscard]] std::vector<Projection<float>> project(Images images, const std::string& layer,
                                                       const Choice& choose,
                                                       const ProjectionOptions& options) const override {
    ForwardOptions how = ForwardOptions::only({layer});
    how.reverse = options.reverse;
    how.up_to = layer;
    const auto trace = forward(images, how);
    std::vector<Unit> units;
    if constexpr (std::same_as<D, Cpu>)
      units = choose(trace.shape(layer), trace.view(layer));
    else
      units = choose(trace.shape(layer), to_host(context_, trace.view(layer)));
    return deconv::project<float, D>(network_, context_, trace, layer, units, options);
  }

  [[nodiscard]] std::vector<ClassActivationMap<float>> class_activation_maps(
      Images images, const ClassActivationMapOptions& options) const override {
    const auto trace = forward(images, class_activation_forward(network_, options));
    return deconv::class_activation_maps<float, D>(network_, context_, trace, options);
  }

  void features(std::vector<MapSelection> selections, const ImageStream<float>& stream,
                const std::function<void(Feature<float>)>& emit,
                const FeatureOptions& options) const override {
    deconv::features<float, D>(network_, context_, std::move(selections), stream, emit, options);
  }

  void release_memory() const override { context_.workspace()->release(); }

  [[nodiscard]] const Context<D>& context() const noexcept { return context_; }
  [[nodiscard]] const Network<float, D>& network() const noexcept { return network_; }

 private:
  Trace<float, D> forward(Images images, const ForwardOptions& options) const {
    if constexpr (std::same_as<D, Cpu>)
      return network_.forward(context_, images, options);
    else
      return network_.forward(context_, to_device(context_, images), options);
  }

  Context<D> context_;
  Network<float, D> network_;
};

/// Does `work(network, context)` on the engine's own device: how an analysis runs that the engine itself does
/// not know. For every device `work` returns the same type.
template <class Work>
auto on_device(const Engine& engine, const Work& work) {
#if defined(DECONV_WITH_CUDA)
  if (const auto* cuda = dynamic_cast<const EngineOn<Cuda>*>(&engine))
    return work(cuda->network(), cuda->context());
#endif
  const auto& host = dynamic_cast<const EngineOn<Cpu>&>(engine);
  return work(host.network(), host.context());
}

}  // namespace deconv::tool
