#pragma once

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "deconv/core/tensor.hpp"
#include "deconv/io/dataset.hpp"
#include "deconv/io/preprocess.hpp"

namespace deconv::io {

/// Some pictures of a data set, ready for a network.
struct Batch {
  Tensor<float, Cpu> images;   ///< [N, C, H, W].
  std::vector<Index> labels;   ///< N; -1 where the set has no classes.
  std::vector<Index> indices;  ///< N: which pictures of the set these are.
};

/// How a BatchLoader works.
struct LoaderOptions {
  Index batch = 16;          ///< Pictures a batch, at most; 1 to 4096.
  int workers = 2;           ///< Threads that read, decode and preprocess; 1 to 256.
  Index ahead = 2;           ///< Batches that may be finished before they are asked for; 1 to 64.
  bool skip_broken = false;  ///< Leave broken pictures out, and count them, instead of throwing.
  /// Which pictures, in which order; all in order where absent.
  std::optional<std::vector<Index>> indices = std::nullopt;
  /// Called by `next`, in order, with the message of each picture left out.
  std::function<void(const std::string&)> warn = nullptr;
};

/// Reads a data set in batches: threads decode and preprocess ahead of the consumer, through a queue of
/// bounded length. What comes, and its order, do not depend on the number of threads. Memory: `ahead` + 1
/// batches and a decoded picture a worker; the memory of a batch is used again once the consumer has dropped
/// it.
///
///   BatchLoader loader(*set, preprocess, {.batch = 16, .workers = 2});
///   while (auto batch = loader.next()) use(batch->images);  // and batch->labels, batch->indices
///
/// The set must outlive the loader. `next` is called from one thread. Destroying the loader early is fine.
class BatchLoader {
 public:
  /// Throws ArgumentError for options out of range, or an index that the set does not have.
  BatchLoader(const Dataset& set, Preprocess preprocess, LoaderOptions options = {})
      : set_(set), preprocess_(std::move(preprocess)), options_(std::move(options)) {
    const auto range = [](const char* what, Index value, Index most) {
      require<ArgumentError>(value >= 1 && value <= most, "loader: ", what, ": 1 to ", most, " wanted, met ",
                             value);
    };
    range("batch", options_.batch, 4096);
    range("workers", options_.workers, 256);
    range("ahead", options_.ahead, 64);
    if (options_.indices)
      for (const Index i : *options_.indices)
        require<ArgumentError>(i >= 0 && i < set_.size(), "loader: picture ", i, " of a data set of ",
                               set_.size());
    preprocess_.check();
    total_ = options_.indices ? static_cast<Index>(options_.indices->size()) : set_.size();
    shape_ = preprocess_.output_shape();
    slots_.resize(static_cast<std::size_t>(options_.ahead + 1));
    const auto threads =
        static_cast<std::size_t>(std::min<Index>(options_.workers, std::max<Index>(total_, 1)));
    workers_.reserve(threads);
    try {
      for (std::size_t t = 0; t < threads; ++t) workers_.emplace_back([this] { work(); });
    } catch (...) {
      stop();
      throw;
    }
  }
  BatchLoader(const BatchLoader&) = delete;
  BatchLoader& operator=(const BatchLoader&) = delete;
  ~BatchLoader() { stop(); }

  /// Pictures that will be read in all, broken ones included.
  [[nodiscard]] Index total() const noexcept { return total_; }
  /// Broken pictures left out so far.
  [[nodiscard]] Index skipped() const noexcept { return skipped_; }

  /// The next batch, or nothing at the end. With skip_broken a batch may hold fewer pictures than asked for.
  /// Throws what reading the first broken picture of the batch threw (the message names it); then the loader
  /// is at its end. Where the preprocessing gives pictures of different sizes only batches of equal ones can
  /// be made: FormatError otherwise (a batch of 1 always works).
  [[nodiscard]] std::optional<Batch> next() {
    while (next_batch_ * options_.batch < total_) {
      Slot slot = wait_for(next_batch_);
      ++next_batch_;
      try {
        if (std::optional<Batch> batch = assemble(slot)) return batch;
      } catch (...) {
        stop();
        next_batch_ = total_;
        throw;
      }
    }
    return std::nullopt;
  }

 private:
  struct Item {
    Index index = 0;
    Index label = -1;
    Tensor<float, Cpu> input;  ///< Only where the pictures' sizes are not known beforehand.
    std::exception_ptr failure;
  };
  /// One batch in the making; batch b lives in slot b % slots.
  struct Slot {
    Tensor<float, Cpu> images;
    std::vector<Item> items;
    Index missing = 0;
  };

  void stop() noexcept {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    room_.notify_all();
    workers_.clear();  // joins
  }

  [[nodiscard]] Index length_of(Index batch) const {
    return std::min(options_.batch, total_ - batch * options_.batch);
  }
  [[nodiscard]] Slot& slot_of(Index batch) {
    return slots_[static_cast<std::size_t>(batch % static_cast<Index>(slots_.size()))];
  }

  /// Prepares the slot of a batch; under the lock.
  void open(Index batch) {
    Slot& slot = slot_of(batch);
    const Index length = length_of(batch);
    if (shape_)
      slot.images =
          Tensor<float, Cpu>({length, (*shape_)[0], (*shape_)[1], (*shape_)[2]}, Layout::nchw, home_);
    slot.items.clear();
    slot.items.resize(static_cast<std::size_t>(length));
    slot.missing = length;
  }

