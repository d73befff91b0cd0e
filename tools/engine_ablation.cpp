// Ablations on the device of --device.

#include "ablation.hpp"
#include "deconv/dist/local.hpp"
#include "engine.hpp"

namespace deconv::tool {

namespace {

template <Device D>
class AblatorOn final : public Ablator {
 public:
  explicit AblatorOn(Context<D> context) : context_(std::move(context)) {}

  [[nodiscard]] AblationResult run(const io::ModelFile& start, const Ablation& ablation,
                                   const train::Recipe& recipe, const io::Dataset& set,
                                   const io::Dataset* validation, const AblationOptions& options,
                                   const train::RunFolder* folder) override {
    return run_ablation<float, D>(context_, alone_, start, ablation, recipe, set, validation, options,
                                  folder);
  }

 private:
  Context<D> context_;
  dist::LocalCommunicator<D> alone_;
};

}  // namespace

std::unique_ptr<Ablator> make_ablator(const CommonOptions& options) {
  check_device(options);
#if defined(DECONV_WITH_CUDA)
  if (options.device == Cuda::name) return std::make_unique<AblatorOn<Cuda>>(options.gpu());
#endif
  return std::make_unique<AblatorOn<Cpu>>(options.host());
}

}  // namespace deconv::tool
