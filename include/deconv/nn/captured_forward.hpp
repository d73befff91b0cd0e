#pragma once

#include <string>
#include <utility>

#include "deconv/nn/network.hpp"

namespace deconv {

/// A network's forward pass recorded as a CUDA graph: run() puts the whole pass on the stream with one call
/// to the driver instead of one a kernel, which is most of the time of small batches. One shape of input, one
/// set of options; the results have the same bits as Network::forward's. The network must outlive it, and its
/// weights keep their places: `parameters_changed` does not reach a recording. Memory: the pass's activations
/// and scratch, held as long as it lives.
template <class T>
class CapturedForward {
 public:
  /// Runs the pass once to learn what memory it takes, then records it. `shape` is that of the graph's only
  /// input. Waits for the stream. Throws as Network::forward; DeviceError when a layer of the program's own
  /// does what cannot be recorded (waits, takes memory of its own).
  CapturedForward(const Network<T, Cuda>& network, const Context<Cuda>& context, const Shape& shape,
                  const ForwardOptions& options = {})
      : context_(context.with(Workspace<Cuda>::make(context.device()))),
        input_(context_.make<T>(shape)),
        trace_(recorded(network, options)) {}

  /// Where the images go before run(): the shape given, nchw. Fill it by transfer() or any work on the
  /// stream.
  [[nodiscard]] TensorView<T, Cuda> input() noexcept { return input_.view(); }
  /// Puts the pass on the stream and returns its trace, whose tensors the next run writes again.
  const Trace<T, Cuda>& run() {
    graph_.launch(context_.stream());
    return trace_;
  }
  [[nodiscard]] const Trace<T, Cuda>& trace() const noexcept { return trace_; }

 private:
  Trace<T, Cuda> recorded(const Network<T, Cuda>& network, const ForwardOptions& options) {
    const int device = context_.device();
    cuda::set_bytes(device, context_.stream(), input_.data(), 0, input_.view().bytes());
    // Its blocks go back to the workspace, where the recording finds them: memory cannot be taken while
    // recording.
    { const auto first = network.forward(context_, input_.view(), options); }
    context_.synchronise();
    cuda::Graph::begin(device, context_.stream());
    try {
      auto trace = network.forward(context_, input_.view(), options);
      graph_ = cuda::Graph::end(device, context_.stream());
      return trace;
    } catch (...) {
      cuda::Graph::abandon(device, context_.stream());
      throw;
    }
  }

  Context<Cuda> context_;
  Tensor<T, Cuda> input_;
  cuda::Graph graph_;
  Trace<T, Cuda> trace_;
};

}  // namespace deconv
