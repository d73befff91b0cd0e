#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

#include "deconv/core/context.hpp"
#include "deconv/core/error.hpp"
#include "deconv/core/tensor.hpp"
#include "deconv/core/tensor_view.hpp"
#include "deconv/dist/communicator.hpp"
#include "deconv/ops/fill.hpp"

namespace deconv::dist {

/// Shape and layout of one parameter's gradient.
struct GradientShape {
  Shape shape;
  Layout layout = Layout::nchw;
};

/// Owns the gradients of all parameters and adds them up over the ranks while the backward pass goes on. The
/// gradients lie one behind the other in buckets of about `bucket_bytes`, in the order in which the backward
/// pass finishes them (for a chain of layers: the last layer's first). As soon as the last gradient of a
/// bucket is ready its sum begins, buckets strictly one after another, so that all ranks begin the same sums.
/// With one rank nothing is begun.
///
///     GradientBuckets<D> buckets(context, communicator, shapes);
///     for each step:
///       backward pass: writes buckets.gradient(i), then calls buckets.ready(i), for every i
///       buckets.wait();          // from here on gradient(i) holds the sum over the ranks
///
/// Memory: 4 bytes an element, each gradient rounded up to 64 bytes; zero at first. Bytes moved are the
/// communicator's. Not for several threads at a time.
template <Device D>
class GradientBuckets {
 public:
  static constexpr std::size_t default_bucket_bytes = std::size_t{4} << 20;

  /// `parameters` in the order in which a backward pass finishes them; a parameter larger than a bucket has
  /// one of its own. The communicator must live longer. Throws ArgumentError for a bucket of 0 bytes,
  /// DeviceError when memory is out.
  GradientBuckets(const Context<D>& context, Communicator<D>& communicator,
                  std::span<const GradientShape> parameters, std::size_t bucket_bytes = default_bucket_bytes)
      : context_(context), communicator_(&communicator), ready_(parameters.size(), false) {
    require<ArgumentError>(bucket_bytes > 0, "a bucket must have some bytes, met 0");
    const Index most = static_cast<Index>((bucket_bytes + sizeof(float) - 1) / sizeof(float));
    Index total = 0;
    for (const GradientShape& parameter : parameters) {
      const Index padded = (parameter.shape.count() + alignment - 1) / alignment * alignment;
      if (buckets_.empty() || total - buckets_.back().begin + padded > most)
        buckets_.push_back({.begin = total});
      bucket_of_.push_back(buckets_.size() - 1);
      begins_.push_back(total);
      total += padded;
      buckets_.back().end = total;
      ++buckets_.back().members;
    }
    memory_ = context.template make<float>({total});
    // What stands between the gradients is added up with them.
    fill<float>(context, memory_.view(), 0.0f);
    for (std::size_t i = 0; i < parameters.size(); ++i)
      gradients_.emplace_back(memory_.data() + begins_[i], parameters[i].shape, parameters[i].layout);
    reset();
  }
  GradientBuckets(const GradientBuckets&) = delete;
  GradientBuckets& operator=(const GradientBuckets&) = delete;
  /// Waits for the sums under way, which write to this memory.
  ~GradientBuckets() { finish_quietly(); }

  /// Number of parameters.
  [[nodiscard]] std::size_t size() const noexcept { return gradients_.size(); }
  [[nodiscard]] std::size_t bucket_count() const noexcept { return buckets_.size(); }
  /// Which bucket a parameter is in. Throws ArgumentError when there is no such parameter.
  [[nodiscard]] std::size_t bucket_of(std::size_t parameter) const {
    check(parameter);
    return bucket_of_[parameter];
  }
  /// Parameter i's gradient: until ready(i) this rank's, after wait() all ranks' sum. Throws ArgumentError
  /// when there is no such parameter.
  [[nodiscard]] TensorView<float, D> gradient(std::size_t parameter) const {
    check(parameter);
    return gradients_[parameter];
  }
  /// All of them, in the order given.
  [[nodiscard]] std::span<const TensorView<float, D>> gradients() const noexcept { return gradients_; }

  /// Says that this rank's gradient has been written (Cuda: put on the context's stream) and will not be
  /// touched until wait(). Throws ArgumentError when there is no such parameter or it was ready already,
  /// CommunicationError.
  void ready(std::size_t parameter) {
    check(parameter);
    require<ArgumentError>(!ready_[parameter], "gradient ", parameter,
                           " is ready for the second time in a step");
    ready_[parameter] = true;
    ++ready_count_;
    --buckets_[bucket_of_[parameter]].missing;
    while (next_ < buckets_.size() && buckets_[next_].missing == 0) {
      if (communicator_->size() > 1) {
        const Bucket& bucket = buckets_[next_];
        under_way_.push_back(
            communicator_->begin_sum(context_, memory_.data() + bucket.begin, bucket.end - bucket.begin));
      }
      ++next_;
    }
  }

  /// Waits for all sums of this step and makes everything ready for the next one (Cuda: only the context's
  /// stream waits). Throws ArgumentError when a gradient was not ready, CommunicationError.
  void wait() {
    if (ready_count_ != size()) {
      const auto missing = std::find(ready_.begin(), ready_.end(), false) - ready_.begin();
      raise<ArgumentError>("wait: all ", size(), " gradients are wanted, met ", ready_count_, "; gradient ",
                           missing, " is not ready");
    }
    while (waited_ < under_way_.size()) communicator_->wait(context_, under_way_[waited_++]);
    reset();
  }

  /// Gives up a step that an exception ended: waits for the sums under way, whatever they bring, and forgets
  /// what was ready. With several ranks all must do so at the same place.
  void abandon() noexcept {
    finish_quietly();
    reset();
  }

 private:
  static constexpr Index alignment = 16;  ///< floats: 64 bytes

  struct Bucket {
    Index begin = 0, end = 0;  ///< floats of the memory
    std::size_t members = 0;   ///< parameters
    std::size_t missing = 0;   ///< of them, not ready
  };

  void check(std::size_t parameter) const {
    require<ArgumentError>(parameter < size(), "there are ", size(), " gradients, met number ", parameter);
  }
  void reset() noexcept {
    std::fill(ready_.begin(), ready_.end(), false);
    for (Bucket& bucket : buckets_) bucket.missing = bucket.members;
    under_way_.clear();
    ready_count_ = next_ = waited_ = 0;
  }
  void finish_quietly() noexcept {
    while (waited_ < under_way_.size()) {
      try {
        communicator_->wait(context_, under_way_[waited_++]);
      } catch (...) {  // whoever ends the run says why
      }
    }
  }

  Context<D> context_;
  Communicator<D>* communicator_;
  Tensor<float, D> memory_;
  std::vector<TensorView<float, D>> gradients_;
  std::vector<Index> begins_;
  std::vector<std::size_t> bucket_of_;
  std::vector<Bucket> buckets_;
  std::vector<bool> ready_;
  std::vector<typename Communicator<D>::Ticket> under_way_;
  std::size_t ready_count_ = 0;
  std::size_t next_ = 0;    ///< the first bucket whose sum has not begun
  std::size_t waited_ = 0;  ///< sums of this step that are done
};

}  // namespace deconv::dist
