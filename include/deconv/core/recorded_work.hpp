#pragma once

#include <type_traits>
#include <utility>

#include "deconv/core/context.hpp"

namespace deconv {

namespace detail {

/// The input of a recording: values that its first, unrecorded run may read.
template <class T>
[[nodiscard]] Tensor<T, Cuda> zeros(const Context<Cuda>& context, const Shape& shape) {
  auto input = context.make<T>(shape);
  cuda::set_bytes(context.device(), context.stream(), input.data(), 0, input.bytes());
  return input;
}

}  // namespace detail

/// Any work on a GPU recorded as a CUDA graph: run() puts all of it on the stream with one call to the driver
/// instead of one a kernel, which is most of the time of small batches. The work is a function of a context
/// that puts kernels on its stream and returns what they write, tensors or objects that hold tensors; between
/// first and last kernel it may neither wait, nor copy from or to the host, nor look at a value: what depends
/// on values (which unit is the strongest) is decided before, or by a kernel. What it reads must stay where
/// it is as long as the recording lives. The results have the same bits as the unrecorded work's. Memory: the
/// results and all scratch, held as long as it lives.
template <class Result>
class RecordedWork {
 public:
  /// Runs the work once to learn what memory it takes, then records it. `work` gets the given context with a
  /// workspace of the recording's own, the same one in both calls. Waits for the stream. Throws what the work
  /// throws; DeviceError when it does what cannot be recorded (waits, takes memory of its own).
  template <class Work>
  requires std::is_invocable_r_v < Result, const Work&, const Context<Cuda>
  & > RecordedWork(const Context<Cuda>& context, const Work& work)
      : context_(context.with(Workspace<Cuda>::make(context.device()))),
  result_(recorded(work)) {}

  /// Puts the work on the stream and returns its result, which the next run writes again.
  const Result& run() {
    graph_.launch(context_.stream());
    return result_;
  }
  /// What the last run wrote; before the first its tensors hold nothing.
  [[nodiscard]] const Result& result() const noexcept { return result_; }

 private:
  template <class Work>
  Result recorded(const Work& work) {
    const int device = context_.device();
    // Its blocks go back to the workspace, where the recording finds them: memory cannot be taken while
    // recording.
    { [[maybe_unused]] const Result first = work(context_); }
    context_.synchronise();
    cuda::Graph::begin(device, context_.stream());
    try {
      Result result = work(context_);
      graph_ = cuda::Graph::end(device, context_.stream());
      return result;
    } catch (...) {
      cuda::Graph::abandon(device, context_.stream());
      throw;
    }
  }

  Context<Cuda> context_;
  cuda::Graph graph_;
  Result result_;
};

template <class Work>
RecordedWork(const Context<Cuda>&, const Work&)
    -> RecordedWork<std::invoke_result_t<const Work&, const Context<Cuda>&>>;

}  // namespace deconv
