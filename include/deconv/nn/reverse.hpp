#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "deconv/nn/network.hpp"
#include "deconv/nn/pooling_chain.hpp"
#include "deconv/nn/reverse_regions.hpp"
#include "deconv/ops/add.hpp"
#include "deconv/ops/relu.hpp"
#include "deconv/ops/window_copy.hpp"

namespace deconv {

/// Where one row of a reverse pass comes from: an image of a trace and, for windowed passes, the position of
/// the unit in the seed tensor's planes.
template <class T, Device D>
struct ReverseRow {
  const Trace<T, D>* trace = nullptr;
  Index image = 0;
  Index y = 0, x = 0;
};

namespace detail {

/// One reverse pass in progress: every wanted tensor's signal, from the seed down. Each row (unit or image)
/// has its own signal; the forward values and switches that layers ask for are cut from the row's trace.
template <class T, Device D>
class ReverseRun {
 public:
  ReverseRun(const Network<T, D>& network, const Context<D>& context, const ReverseOptions& options,
             std::span<const ReverseRow<T, D>> rows, const std::vector<ReverseRegion>& regions)
      : network_(network),
        topology_(network.topology()),
        context_(context),
        options_(options),
        rows_(rows),
        regions_(regions),
        signals_(topology_.tensor_count()) {
    // Rows that are a trace's images in order need no copies of its tensors.
    straight_ = rows.front().trace->images() == static_cast<Index>(rows.size());
    for (std::size_t u = 0; u < rows.size(); ++u)
      straight_ = straight_ && rows[u].trace == rows.front().trace && rows[u].image == static_cast<Index>(u);
  }

  /// Sets the seed's signal: one row each, of the region's extents.
  void seed(std::size_t tensor, Tensor<T, D> signal) { signals_[tensor] = std::move(signal); }

  void run() {
    const auto& steps = topology_.steps();
    for (std::size_t i = steps.size(); i-- > 0;) {
      const std::size_t output = steps[i].outputs[0];
      if (signals_[output].empty()) continue;
      bool any = false;
      for (const std::size_t input : steps[i].inputs) any = any || regions_[input].wanted;
      if (!any && !has_gradients(i)) continue;
      step(i);
      if (has_gradients(i) && arrived_) arrived_(i);
    }
  }

  /// Gradients of the parameters are wanted: for each node none, or a view for each of its parameters, which
  /// must outlive the run. `arrived` is called after a node's are written. `steps` is empty or has for each
  /// node none or what its first parameter takes in place of a gradient.
  void to_parameters(std::span<const std::vector<TensorView<T, D>>> gradients,
                     std::function<void(std::size_t node)> arrived,
                     std::span<const std::optional<WeightStep<T, D>>> steps = {}) {
    gradients_ = gradients;
    steps_ = steps;
    arrived_ = std::move(arrived);
    require<ArgumentError>(straight_, "gradients of parameters want the rows of one trace in order");
  }

  /// Takes the signal that arrived at a tensor; empty when none did. Of the region's extents, in the working
  /// layout.
  [[nodiscard]] Tensor<T, D> take(std::size_t tensor) { return std::move(signals_[tensor]); }
  /// Signals of these tensors are kept for take() though a layer below them reads them.
  void keep(std::size_t tensor) { kept_.push_back(tensor); }

  /// Shape of a tensor's signal.
  [[nodiscard]] Shape signal_shape(std::size_t tensor) const { return extents(tensor, regions_[tensor]); }

 private:
  [[nodiscard]] bool has_gradients(std::size_t node) const {
    return !gradients_.empty() && !gradients_[node].empty();
  }
  /// That of the trace; only its rows in order can be trained on.
  [[nodiscard]] const TrainingPass* training() const {
    return straight_ ? rows_.front().trace->training() : nullptr;
  }

  /// Shape of a row each of a tensor, cut to `region`.
  [[nodiscard]] Shape extents(std::size_t tensor, const ReverseRegion& region) const {
    Shape shape = rows_.front().trace->shape(tensor).with(0, static_cast<Index>(rows_.size()));
    if (!region.whole) shape = shape.with(2, region.height).with(3, region.width);
    return shape;
  }

  [[nodiscard]] Tensor<T, D> make(std::size_t tensor) const {
    const Shape shape = signal_shape(tensor);
    return context_.template make<T>(shape, working_layout<D>(shape));
  }

