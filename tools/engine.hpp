#pragma once
/// The network on the device that the command line names, as far as commands need it: images and results are
/// host tensors, so that no command but this knows which device did the work.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "deconv/analysis/class_activation_map.hpp"
#include "deconv/analysis/features.hpp"
#include "deconv/analysis/projection.hpp"
#include "options.hpp"

namespace deconv::tool {

class Engine {
 public:
  using Images = TensorView<const float, Cpu>;
  /// Which units of a layer to project, chosen after its activations were seen.
  using Choice = std::function<std::vector<Unit>(const Shape& shape, Images activation)>;

  virtual ~Engine() = default;

  [[nodiscard]] virtual const Topology& topology() const = 0;
  /// The named tensors of one forward pass, nchw.
  [[nodiscard]] virtual std::vector<Tensor<float, Cpu>> activations(
      Images images, const std::vector<std::string>& layers) const = 0;
  [[nodiscard]] virtual std::vector<Projection<float>> project(Images images, const std::string& layer,
                                                               const Choice& choose,
                                                               const ProjectionOptions& options) const = 0;
  [[nodiscard]] virtual std::vector<ClassActivationMap<float>> class_activation_maps(
      Images images, const ClassActivationMapOptions& options) const = 0;
  virtual void features(std::vector<MapSelection> selections, const ImageStream<float>& stream,
                        const std::function<void(Feature<float>)>& emit,
                        const FeatureOptions& options) const = 0;
  /// Gives memory that is kept for reuse back to the system.
  virtual void release_memory() const = 0;
};

/// Puts the network on the device of --device. Throws DeviceError where that cannot be.
[[nodiscard]] std::unique_ptr<Engine> make_engine(const CommonOptions& options, Model model);

/// Throws DeviceError, before any file is read, when the device of --device cannot be used.
void check_device(const CommonOptions& options);

}  // namespace deconv::tool
