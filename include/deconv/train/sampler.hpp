#pragma once

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <utility>
#include <vector>

#include "deconv/core/error.hpp"
#include "deconv/core/shape.hpp"
#include "deconv/core/shard.hpp"
#include "deconv/train/random_streams.hpp"

namespace deconv::train {

/// Which pictures each step of training takes: every epoch all of them once, in an order that is a pure
/// function of the seed and the epoch. The last batch of an epoch is smaller where the batch does not divide
/// the number of pictures: no picture is left out, none comes twice. Steps of an epoch count from 0. Memory:
/// the permutation of one epoch, 8 bytes a picture.
class Sampler {
 public:
  /// Throws ArgumentError unless there is a picture and the batch holds 1 or more.
  Sampler(Index pictures, Index batch, std::uint64_t seed) : pictures_(pictures), batch_(batch), seed_(seed) {
    require<ArgumentError>(pictures >= 1, "sampler: one picture or more wanted, met ", pictures);
    require<ArgumentError>(batch >= 1, "sampler: a batch of 1 or more wanted, met ", batch);
  }

  [[nodiscard]] Index pictures() const noexcept { return pictures_; }
  /// Pictures of every batch but an epoch's last.
  [[nodiscard]] Index batch_size() const noexcept { return batch_; }
  [[nodiscard]] std::uint64_t seed() const noexcept { return seed_; }
  /// Batches an epoch, the smaller last one counted.
  [[nodiscard]] Index steps_per_epoch() const noexcept { return (pictures_ - 1) / batch_ + 1; }
  /// Pictures in the batch of this step. Throws ArgumentError when an epoch has no such step.
  [[nodiscard]] Index batch_size(Index step) const {
    require<ArgumentError>(step >= 0 && step < steps_per_epoch(), "sampler: step ", step, " of an epoch of ",
                           steps_per_epoch());
    return std::min(batch_, pictures_ - step * batch_);
  }

  /// The pictures of the whole batch (over all processes), in order. Throws ArgumentError for a negative
  /// epoch or a step that an epoch does not have. Cost: the first call for an epoch draws its permutation,
  /// one Philox block a picture; one at a time.
  [[nodiscard]] std::vector<Index> batch(Index epoch, Index step) {
    return batch(epoch, step, {0, batch_size(step)});
  }
  /// The part [share.begin, share.end) of that batch. Throws ArgumentError also when it reaches over the
  /// batch.
  [[nodiscard]] std::vector<Index> batch(Index epoch, Index step, const Shard& share) {
    const Index size = batch_size(step);
    require<ArgumentError>(share.begin >= 0 && share.begin <= share.end && share.end <= size,
                           "sampler: a part [", share.begin, ", ", share.end, ") of a batch of ", size);
    permute(epoch);
    const auto begin = order_.begin() + static_cast<std::ptrdiff_t>(step * batch_);
    return {begin + static_cast<std::ptrdiff_t>(share.begin), begin + static_cast<std::ptrdiff_t>(share.end)};
  }

 private:
  /// Fisher and Yates' shuffle; the k-th exchange uses the k-th number of the epoch's stream.
  void permute(Index epoch) {
    require<ArgumentError>(epoch >= 0, "sampler: epoch ", epoch);
    if (epoch == epoch_) return;
    epoch_ = -1;  // nothing is kept of an order that was not finished
    order_.resize(static_cast<std::size_t>(pictures_));
    std::iota(order_.begin(), order_.end(), Index{0});
    const Random random = random_for(seed_, Draw::order, static_cast<std::uint64_t>(epoch));
    for (std::size_t i = order_.size() - 1; i > 0; --i)
      std::swap(order_[i], order_[static_cast<std::size_t>(random.below(i, i + 1))]);
    epoch_ = epoch;
  }

  Index pictures_, batch_;
  std::uint64_t seed_;
  Index epoch_ = -1;  ///< Whose order is held; -1: none.
  std::vector<Index> order_;
};

}  // namespace deconv::train
