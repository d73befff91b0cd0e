#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "deconv/core/tensor.hpp"
#include "deconv/io/dataset.hpp"
#include "deconv/io/loader.hpp"
#include "deconv/io/preprocess.hpp"
#include "deconv/train/augmentation.hpp"
#include "deconv/train/sampler.hpp"

namespace deconv::train {

/// What one process trains on in one step.
struct TrainingBatch {
  Tensor<float, Cpu> images;    ///< [n, C, H, W]; n may be 0 where a batch has fewer pictures than processes.
  std::vector<Index> labels;    ///< n; -1 where the set has no classes.
  std::vector<Index> pictures;  ///< n: their numbers in the set.
  /// n: all classes of each, where the set's pictures may have several; empty otherwise.
  std::vector<std::vector<Index>> label_sets;
  Index epoch = 0, step = 0;
  /// Pictures of the whole batch over all processes, and how many of them stand before this process' own.
  /// Broken ones that were left out are counted in both.
  Index whole_batch = 0, first_image = 0;
};

/// How a DataStream works.
struct StreamOptions {
  Index rank = 0, ranks = 1;  ///< Which process of how many this is.
  Index epoch = 0, step = 0;  ///< The first batch: where training begins, or goes on.
  int workers = 2;            ///< Threads that read, decode and augment; 1 to 256.
  Index ahead = 4;            ///< Batches that may be finished before they are asked for; 1 to 64.
  bool skip_broken = false;   ///< Leave broken pictures out, and count them, instead of throwing.
  /// Called by `next`, in order, with the message of each picture left out.
  std::function<void(const std::string&)> warn = nullptr;
};

/// The batches of training, epoch after epoch without an end. Threads decode and augment ahead of the
/// consumer, across the ends of epochs too. What comes is a pure function of the sampler's seed, the epoch
/// and the step: it depends neither on the number of threads nor on where the stream began, and the shares of
/// several processes make up the batch of one.
///
///   DataStream stream(*set, preprocess, augmentation, Sampler(set->size(), 128, seed), {.step =
///   resumed_at}); while (training) { const TrainingBatch batch = stream.next(); ... }
///
/// The set must outlive the stream. `next` is called from one thread. Memory: `ahead` + 1 batches, a decoded
/// picture a worker, and the permutation of an epoch.
class DataStream {
 public:
  /// Throws ArgumentError for options out of range, a sampler of another number of pictures, or an
  /// augmentation that does not fit; FormatError for a preprocessing that contradicts itself.
  DataStream(const io::Dataset& set, io::Preprocess preprocess, const Augmentation& augmentation,
             Sampler sampler, StreamOptions options = {})
      : preprocess_(std::move(preprocess)),
        augmentation_(augmentation),
        sampler_(sampler),
        planner_(std::move(sampler)),
        rank_(options.rank),
        ranks_(options.ranks),
        first_(options.epoch * sampler_.steps_per_epoch() + options.step) {
    static_cast<void>(shard_of(0, rank_, ranks_));
    augmentation_.check(preprocess_);
    require<ArgumentError>(sampler_.pictures() == set.size(), "data stream: a sampler of ", set.size(),
                           " pictures wanted, met one of ", sampler_.pictures());
    require<ArgumentError>(
        options.epoch >= 0 && options.step >= 0 && options.step < sampler_.steps_per_epoch(),
        "data stream: it begins at epoch ", options.epoch, ", step ", options.step, "; an epoch has ",
        sampler_.steps_per_epoch(), " steps");
    io::LoaderOptions loading;
    loading.workers = options.workers;
    loading.ahead = options.ahead;
    loading.skip_broken = options.skip_broken;
    loading.warn = std::move(options.warn);
    loading.plan = [this](Index b) -> std::optional<std::vector<Index>> {
      const auto [epoch, step] = position(b);
      return planner_.batch(epoch, step, own_share(step));
    };
    loader_.emplace(
        set, *preprocess_.output_shape(),
        [this](const io::Image& image, Index b, Index picture, TensorView<float, Cpu> dst) {
          augmentation_.apply(preprocess_, image, sampler_.seed(), position(b).first, picture, dst);
        },
        std::move(loading));
  }
  DataStream(const DataStream&) = delete;
  DataStream& operator=(const DataStream&) = delete;

  [[nodiscard]] const Sampler& sampler() const noexcept { return sampler_; }
  [[nodiscard]] const io::Preprocess& preprocess() const noexcept { return preprocess_; }

  /// The next batch. Throws what reading the first broken picture of it threw (the message names it), unless
  /// broken ones are skipped; after a throw there are no more batches: ArgumentError.
  [[nodiscard]] TrainingBatch next() {
    using Clock = std::chrono::steady_clock;
    const auto begin = Clock::now();
    std::optional<io::Batch> loaded = loader_->next();
    waited_ += std::chrono::duration<double>(Clock::now() - begin).count();
    require<ArgumentError>(loaded.has_value(), "data stream: it ended with a broken picture");
    const auto [epoch, step] = position(taken_++);
    TrainingBatch batch;
    batch.images = std::move(loaded->images);
    batch.labels = std::move(loaded->labels);
    batch.pictures = std::move(loaded->indices);
    batch.label_sets = std::move(loaded->label_sets);
    batch.epoch = epoch;
    batch.step = step;
    batch.whole_batch = sampler_.batch_size(step);
    batch.first_image = own_share(step).begin;
    return batch;
  }

  /// Seconds that `next` has taken in all: how long the consumer waited for pictures.
  [[nodiscard]] double waited_seconds() const noexcept { return waited_; }
  /// Broken pictures left out so far.
  [[nodiscard]] Index skipped() const noexcept { return loader_->skipped(); }

 private:
  /// Epoch and step of the b-th batch of this stream.
  [[nodiscard]] std::pair<Index, Index> position(Index b) const {
    const Index steps = sampler_.steps_per_epoch();
    return {(first_ + b) / steps, (first_ + b) % steps};
  }
  [[nodiscard]] Shard own_share(Index step) const {
    return shard_of(sampler_.batch_size(step), rank_, ranks_);
  }

  const io::Preprocess preprocess_;
  const Augmentation augmentation_;
  const Sampler sampler_;  ///< What every thread may read.
  Sampler planner_;        ///< Draws the permutations, for the loader's planning thread.
  const Index rank_, ranks_;
  const Index first_;  ///< Batches of the run before this stream.
  Index taken_ = 0;
  double waited_ = 0;
  std::optional<io::BatchLoader> loader_;  ///< Last: its threads use all the others.
};

}  // namespace deconv::train