  [[nodiscard]] std::vector<Index> tops(std::size_t tensor) const {
    std::vector<Index> all;
    for (const auto& row : rows_) all.push_back(regions_[tensor].whole ? 0 : regions_[tensor].top(row.y));
    return all;
  }
  [[nodiscard]] std::vector<Index> lefts(std::size_t tensor) const {
    std::vector<Index> all;
    for (const auto& row : rows_) all.push_back(regions_[tensor].whole ? 0 : regions_[tensor].left(row.x));
    return all;
  }

  /// The forward values of a tensor, a row each, cut to `region`.
  TensorView<const T, D> forward_values(std::size_t tensor, const ReverseRegion& region,
                                        std::vector<Tensor<T, D>>& keep_alive) const {
    const auto value = [&](const ReverseRow<T, D>& row) {
      const auto& slot = row.trace->slot(tensor);
      require<ArgumentError>(!slot.view.empty(), "tensor ", quoted(topology_.name(tensor)),
                             " was not kept by the forward pass; a reverse pass under these rules reads it");
      return TensorView<const T, D>(slot.view);
    };
    if (straight_ && region.whole) return value(rows_.front());
    const Shape shape = extents(tensor, region);
    keep_alive.push_back(context_.template make<T>(shape, working_layout<D>(shape)));
    Tensor<T, D>& cut = keep_alive.back();
    gather_windows<T, D>(
        context_,
        places<TensorView<const T, D>>(region, [&](const auto& row) { return planes_of(value(row)); }),
        planes_of(cut.view()));
    return cut.view();
  }

  /// A tensor of rank 4, or a row-major one of another rank as one row of pixels an image.
  template <class U>
  [[nodiscard]] static TensorView<U, D> planes_of(TensorView<U, D> view) {
    if (view.rank() == 4) return view;
    return view.reshaped({view[0], 1, 1, view[0] == 0 ? 0 : view.count() / view[0]});
  }

  /// Where each row's window of `region` is cut, from the planes that are the row's.
  template <class View, class PlanesOf>
  [[nodiscard]] std::vector<WindowPlace<View>> places(const ReverseRegion& region,
                                                      const PlanesOf& planes_of_row) const {
    std::vector<WindowPlace<View>> all;
    for (const auto& row : rows_)
      all.push_back({planes_of_row(row), row.image, region.whole ? 0 : region.top(row.y),
                     region.whole ? 0 : region.left(row.x)});
    return all;
  }

  SwitchesView<const std::byte, D> forward_switches(std::size_t node, const ReverseRegion& region,
                                                    Switches<D>& keep_alive) const {
    const auto value = [&](const ReverseRow<T, D>& row) {
      const Switches<D>& switches = row.trace->switches_of(node);
      require<ArgumentError>(!switches.empty(), "switches of layer ",
                             quoted(topology_.graph().nodes[node].name),
                             " were not kept by the forward pass");
      return switches.view();
    };
    if (straight_ && region.whole) return value(rows_.front());
    const auto first = value(rows_.front());
    Shape shape = first.shape().with(0, static_cast<Index>(rows_.size()));
    if (!region.whole) shape = shape.with(2, region.height).with(3, region.width);
    const Index taps = first.width() == 1 ? 256 : first.width() == 2 ? 65536 : Index{1} << 32;
    keep_alive = Switches<D>::make(shape, first.layout(), taps, context_.workspace());
    gather_windows(context_, places<SwitchesView<const std::byte, D>>(region, value), keep_alive.view());
    return keep_alive.view();
  }

  /// A tensor's signal moved into another region of it: cut where that is smaller, zeros where it is larger.
  [[nodiscard]] Tensor<T, D> moved(const Tensor<T, D>& signal, const ReverseRegion& from,
                                   const ReverseRegion& to, const Shape& plane) const {
    Shape shape = signal.shape();
    shape = to.whole ? shape.with(2, plane[2]).with(3, plane[3]) : shape.with(2, to.height).with(3, to.width);
    auto result = context_.template make<T>(shape, signal.layout());
    std::vector<WindowPlace<TensorView<const T, D>>> windows;
    for (const auto& row : rows_) {
      const Index top = (to.whole ? 0 : to.top(row.y)) - (from.whole ? 0 : from.top(row.y));
      const Index left = (to.whole ? 0 : to.left(row.x)) - (from.whole ? 0 : from.left(row.x));
      windows.push_back({signal.view(), static_cast<Index>(windows.size()), top, left});
    }
    gather_windows<T, D>(context_, windows, result.view());
    return result;
  }

