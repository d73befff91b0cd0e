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
  /// N: all classes of each picture, where the set says that there may be several; empty otherwise.
  std::vector<std::vector<Index>> label_sets;
};

/// How a BatchLoader works.
struct LoaderOptions {
  Index batch = 16;          ///< Pictures a batch, at most; 1 to 4096.
  int workers = 2;           ///< Threads that read, decode and preprocess; 1 to 256.
  Index ahead = 2;           ///< Batches that may be finished before they are asked for; 1 to 64.
  bool skip_broken = false;  ///< Leave broken pictures out, and count them, instead of throwing.
  /// Which pictures, in which order; all in order where absent.
  std::optional<std::vector<Index>> indices = std::nullopt;
  /// Instead of `batch` and `indices` where set: the pictures of batch b, or nothing at the end, which need
  /// not come. Asked for b = 0, 1, 2, ... in order, ahead of the consumer, by one thread at a time. A batch
  /// may be empty, and one whose pictures were all left out comes as an empty one.
  std::function<std::optional<std::vector<Index>>(Index b)> plan = nullptr;
  /// Called by `next`, in order, with the message of each picture left out.
  std::function<void(const std::string&)> warn = nullptr;
};

/// Makes the input [C, H, W] of a picture: `image` is picture `index` of the set and belongs to batch
/// `batch`. Called from many threads at once; the result may depend on nothing but the arguments.
using PictureFill =
    std::function<void(const Image& image, Index batch, Index index, TensorView<float, Cpu> dst)>;

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
  /// Throws ArgumentError for options out of range, or an index that the set does not have; FormatError for a
  /// preprocessing that contradicts itself.
  BatchLoader(const Dataset& set, Preprocess preprocess, LoaderOptions options = {})
      : set_(set), preprocess_(std::move(preprocess)), options_(std::move(options)) {
    preprocess_.check();
    shape_ = preprocess_.output_shape();
    start();
  }
  /// Inputs of shape `input`, [C, H, W], that `fill` makes. Throws ArgumentError likewise.
  BatchLoader(const Dataset& set, const Shape& input, PictureFill fill, LoaderOptions options = {})
      : set_(set), options_(std::move(options)), fill_(std::move(fill)), shape_(input) {
    require<ArgumentError>(fill_ != nullptr && input.rank() == 3,
                           "loader: inputs [C,H,W] and what makes them wanted, met ", input);
    start();
  }
  BatchLoader(const BatchLoader&) = delete;
  BatchLoader& operator=(const BatchLoader&) = delete;
  ~BatchLoader() { stop(); }

  /// Pictures that will be read in all, broken ones included; 0 where a plan does not say.
  [[nodiscard]] Index total() const noexcept { return total_; }
  /// Broken pictures left out so far.
  [[nodiscard]] Index skipped() const noexcept { return skipped_; }

  /// The next batch, or nothing at the end. With skip_broken a batch may hold fewer pictures than asked for.
  /// Throws what reading the first broken picture of the batch threw (the message names it); then the loader
  /// is at its end. Where the preprocessing gives pictures of different sizes only batches of equal ones can
  /// be made: FormatError otherwise (a batch of 1 always works).
  [[nodiscard]] std::optional<Batch> next() {
    while (!finished_) {
      std::optional<Slot> slot = wait_for(next_batch_);
      if (!slot) break;
      ++next_batch_;
      try {
        Batch batch = assemble(*slot);
        if (!batch.indices.empty() || options_.plan) return batch;
      } catch (...) {
        stop();
        finished_ = true;
        throw;
      }
    }
    finished_ = true;
    return std::nullopt;
  }

 private:
  struct Item {
    Index index = 0;
    Index label = -1;
    std::vector<Index> labels;  ///< Only where the set's pictures may have several.
    Tensor<float, Cpu> input;   ///< Only where the pictures' sizes are not known beforehand.
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

  void start() {
    const auto range = [](const char* what, Index value, Index most) {
      require<ArgumentError>(value >= 1 && value <= most, "loader: ", what, ": 1 to ", most, " wanted, met ",
                             value);
    };
    range("batch", options_.batch, 4096);
    range("workers", options_.workers, 256);
    range("ahead", options_.ahead, 64);
    require<ArgumentError>(!options_.plan || !options_.indices, "loader: a plan or indices wanted, met both");
    if (options_.indices) check(*options_.indices);
    total_ = options_.plan      ? 0
             : options_.indices ? static_cast<Index>(options_.indices->size())
                                : set_.size();
    slots_.resize(static_cast<std::size_t>(options_.ahead + 1));
    const auto threads = static_cast<std::size_t>(
        options_.plan ? options_.workers : std::min<Index>(options_.workers, std::max<Index>(total_, 1)));
    workers_.reserve(threads);
    try {
      for (std::size_t t = 0; t < threads; ++t) workers_.emplace_back([this] { work(); });
    } catch (...) {
      stop();
      throw;
    }
  }

  void check(const std::vector<Index>& pictures) const {
    for (const Index i : pictures)
      require<ArgumentError>(i >= 0 && i < set_.size(), "loader: picture ", i, " of a data set of ",
                             set_.size());
  }

  /// The pictures of a batch, or nothing at the end.
  [[nodiscard]] std::optional<std::vector<Index>> plan(Index batch) const {
    if (options_.plan) {
      auto pictures = options_.plan(batch);
      if (pictures) check(*pictures);
      return pictures;
    }
    const Index first = batch * options_.batch;
    if (first >= total_) return std::nullopt;
    std::vector<Index> pictures(static_cast<std::size_t>(std::min(options_.batch, total_ - first)));
    for (std::size_t i = 0; i < pictures.size(); ++i) {
      const Index place = first + static_cast<Index>(i);
      pictures[i] = options_.indices ? (*options_.indices)[static_cast<std::size_t>(place)] : place;
    }
    return pictures;
  }

  [[nodiscard]] Slot& slot_of(Index batch) {
    return slots_[static_cast<std::size_t>(batch % static_cast<Index>(slots_.size()))];
  }

  /// Begins the next batch, or notes that there is none; under the lock.
  void open() {
    const auto pictures = plan(opened_);
    if (!pictures) {
      ended_ = true;
      return;
    }
    Slot& slot = slot_of(opened_);
    const auto length = static_cast<Index>(pictures->size());
    if (shape_)
      slot.images =
          Tensor<float, Cpu>({length, (*shape_)[0], (*shape_)[1], (*shape_)[2]}, Layout::nchw, home_);
    slot.items.clear();
    slot.items.resize(pictures->size());
    for (std::size_t i = 0; i < pictures->size(); ++i) slot.items[i].index = (*pictures)[i];
    slot.missing = length;
    ++opened_;
    handed_out_ = 0;
    length_ = length;
  }

  void work() {
    while (true) {
      Index batch = 0;
      Item* item = nullptr;
      TensorView<float, Cpu> dst;
      Slot* slot = nullptr;
      {
        std::unique_lock lock(mutex_);
        // A batch may be begun when its slot is free: `ahead` batches beyond the one the consumer waits for.
        const auto open_possible = [&] { return opened_ < taken_ + static_cast<Index>(slots_.size()); };
        room_.wait(lock, [&] { return stopping_ || ended_ || handed_out_ < length_ || open_possible(); });
        if (stopping_) return;
        if (handed_out_ == length_) {
          if (ended_) return;
          try {
            open();
          } catch (...) {
            // No memory for the batch, or no plan: the consumer learns it when it asks for this batch.
            fatal_ = std::current_exception();
            stopping_ = true;
          }
          if (ended_ || stopping_) room_.notify_all();
          if (handed_out_ == length_) {
            ready_.notify_one();  // an empty batch, or the end
            continue;
          }
        }
        batch = opened_ - 1;
        slot = &slot_of(batch);
        item = &slot->items[static_cast<std::size_t>(handed_out_)];
        if (shape_)
          dst = TensorView<float, Cpu>(slot->images.data() + handed_out_ * shape_->count(), *shape_);
        ++handed_out_;
      }
      try {
        fill(*item, batch, dst);
      } catch (...) {
        item->failure = std::current_exception();
      }
      const std::lock_guard lock(mutex_);
      if (--slot->missing == 0) ready_.notify_one();
    }
  }

  void fill(Item& item, Index batch, TensorView<float, Cpu> dst) {
    item.label = set_.label(item.index).value_or(-1);
    if (set_.multi_label()) item.labels = set_.labels(item.index);
    const Image image = set_.read(item.index);
    try {
      if (fill_) {
        fill_(image, batch, item.index, dst);
      } else if (shape_) {
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

  [[nodiscard]] std::optional<Slot> wait_for(Index batch) {
    std::unique_lock lock(mutex_);
    const auto done = [&] { return batch < opened_ && slot_of(batch).missing == 0; };
    ready_.wait(lock, [&] { return done() || fatal_ != nullptr || (ended_ && batch >= opened_); });
    if (!done()) {
      finished_ = true;
      if (fatal_) std::rethrow_exception(fatal_);
      return std::nullopt;
    }
    std::optional<Slot> slot = std::move(slot_of(batch));
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

  [[nodiscard]] Batch assemble(Slot& slot) {
    Batch batch;
    std::vector<std::size_t> kept;
    for (std::size_t i = 0; i < slot.items.size(); ++i) {
      if (leave_out(slot.items[i])) continue;
      kept.push_back(i);
      batch.labels.push_back(slot.items[i].label);
      batch.indices.push_back(slot.items[i].index);
      if (set_.multi_label()) batch.label_sets.push_back(std::move(slot.items[i].labels));
    }
    const auto count = static_cast<Index>(kept.size());
    if (shape_ && kept.size() == slot.items.size()) {
      batch.images = std::move(slot.images);
      return batch;
    }
    const Shape shape = shape_         ? *shape_
                        : kept.empty() ? Shape{0, 0, 0}
                                       : slot.items[kept.front()].input.shape();
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
  const PictureFill fill_ = nullptr;
  Index total_ = 0;
  std::optional<Shape> shape_;  ///< Of one input, where it is known beforehand.
  std::shared_ptr<Workspace<Cpu>> home_ = Workspace<Cpu>::make();

  std::mutex mutex_;
  std::condition_variable ready_, room_;
  std::vector<Slot> slots_;
  Index opened_ = 0;                   ///< Batches begun.
  Index handed_out_ = 0, length_ = 0;  ///< Pictures of the last of them: given to workers, and in all.
  Index taken_ = 0;                    ///< Batches that the consumer has taken.
  bool ended_ = false;                 ///< There are no batches beyond those begun.
  bool stopping_ = false;
  std::exception_ptr fatal_;

  Index next_batch_ = 0;  ///< The consumer's own, as what follows.
  bool finished_ = false;
  Index skipped_ = 0;
  std::vector<std::jthread> workers_;
};

}  // namespace deconv::io
