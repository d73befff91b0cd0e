#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "deconv/analysis/top_activations.hpp"
#include "deconv/core/recorded_work.hpp"
#include "deconv/core/upload_queue.hpp"
#include "deconv/nn/network.hpp"

// Forward passes over a data set, batch by batch.
namespace deconv {

/// Images of a data set in order, as the network wants them.
template <class T>
struct ImageBatch {
  TensorView<const T, Cpu> images;  ///< N x C x H x W
  std::vector<std::int64_t> numbers;
};

/// Where features() gets its images from.
template <class T>
struct ImageStream {
  /// The next batch, valid until the next call; null at the end.
  std::function<const ImageBatch<T>*()> next;
  /// One image again, 1 x C x H x W.
  std::function<Tensor<T, Cpu>(std::int64_t number)> again;
};

namespace detail {

/// One batch's forward pass and the maxima in it, until the next one is asked for.
template <class T, Device D>
struct BatchPass {
  const Trace<T, D>* trace = nullptr;
  const std::vector<MapMaxima<T, D>>* maxima = nullptr;
  std::vector<std::int64_t> numbers;
};

/// A forward pass together with what TopActivations looks at.
template <class T, Device D>
struct PassWithMaxima {
  Trace<T, D> trace;
  std::vector<MapMaxima<T, D>> maxima;
};

template <class T, Device D>
PassWithMaxima<T, D> pass_with_maxima(const Network<T, D>& network, const Context<D>& context,
                                      TensorView<const T, D> src, const ForwardOptions& options,
                                      const TopActivations<T, D>& top) {
  auto trace = network.forward(context, src, options);
  auto maxima = top.maxima(context, trace);
  return {std::move(trace), std::move(maxima)};
}

/// The passes over a stream's batches, one after the other.
template <class T, Device D>
class BatchPasses {
 public:
  BatchPasses(const Network<T, D>& network, const Context<D>& context, const ImageStream<T>& stream,
              const TopActivations<T, D>& top, const ForwardOptions& options)
      : network_(network), context_(context), stream_(stream), top_(top), options_(options) {}

  /// Null at the stream's end.
  const BatchPass<T, D>* next() {
    pass_.reset();
    const ImageBatch<T>* batch = stream_.next();
    if (batch == nullptr) return nullptr;
    pass_.emplace(pass_with_maxima<T, D>(network_, context_, batch->images, options_, top_));
    current_ = {&pass_->trace, &pass_->maxima, batch->numbers};
    return &current_;
  }

 private:
  const Network<T, D>& network_;
  const Context<D>& context_;
  const ImageStream<T>& stream_;
  const TopActivations<T, D>& top_;
  const ForwardOptions& options_;
  std::optional<PassWithMaxima<T, D>> pass_;
  BatchPass<T, D> current_;
};

/// On a GPU: while it works on one batch the next is fetched from the stream, that is decoded, and copied.
/// When two batches of one shape come after each other their pass is recorded; others, such as a data set's
/// last, run as they come. The results have the same bits either way.
template <class T>
class BatchPasses<T, Cuda> {
 public:
  BatchPasses(const Network<T, Cuda>& network, const Context<Cuda>& context, const ImageStream<T>& stream,
              const TopActivations<T, Cuda>& top, const ForwardOptions& options)
      : network_(network),
        context_(context),
        stream_(stream),
        top_(top),
        options_(options),
        queue_(context) {}

  /// Null at the stream's end. The pass is on its way when this returns: what reads it waits.
  const BatchPass<T, Cuda>* next() {
    if (!begun_) {
      begun_ = true;
      fetch();
    }
    if (queue_.size() == 0) return nullptr;
    start(queue_.take());
    queue_.finish();
    current_.numbers = std::exchange(fetched_, {});
    fetch();
    return &current_;
  }

 private:
  using Pass = PassWithMaxima<T, Cuda>;

  /// A pass that is put on the stream as a whole, and where its images go before.
  struct Recording {
    Tensor<T, Cuda> input;
    RecordedWork<Pass> work;
  };

  void fetch() {
    const ImageBatch<T>* batch = stream_.next();
    if (batch == nullptr) return;
    queue_.start(batch->images);
    fetched_ = batch->numbers;
  }

  void start(TensorView<const T, Cuda> src) {
    // Scratch and results of the last pass go back first; its readers stand before this one on the stream.
    pass_.reset();
    const bool again = last_shape_ && *last_shape_ == src.shape();
    last_shape_ = src.shape();
    if (again && !(recording_ && recording_->input.shape() == src.shape())) record(src.shape());
    if (recording_ && recording_->input.shape() == src.shape()) {
      cuda::copy_on_device(context_.device(), context_.stream(), recording_->input.data(), src.data(),
                           src.bytes());
      const Pass& pass = recording_->work.run();
      current_.trace = &pass.trace;
      current_.maxima = &pass.maxima;
      return;
    }
    pass_.emplace(pass_with_maxima<T, Cuda>(network_, context_, src, options_, top_));
    current_.trace = &pass_->trace;
    current_.maxima = &pass_->maxima;
  }

  void record(const Shape& shape) {
    recording_.reset();
    // What unrecorded passes keep for reuse would stand beside the recording's memory.
    context_.workspace()->release();
    auto input = zeros<T>(context_, shape);
    const TensorView<const T, Cuda> src = input.view();
    recording_.reset(
        new Recording{std::move(input), RecordedWork<Pass>(context_, [&](const Context<Cuda>& own) {
                        return pass_with_maxima<T, Cuda>(network_, own, src, options_, top_);
                      })});
  }

  const Network<T, Cuda>& network_;
  const Context<Cuda>& context_;
  const ImageStream<T>& stream_;
  const TopActivations<T, Cuda>& top_;
  const ForwardOptions& options_;
  UploadQueue<T> queue_;
  std::vector<std::int64_t> fetched_;
  std::unique_ptr<Recording> recording_;
  std::optional<Pass> pass_;
  std::optional<Shape> last_shape_;
  BatchPass<T, Cuda> current_;
  bool begun_ = false;
};

}  // namespace detail

}  // namespace deconv