  void clear_outside(std::size_t tensor, Tensor<T, D>& signal) const {
    if (regions_[tensor].whole) return;
    const Shape& plane = rows_.front().trace->shape(tensor);
    zero_outside<T>(context_, signal.view(), tops(tensor), lefts(tensor), plane[2], plane[3]);
  }

  /// Adds a layer's contribution to its input's signal.
  void arrive(std::size_t tensor, Tensor<T, D> contribution) {
    if (signals_[tensor].empty())
      signals_[tensor] = std::move(contribution);
    else
      accumulate<T>(context_, contribution.view(), signals_[tensor].view());
  }

  void step(std::size_t i) {
    const auto& step = topology_.steps()[i];
    const Layer<T, D>& layer = network_.layer(i);
    const std::size_t output = step.outputs[0];
    const ReverseRegion& above = regions_[output];
    const bool reads_again = std::find(kept_.begin(), kept_.end(), output) != kept_.end();
    Tensor<T, D> signal = reads_again ? copy_of(signals_[output]) : std::move(signals_[output]);
    const Shape& plane = rows_.front().trace->shape(output);

    const bool drops = rows_.front().trace->training() != nullptr && layer.computes_in_training();
    require<ArgumentError>(!drops || (straight_ && above.whole), "layer ",
                           quoted(topology_.graph().nodes[i].name),
                           ": a reverse pass through a training pass wants the rows of one trace in order, "
                           "and whole planes");
    if (!drops && layer.reverse_passes_through(options_)) {
      const std::size_t input = step.inputs[0];
      if (!regions_[input].wanted) return;
      if (rows_.front().trace->shape(input) == plane)
        arrive(input, above.same_as(regions_[input]) ? std::move(signal)
                                                     : moved(signal, above, regions_[input], plane));
      else
        arrive(input, reshaped(std::move(signal), input));
      return;
    }

    const LayerTraits traits = layer.traits();
    // A layer that mixes positions works on whole planes, a pointwise one on equal windows.
    ReverseRegion working = above;
    const ReverseRegion& below = regions_[first_wanted(step)];
    if (!above.whole && (traits.reach == Reach::whole || (traits.reach == Reach::window && below.whole)))
      working = {true, true, {}, 0, 0};
    if (!working.whole && overwrites(layer, options_, rows_.front().trace->shape(step.inputs[0])))
      working = with_later_windows(working, traits.window);
    if (!working.same_as(above)) signal = moved(signal, above, working, plane);
    if constexpr (std::same_as<D, Cuda>)
      if (run_unpooled(i, working, signal)) return;
    run_layer(i, layer, traits, working, std::move(signal));
  }

  /// The padding that places a layer's windows of `above` over its input's region, where that is a window.
  [[nodiscard]] static std::optional<Padding> placed(const Window2d& window, const ReverseRegion& above,
                                                     const ReverseRegion& below) {
    if (below.whole) return {};
    const auto &over = above.footprint, &under = below.footprint;
    return Padding{window.padding.top + under.y.low - window.stride_y * over.y.low,
                   window.padding.left + under.x.low - window.stride_x * over.x.low, 0, 0};
  }

  /// Whether a tensor's signal comes from its one reader alone, goes to its maker alone, and is not asked
  /// for.
  [[nodiscard]] bool passes_by(std::size_t tensor) const {
    return topology_.consumers(tensor).size() == 1 && topology_.producer(tensor) != Topology::no_producer &&
           signals_[tensor].empty() && regions_[tensor].wanted &&
           std::find(kept_.begin(), kept_.end(), tensor) == kept_.end();
  }

  /// Takes a max-pooling's signal down through it, the rectifier below it (by the deconvnet's rule) and the
  /// layer below that at once, if nothing else reads or asks for what lies between and that layer takes it.
  [[nodiscard]] bool run_unpooled(std::size_t i, const ReverseRegion& working, const Tensor<T, D>& signal) {
    const auto chain = pooling_chain(network_, options_, regions_, i,
                                     [this](std::size_t tensor) { return passes_by(tensor); });
    if (!chain || has_gradients(chain->layer)) return false;
    const Layer<T, D>& layer = network_.layer(chain->layer);
    const std::size_t values = topology_.steps()[i].inputs[0];
    const std::size_t input = topology_.steps()[chain->layer].inputs[0];

    ReversePass<T, D> pass{context_, options_, {}, {}, {}, {}, {}, {}, {}, {}, nullptr};
    pass.diff_dst = signal.view();
    pass.placed = placed(layer.traits().window, regions_[values], regions_[input]);
    const Shape shape = signal_shape(input);
    TensorView<T, D> diff_src(nullptr, shape, working_layout<D>(shape));
    pass.diff_src = std::span(&diff_src, 1);
    Unpooling unpooling{chain->window, signal_shape(values), chain->negative_slope};
    if (const auto padding = placed(chain->window, working, regions_[values]))
      unpooling.window.padding = *padding;
    if (!layer.takes_unpooling(pass, unpooling)) return false;

    Tensor<T, D> result = make(input);
    diff_src = result;
    Switches<D> cut_switches;
    pass.switches = forward_switches(i, working, cut_switches);
    layer.reverse_unpooled(pass, unpooling);
    clear_outside(input, result);
    arrive(input, std::move(result));
    return true;
  }

