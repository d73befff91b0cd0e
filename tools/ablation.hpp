#pragma once
/// Ablations trained on the device of --device.

#include <memory>

#include "deconv/analysis/ablation_run.hpp"
#include "options.hpp"

namespace deconv::tool {

/// Trains one ablation after another of one network.
class Ablator {
 public:
  virtual ~Ablator() = default;
  /// See run_ablation; `folder` may be null.
  [[nodiscard]] virtual AblationResult run(const io::ModelFile& start, const Ablation& ablation,
                                           const train::Recipe& recipe, const io::Dataset& set,
                                           const io::Dataset* validation, const AblationOptions& options,
                                           const train::RunFolder* folder) = 0;
};

/// Throws DeviceError where the device of --device cannot be used.
[[nodiscard]] std::unique_ptr<Ablator> make_ablator(const CommonOptions& options);

}  // namespace deconv::tool
