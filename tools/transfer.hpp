#pragma once
/// Frozen features and training from scratch on the device of --device.

#include <string>
#include <vector>

#include "deconv/analysis/transfer_scratch.hpp"
#include "engine.hpp"

namespace deconv::tool {

/// See deconv::frozen_features and deconv::feature_count.
[[nodiscard]] FrozenFeatures frozen_features_of(const Engine& engine, const io::Preprocess& preprocess,
                                                const io::Dataset& set, std::vector<Index> pictures,
                                                const std::vector<std::string>& layers,
                                                const FrozenFeatureOptions& options);
[[nodiscard]] Index feature_count_of(const Engine& engine, const std::string& layer, const Shape& input,
                                     FeaturePooling pooling);
/// See deconv::accuracy_from_scratch.
[[nodiscard]] double scratch_accuracy(const CommonOptions& options, const train::Recipe& recipe,
                                      const io::Dataset& set, const io::Dataset* test_set,
                                      const TransferFold& fold, const train::TrainerOptions& how);

}  // namespace deconv::tool