  void run_layer(std::size_t i, const Layer<T, D>& layer, const LayerTraits& traits,
                 const ReverseRegion& working, Tensor<T, D> signal) {
    const auto& step = topology_.steps()[i];
    const ReverseReads reads = layer.reverse_reads(options_);
    std::vector<Tensor<T, D>> keep_alive;
    Switches<D> cut_switches;
    ReversePass<T, D> pass{context_, options_, {}, {}, {}, {}, {}, {}, {}, {}, nullptr};
    std::vector<TensorView<const T, D>> src;
    std::vector<Tensor<T, D>> results;
    std::vector<TensorView<T, D>> diff_src;
    keep_alive.reserve(step.inputs.size() * 3 + 4);
    results.reserve(step.inputs.size());
    const auto plain = [&](TensorView<const T, D> view) {
      if (traits.accepts_nhwc || view.layout() == Layout::nchw) return view;
      keep_alive.push_back(context_.template make<T>(view.shape()));
      copy_layout<T>(context_, view, keep_alive.back().view());
      return TensorView<const T, D>(keep_alive.back());
    };
    for (const std::size_t input : step.inputs) {
      if (const auto& indices = rows_.front().trace->slot(input).indices) {
        require<ArgumentError>(
            straight_, "layer ", quoted(topology_.graph().nodes[i].name),
            ": a reverse pass through stored indices wants the rows of one trace in order");
        pass.src_indices = indices->view();
        src.emplace_back();
        results.emplace_back();
        diff_src.emplace_back();
        continue;
      }
      const ReverseRegion& region = traits.reach == Reach::pointwise ? working : regions_[input];
      src.push_back(reads.src ? plain(forward_values(input, region, keep_alive)) : TensorView<const T, D>());
      if (!regions_[input].wanted) {
        results.emplace_back();
        // Only the extents count: joins find their parts by them.
        diff_src.emplace_back(static_cast<T*>(nullptr),
                              rows_.front().trace->shape(input).with(0, static_cast<Index>(rows_.size())));
        continue;
      }
      const Shape shape = extents(input, region);
      results.push_back(
          context_.template make<T>(shape, traits.accepts_nhwc ? working_layout<D>(shape) : Layout::nchw));
      diff_src.push_back(results.back());
    }
    if (reads.dst) pass.dst = plain(forward_values(step.outputs[0], working, keep_alive));
    if (reads.switches) pass.switches = forward_switches(i, working, cut_switches);
    pass.src = src;
    pass.diff_dst = plain(signal.view());
    pass.diff_src = diff_src;
    if (traits.reach == Reach::window)
      pass.placed = placed(traits.window, working, regions_[first_wanted(step)]);
    if (has_gradients(i)) pass.diff_parameters = gradients_[i];
    if (!steps_.empty() && steps_[i]) pass.step = &*steps_[i];
    pass.training = training();
    layer.reverse(pass);
    for (std::size_t k = 0; k < step.inputs.size(); ++k) {
      if (results[k].empty()) continue;
      const std::size_t input = step.inputs[k];
      if (results[k].layout() != working_layout<D>(results[k].shape())) {
        auto converted = context_.template make<T>(results[k].shape(), working_layout<D>(results[k].shape()));
        copy_layout<T>(context_, results[k].view(), converted.view());
        results[k] = std::move(converted);
      }
      if (traits.reach == Reach::pointwise && !working.same_as(regions_[input]))
        results[k] = moved(results[k], working, regions_[input], rows_.front().trace->shape(input));
      clear_outside(input, results[k]);
      arrive(input, std::move(results[k]));
    }
  }

