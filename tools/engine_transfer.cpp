#include "deconv/dist/local.hpp"
#include "engine_on.hpp"
#include "transfer.hpp"

namespace deconv::tool {

FrozenFeatures frozen_features_of(const Engine& engine, const io::Preprocess& preprocess,
                                  const io::Dataset& set, std::vector<Index> pictures,
                                  const std::vector<std::string>& layers,
                                  const FrozenFeatureOptions& options) {
  return on_device(engine, [&](const auto& network, const auto& context) {
    return frozen_features(network, context, preprocess, set, pictures, layers, options);
  });
}

Index feature_count_of(const Engine& engine, const std::string& layer, const Shape& input,
                       FeaturePooling pooling) {
  return on_device(engine, [&](const auto& network, const auto&) {
    return feature_count(network, layer, input, pooling);
  });
}

double scratch_accuracy(const CommonOptions& options, const train::Recipe& recipe, const io::Dataset& set,
                        const io::Dataset* test_set, const TransferFold& fold,
                        const train::TrainerOptions& how) {
  check_device(options);
#if defined(DECONV_WITH_CUDA)
  if (options.device == Cuda::name) {
    dist::LocalCommunicator<Cuda> alone;
    return accuracy_from_scratch<float, Cuda>(options.gpu(), alone, recipe, set, test_set, fold, how);
  }
#endif
  dist::LocalCommunicator<Cpu> alone;
  return accuracy_from_scratch<float, Cpu>(options.host(), alone, recipe, set, test_set, fold, how);
}

}  // namespace deconv::tool
