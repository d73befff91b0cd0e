#include "engine.hpp"

#include <utility>

namespace deconv::tool {

namespace {

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

}  // namespace

std::unique_ptr<Engine> make_engine(const CommonOptions& options, Model model) {
  check_device(options);
#if defined(DECONV_WITH_CUDA)
  if (options.device == Cuda::name)
    return std::make_unique<EngineOn<Cuda>>(Context<Cuda>(), std::move(model));
#endif
  return std::make_unique<EngineOn<Cpu>>(options.host(), std::move(model));
}

void check_device(const CommonOptions& options) {
  if (options.device == Cpu::name) return;
#if defined(DECONV_WITH_CUDA)
  try {
    cuda::check_device(0);
  } catch (const DeviceError& problem) {
    raise<DeviceError>("--device cuda: ", problem.what(), "; --device cpu wanted");
  }
#else
  raise<DeviceError>("--device cuda: this build of deconv has no CUDA support; --device cpu wanted");
#endif
}

}  // namespace deconv::tool
