#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "deconv/core/context.hpp"
#include "deconv/core/tensor.hpp"
#include "deconv/ops/rules.hpp"
#include "deconv/ops/switches.hpp"
#include "deconv/ops/weight_step.hpp"
#include "deconv/ops/window2d.hpp"

namespace deconv {

/// A tensor that a layer learned, and its name inside the layer ("weight", "bias", ...).
template <class T, Device D>
struct Parameter {
  std::string name;
  Tensor<T, D>* value = nullptr;
  bool trained = true;  ///< has a gradient; false for statistics that stand fixed
};

/// The step of training that a forward pass belongs to: what dropout draws its masks from. A mask is a pure
/// function of seed, step, the layer's name and an element's place in the whole batch, so that it depends
/// neither on threads nor on how a batch is divided among processes.
struct TrainingPass {
  std::uint64_t seed = 0;
  std::uint64_t step = 0;
  Index first_image = 0;  ///< images of the whole batch that stand before this pass' own
};

/// What one layer reads and writes in a forward pass. Destinations are allocated with the layer's output
/// shapes.
template <class T, Device D>
struct ForwardPass {
  const Context<D>& context;
  std::span<const TensorView<const T, D>> src;
  std::span<const TensorView<T, D>> dst;
  TensorView<const std::int64_t, D> src_indices;  ///< the input that holds indices, where there is one
  Tensor<std::int64_t, D>* dst_indices =
      nullptr;                             ///< where the indices of a second output go, if there is one
  SwitchesView<std::byte, D> switches;     ///< empty when they need not be recorded
  std::optional<float> negative_slope;     ///< apply this rectifier too (LayerTraits::fuses_rectifier)
  const TrainingPass* training = nullptr;  ///< null in inference
};

/// What one layer reads and writes in a reverse pass. Views that the layer did not ask for (reverse_reads)
/// are empty, as is the diff_src of an input that needs none. Every element of the other diff_src is to be
/// written, and of diff_parameters where there are any.
template <class T, Device D>
struct ReversePass {
  const Context<D>& context;
  const ReverseOptions& options;
  std::span<const TensorView<const T, D>> src;
  TensorView<const T, D> dst;
  TensorView<const std::int64_t, D> src_indices;
  SwitchesView<const std::byte, D> switches;
  TensorView<const T, D> diff_dst;
  std::span<const TensorView<T, D>> diff_src;
  /// When tensors are windows of larger planes: the padding that places the diff_dst window over the diff_src
  /// window. May be negative.
  std::optional<Padding> placed;
  /// Where the gradients of the parameters go, summed over the images: none, or one view for each of
  /// parameters(), of its shape and layout, empty for those that are not trained.
  std::span<const TensorView<T, D>> diff_parameters = {};
  const TrainingPass* training = nullptr;  ///< that of the forward pass
  /// The first parameter is to take this step, once the pass has read it; its gradient is not written then.
  /// Null where the layer does not say that it takes_step().
  const WeightStep<T, D>* step = nullptr;

  /// A layer's window with its padding replaced where windows of planes are passed.
  [[nodiscard]] Window2d window(Window2d own) const {
    if (placed) own.padding = *placed;
    return own;
  }
};

/// The way down through a max-pooling, and through a rectifier below it by the deconvnet's rule, which the
/// layer under both may go together with its own.
struct Unpooling {
  Window2d window;  ///< the pooling's, its padding placing windows of planes where such are passed
  Shape plane;      ///< what is unpooled
  std::optional<float> negative_slope;  ///< absent: there is no rectifier
};

/// How far an output position reaches over input positions.
enum class Reach : std::uint8_t {
  pointwise,  ///< the same position of each input
  window,     ///< LayerTraits::window
  whole       ///< any position
};

/// What the network may rely on when it runs a layer.
struct LayerTraits {
  bool accepts_nhwc = false;     ///< else tensors are converted to nchw for it
  bool fuses_rectifier = false;  ///< forward can apply a rectifier to its output
  bool passes_through =
      false;  ///< the output is the first input, perhaps under another shape: nothing is computed
  Reach reach = Reach::whole;
  Window2d window;
};

/// Which tensors of the forward pass a reverse pass reads.
struct ReverseReads {
  bool src = false, dst = false, switches = false;
};

/// One operation with its parameters. A layer is a value: running it changes nothing in it, so that many
/// threads may share it. Write your own by deriving from this; see Network::Network.
template <class T, Device D>
class Layer {
 public:
  virtual ~Layer() = default;

  [[nodiscard]] virtual LayerTraits traits() const { return {}; }
  /// Whether a layer that passes its input through in inference computes something in training (dropout).
  [[nodiscard]] virtual bool computes_in_training() const { return false; }
  virtual void forward(const ForwardPass<T, D>& pass) const = 0;
  /// As forward (with the rectifier that `pass` names), and max-pools the result by `window` at once where
  /// that takes less time; the pass' destinations and switches are the pooling's. False, and nothing done,
  /// where it does not: then the network runs both layers.
  [[nodiscard]] virtual bool forward_pooled(const ForwardPass<T, D>& /*pass*/,
                                            const Window2d& /*window*/) const {
    return false;
  }
  virtual void reverse(const ReversePass<T, D>& pass) const = 0;
  /// Whether the layer takes an unpooling before its own way down in less time than all of them one by one.
  /// The pass' diff_dst and switches are the pooling's; only shapes are looked at, and views may be empty.
  [[nodiscard]] virtual bool takes_unpooling(const ReversePass<T, D>& /*pass*/,
                                             const Unpooling& /*unpooling*/) const {
    return false;
  }
  /// As reverse, after unpooling and rectifying; called where takes_unpooling, and without diff_parameters.
  virtual void reverse_unpooled(const ReversePass<T, D>& /*pass*/, const Unpooling& /*unpooling*/) const {
    raise<ArgumentError>("this layer takes no unpooling");
  }
  [[nodiscard]] virtual ReverseReads reverse_reads(const ReverseOptions&) const {
    return {true, true, false};
  }
  /// Whether reverse() takes a step with its first parameter where it is given one.
  [[nodiscard]] virtual bool takes_step() const { return false; }
  /// Whether under these options a signal passes down unchanged.
  [[nodiscard]] virtual bool reverse_passes_through(const ReverseOptions&) const {
    return traits().passes_through;
  }
  /// Taps of a pooling window, for layers that record switches.
  [[nodiscard]] virtual std::optional<Index> switch_taps(const Shape& /*src*/) const { return std::nullopt; }
  /// The parameters, to be read or changed. After a change call `parameters_changed`.
  [[nodiscard]] virtual std::vector<Parameter<T, D>> parameters() { return {}; }
  /// Drops what was derived from the parameters (repacked weights).
  virtual void parameters_changed() {}
};

}  // namespace deconv