  void work() {
    while (true) {
      Index place = 0;
      Item* item = nullptr;
      TensorView<float, Cpu> dst;
      Slot* slot = nullptr;
      {
        std::unique_lock lock(mutex_);
        // A batch may be begun when its slot is free: `ahead` batches beyond the one the consumer waits for.
        room_.wait(lock, [&] {
          return stopping_ || next_place_ >= total_ ||
                 next_place_ / options_.batch < taken_ + static_cast<Index>(slots_.size());
        });
        if (stopping_ || next_place_ >= total_) return;
        place = next_place_;
        const Index batch = place / options_.batch, within = place % options_.batch;
        slot = &slot_of(batch);
        if (within == 0) try {
            open(batch);
          } catch (...) {
            // No memory for the batch: the consumer learns it when it asks for this batch.
            fatal_ = std::current_exception();
            stopping_ = true;
            ready_.notify_all();
            room_.notify_all();
            return;
          }
        ++next_place_;
        item = &slot->items[static_cast<std::size_t>(within)];
        if (shape_) dst = TensorView<float, Cpu>(slot->images.data() + within * shape_->count(), *shape_);
      }
      item->index = options_.indices ? (*options_.indices)[static_cast<std::size_t>(place)] : place;
      try {
        fill(*item, dst);
      } catch (...) {
        item->failure = std::current_exception();
      }
      const std::lock_guard lock(mutex_);
      if (--slot->missing == 0) ready_.notify_one();
    }
  }

  void fill(Item& item, TensorView<float, Cpu> dst) {
    item.label = set_.label(item.index).value_or(-1);
    const Image image = set_.read(item.index);
    try {
      if (shape_) {
        preprocess_.apply(image, dst);
      } else {
        const Image seen = preprocess_.view(image);
        item.input =
            Tensor<float, Cpu>({preprocess_.channels(), seen.height(), seen.width()}, Layout::nchw, home_);
        preprocess_.normalise(seen, item.input);
      }
    } catch (const ShapeError& problem) {
      raise<ShapeError>(set_.name(item.index), ": ", problem.what());
    }
  }

  [[nodiscard]] Slot wait_for(Index batch) {
    std::unique_lock lock(mutex_);
    const auto done = [&] {
      return next_place_ >= std::min((batch + 1) * options_.batch, total_) && slot_of(batch).missing == 0;
    };
    ready_.wait(lock, [&] { return done() || fatal_ != nullptr; });
    if (!done()) {
      next_batch_ = total_;
      std::rethrow_exception(fatal_);
    }
    Slot slot = std::move(slot_of(batch));
    taken_ = batch + 1;
    lock.unlock();
    room_.notify_all();
    return slot;
  }

  /// Whether the picture is to be left out; throws its failure where none may be.
  [[nodiscard]] bool leave_out(const Item& item) {
    if (!item.failure) return false;
    if (!options_.skip_broken) std::rethrow_exception(item.failure);
    try {
      std::rethrow_exception(item.failure);
    } catch (const DeviceError&) {
      throw;  // no fault of the picture
    } catch (const Error& problem) {
      ++skipped_;
      if (options_.warn) options_.warn(problem.what());
    }
    return true;
  }

  [[nodiscard]] std::optional<Batch> assemble(Slot& slot) {
    Batch batch;
    std::vector<std::size_t> kept;
    for (std::size_t i = 0; i < slot.items.size(); ++i) {
      if (leave_out(slot.items[i])) continue;
      kept.push_back(i);
      batch.labels.push_back(slot.items[i].label);
      batch.indices.push_back(slot.items[i].index);
    }
    if (kept.empty()) return std::nullopt;
    const auto count = static_cast<Index>(kept.size());
    if (shape_ && kept.size() == slot.items.size()) {
      batch.images = std::move(slot.images);
      return batch;
    }
    const Shape shape = shape_ ? *shape_ : slot.items[kept.front()].input.shape();
    batch.images = Tensor<float, Cpu>({count, shape[0], shape[1], shape[2]}, Layout::nchw, home_);
    float* dst = batch.images.data();
    for (const std::size_t i : kept) {
      const Item& item = slot.items[i];
      const float* src =
          shape_ ? slot.images.data() + static_cast<Index>(i) * shape.count() : item.input.data();
      require<FormatError>(shape_ || item.input.shape() == shape, set_.name(item.index), ": an input of ",
                           shape, " wanted, as the batch's other pictures give, met ", item.input.shape(),
                           " (a preprocessing with a crop or exact size makes them equal)");
      dst = std::copy_n(src, shape.count(), dst);
    }
    return batch;
  }

  const Dataset& set_;
  const Preprocess preprocess_;
  const LoaderOptions options_;
  Index total_ = 0;
  std::optional<Shape> shape_;  ///< Of one input, where it is known beforehand.
  std::shared_ptr<Workspace<Cpu>> home_ = Workspace<Cpu>::make();

  std::mutex mutex_;
  std::condition_variable ready_, room_;
  std::vector<Slot> slots_;
  Index next_place_ = 0;  ///< First place that no worker has taken.
  Index taken_ = 0;       ///< Batches that the consumer has taken.
  bool stopping_ = false;
  std::exception_ptr fatal_;

  Index next_batch_ = 0;  ///< The consumer's own.
  Index skipped_ = 0;
  std::vector<std::jthread> workers_;
};

}  // namespace deconv::io
