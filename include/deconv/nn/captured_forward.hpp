#pragma once

#include "deconv/core/recorded_work.hpp"
#include "deconv/nn/network.hpp"

namespace deconv {

/// A network's forward pass recorded as a CUDA graph, see RecordedWork. One shape of input, one set of
/// options; the results have the same bits as Network::forward's. The network must outlive it, and its
/// weights keep their places: `parameters_changed` does not reach a recording. Memory: the pass's activations
/// and scratch, held as long as it lives.
template <class T>
class CapturedForward {
 public:
  /// `shape` is that of the graph's only input. Waits for the stream. Throws as Network::forward; DeviceError
  /// when a layer of the program's own does what cannot be recorded (waits, takes memory of its own).
  CapturedForward(const Network<T, Cuda>& network, const Context<Cuda>& context, const Shape& shape,
                  const ForwardOptions& options = {})
      : input_(detail::zeros<T>(context, shape)), work_(context, [&](const Context<Cuda>& own) {
          return network.forward(own, input_.view(), options);
        }) {}

  /// Where the images go before run(): the shape given, nchw. Fill it by transfer() or any work on the
  /// stream.
  [[nodiscard]] TensorView<T, Cuda> input() noexcept { return input_.view(); }
  /// Puts the pass on the stream and returns its trace, whose tensors the next run writes again.
  const Trace<T, Cuda>& run() { return work_.run(); }
  [[nodiscard]] const Trace<T, Cuda>& trace() const noexcept { return work_.result(); }

 private:
  Tensor<T, Cuda> input_;
  RecordedWork<Trace<T, Cuda>> work_;
};

}  // namespace deconv