  [[nodiscard]] std::size_t first_wanted(const Topology::Step& step) const {
    for (const std::size_t input : step.inputs)
      if (regions_[input].wanted) return input;
    return step.inputs[0];
  }

  [[nodiscard]] Tensor<T, D> copy_of(const Tensor<T, D>& signal) const {
    auto copy = context_.template make<T>(signal.shape(), signal.layout());
    copy_layout<T>(context_, signal.view(), copy.view());
    return copy;
  }

  /// A whole signal under its input's shape, elements in N,C,H,W order.
  [[nodiscard]] Tensor<T, D> reshaped(Tensor<T, D> signal, std::size_t input) const {
    if (!signal.view().row_major()) {
      auto plain = context_.template make<T>(signal.shape());
      copy_layout<T>(context_, signal.view(), plain.view());
      signal = std::move(plain);
    }
    auto result = make(input);
    const TensorView<const T, D> from(signal.data(), signal.shape(), Layout::nchw);
    copy_layout<T>(context_, from.reshaped(result.shape()), result.view());
    return result;
  }

  const Network<T, D>& network_;
  const Topology& topology_;
  const Context<D>& context_;
  const ReverseOptions& options_;
  std::span<const ReverseRow<T, D>> rows_;
  const std::vector<ReverseRegion>& regions_;
  std::vector<Tensor<T, D>> signals_;
  std::vector<std::size_t> kept_;
  std::span<const std::vector<TensorView<T, D>>> gradients_;
  std::span<const std::optional<WeightStep<T, D>>> steps_;
  std::function<void(std::size_t)> arrived_;
  bool straight_ = false;
};

}  // namespace detail

/// Passes a signal at the tensor `from` down to the tensor `to` under the given rules, for every image of the
/// trace: the gradient, the deconvnet or guided backpropagation by choice of `options`. `signal` has the
/// shape of `from` in the trace (either layout); the result has the shape of `to`, layout nchw. Where
/// branches meet signals add. Throws ArgumentError for unknown names, a `to` that `from` does not depend on,
/// or a trace that lacks what the rules read; ShapeError. Cost: at most the forward pass's flops between the
/// two.
template <class T, Device D>
Tensor<T, D> reverse(const Network<T, D>& network, const Context<D>& context, const Trace<T, D>& trace,
                     const std::string& from, std::type_identity_t<TensorView<const T, D>> signal,
                     const std::string& to, const ReverseOptions& options = {}) {
  const Topology& topology = network.topology();
  const std::size_t seed = topology.find(from), target = topology.find(to);
  require<ShapeError>(signal.shape() == trace.shape(seed), "the signal at ", quoted(from), " wants shape ",
                      trace.shape(seed), ", met ", signal.shape());
  std::vector<Shape> shapes;
  for (std::size_t t = 0; t < topology.tensor_count(); ++t) shapes.push_back(trace.shape(t));
  const auto regions = reverse_regions(network, shapes, seed, {target}, options, false);
  require<ArgumentError>(regions[target].wanted, "tensor ", quoted(from), " does not depend on ", quoted(to));
  std::vector<ReverseRow<T, D>> rows;
  for (Index n = 0; n < trace.images(); ++n) rows.push_back({&trace, n, 0, 0});
  detail::ReverseRun<T, D> run(network, context, options, rows, regions);
  auto seeded = context.template make<T>(signal.shape(), detail::working_layout<D>(signal.shape()));
  copy_layout<T>(context, signal, seeded.view());
  run.seed(seed, std::move(seeded));
  run.run();
  const auto result = run.take(target);
  auto plain = context.template make<T>(trace.shape(target));
  copy_layout<T>(context, result.view(), plain.view());
  return plain;
}

#if defined(DECONV_COMPILED) && !defined(DECONV_INSTANCES)
// Compiled once elsewhere, see instances/cpu.cpp.
extern template Tensor<float, Cpu> reverse<float, Cpu>(const Network<float, Cpu>&, const Context<Cpu>&,
                                                       const Trace<float, Cpu>&, const std::string&,
                                                       TensorView<const float, Cpu>, const std::string&,
                                                       const ReverseOptions&);
extern template Tensor<double, Cpu> reverse<double, Cpu>(const Network<double, Cpu>&, const Context<Cpu>&,
                                                         const Trace<double, Cpu>&, const std::string&,
                                                         TensorView<const double, Cpu>, const std::string&,
                                                         const ReverseOptions&);
#endif

}  // namespace deconv
