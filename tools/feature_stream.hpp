#pragma once
/// The pictures of --data on their way through features(), decoded by other threads meanwhile.

#include <chrono>
#include <optional>
#include <string>

#include "deconv/analysis/features.hpp"
#include "deconv/io/dataset.hpp"
#include "deconv/io/loader.hpp"
#include "model.hpp"
#include "progress.hpp"

namespace deconv::tool {

/// One pass over a data set. Set, model and options outlive it.
class FeatureStream {
 public:
  /// `title` stands before the bar of progress. Throws ArgumentError when the model does not say how a
  /// picture becomes its input.
  FeatureStream(const CommonOptions& options, const LoadedModel& model, const io::Dataset& set,
                std::string title);
  FeatureStream(const FeatureStream&) = delete;
  FeatureStream& operator=(const FeatureStream&) = delete;

  /// What features() reads from.
  [[nodiscard]] const ImageStream<float>& stream() const noexcept { return stream_; }
  /// A receiver for FeatureOptions::progress, which draws the bar.
  [[nodiscard]] std::function<void(std::string_view, std::int64_t, std::int64_t)> progress();

  /// One image of the last two batches, [C, H, W]. Throws ArgumentError when it is not in them.
  [[nodiscard]] TensorView<const float, Cpu> current(std::int64_t number) const;
  /// Images that went by, and broken ones left out.
  [[nodiscard]] Index images() const noexcept { return images_; }
  [[nodiscard]] Index skipped() const { return loader_.skipped(); }
  /// Throws ArgumentError when none went by.
  void require_images() const;

 private:
  [[nodiscard]] io::LoaderOptions loading();
  void tell_once();

  const CommonOptions& options_;
  const LoadedModel& model_;
  const io::Dataset& set_;
  std::string title_;
  const io::Preprocess& preprocess_;
  std::optional<Progress> progress_;
  io::BatchLoader loader_;
  std::optional<io::Batch> batch_, before_last_;
  ImageBatch<float> current_;
  ImageStream<float> stream_;
  Index images_ = 0;
  std::int64_t before_ = 0;
  bool projecting_ = false;
  std::optional<std::chrono::steady_clock::time_point> begin_;  ///< when the first batch was done
  Index first_ = 0;                                             ///< images in it
  bool told_ = false;
};

}  // namespace deconv::tool
