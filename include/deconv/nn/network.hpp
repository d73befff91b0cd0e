#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "deconv/nn/graph.hpp"
#include "deconv/nn/layer.hpp"
#include "deconv/nn/make_layer.hpp"
#include "deconv/nn/topology.hpp"
#include "deconv/nn/trace.hpp"

namespace deconv {

/// Which tensors a forward pass keeps in its trace, and how far it goes.
struct ForwardOptions {
  /// Keep every tensor and all switches. Otherwise: the graph's outputs (or `up_to`), `keep`, and what
  /// `reverse` needs; everything else is freed as soon as it was read, and rectifiers are folded into the
  /// layers before them, on a GPU max-poolings too where that pays.
  bool keep_everything = true;
  std::vector<std::string> keep;
  /// Keep what a reverse pass with these options reads.
  std::optional<ReverseOptions> reverse;
  /// Compute no more than this tensor needs; empty: all outputs of the graph.
  std::string up_to;
  /// A pass of this step of training: dropout drops. Absent: inference.
  std::optional<TrainingPass> training = std::nullopt;

  static ForwardOptions outputs_only() { return {false, {}, {}, {}}; }
  static ForwardOptions only(std::vector<std::string> keep) { return {false, std::move(keep), {}, {}}; }
};

/// The inputs of a forward pass by name; indices are for graphs that take a pooling's indices from outside.
template <class T, Device D>
struct NetworkInputs {
  std::map<std::string, TensorView<const T, D>> values;
  std::map<std::string, TensorView<const std::int64_t, D>> indices;
};

/// A directed acyclic graph of named layers. Running it changes nothing in it: `forward` is const and returns
/// a Trace, and one network serves many threads.
template <class T, Device D>
class Network {
 public:
  /// Builds the layers of `model` and takes its weights (float ones are moved, not copied). Throws
  /// FormatError or ShapeError when the graph or its weights do not fit together.
  /// `custom` are the layers of node::Custom nodes, by the node's name. Throws ArgumentError when one is
  /// missing or fits no such node.
  explicit Network(Model model, std::map<std::string, std::unique_ptr<Layer<T, D>>> custom = {}) requires
      std::same_as<D, Cpu> : Network(Context<Cpu>(1), std::move(model), std::move(custom)) {}
  /// The same on the context's device. Returns when the weights are there, so that contexts with other
  /// streams of the device may use the network too. Throws DeviceError when the GPU has too little memory.
  Network(const Context<D>& context, Model model,
          std::map<std::string, std::unique_ptr<Layer<T, D>>> custom = {});

  Network(Network&&) noexcept = default;
  Network& operator=(Network&&) noexcept = default;

  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  [[nodiscard]] const Graph& graph() const noexcept { return topology_->graph(); }
  [[nodiscard]] const Topology& topology() const noexcept { return *topology_; }
  [[nodiscard]] const std::shared_ptr<const Topology>& shared_topology() const noexcept { return topology_; }
  [[nodiscard]] const Layer<T, D>& layer(std::size_t node) const { return *layers_[node]; }
  [[nodiscard]] Layer<T, D>& layer(std::size_t node) { return *layers_[node]; }

  /// Runs one batch: src N x C x H x W (either layout; other ranks as the graph's first input wants). N is
  /// free; H and W may differ from the graph's own where its layers allow it. Throws ShapeError,
  /// ArgumentError. Cost: the layers'.
  [[nodiscard]] Trace<T, D> forward(const Context<D>& context,
                                    std::type_identity_t<TensorView<const T, D>> src,
                                    const ForwardOptions& options = {}) const {
    require<ArgumentError>(graph().inputs.size() == 1, "the network wants ", graph().inputs.size(),
                           " inputs, met 1");
    return forward(context, NetworkInputs<T, D>{{{graph().inputs[0].name, src}}, {}}, options);
  }
  [[nodiscard]] Trace<T, D> forward(const Context<D>& context, const NetworkInputs<T, D>& inputs,
                                    const ForwardOptions& options = {}) const;

  /// The shapes of all tensors, by number, for inputs of these shapes (in the graph's order).
  [[nodiscard]] std::shared_ptr<const std::vector<Shape>> shapes_for(const std::vector<Shape>& inputs) const;

  /// The parameters by name ("conv1.weight"), to be read or changed; changes need `parameters_changed`.
  [[nodiscard]] std::map<std::string, Tensor<T, D>*> parameters() {
    std::map<std::string, Tensor<T, D>*> all;
    for (std::size_t i = 0; i < layers_.size(); ++i)
      for (const auto& parameter : layers_[i]->parameters())
        all.emplace(graph().nodes[i].name + "." + parameter.name, parameter.value);
    return all;
  }
  void parameters_changed() {
    for (const auto& layer : layers_) layer->parameters_changed();
  }

 private:
  struct ShapeCache {
    std::mutex mutex;
    std::map<std::vector<std::vector<Index>>, std::shared_ptr<const std::vector<Shape>>> known;
  };

  std::string name_;
  std::shared_ptr<const Topology> topology_;
  std::vector<std::unique_ptr<Layer<T, D>>> layers_;
  std::unique_ptr<ShapeCache> shape_cache_ = std::make_unique<ShapeCache>();
};

namespace detail {

/// Where parameters are put: on a GPU into memory of their own, which goes back when the network does.
template <Device D>
[[nodiscard]] Context<D> parameter_context(const Context<D>& context) {
  if constexpr (std::same_as<D, Cpu>)
    return context;
  else
    return context.with(Workspace<Cuda>::make(context.device(), Workspace<Cuda>::Keep::no));
}

/// The layout that a device computes in.
template <Device D>
[[nodiscard]] Layout working_layout(const Shape& shape) noexcept {
  return shape.rank() == 4 ? Layout::nhwc : Layout::nchw;
}

/// One forward pass in progress: which tensors are needed, kept and still to be read.
template <class T, Device D>
class ForwardRun {
 public:
  ForwardRun(const Network<T, D>& network, const Context<D>& context, const ForwardOptions& options,
             Trace<T, D>& trace)
      : network_(network),
        topology_(network.topology()),
        context_(context),
        options_(options),
        trace_(trace) {
    choose_steps();
    choose_kept();
  }

  void run() {
    for (std::size_t i = 0; i < topology_.steps().size(); ++i)
      if (wanted_[i]) {
        if (!skip_[i]) step(i);
        for (const std::size_t input : topology_.steps()[i].inputs) release(input);
        for (const std::size_t output : topology_.steps()[i].outputs)
          if (reads_left_[output] == 0 && !kept_[output]) trace_.slot(output) = {};
      }
  }

 private:
  void choose_steps() {
    const auto& steps = topology_.steps();
    std::vector<bool> needed(topology_.tensor_count());
    const auto want = [&](const std::string& name) { needed[topology_.find(name)] = true; };
    kept_.assign(topology_.tensor_count(), options_.keep_everything);
    if (options_.up_to.empty()) {
      for (const std::string& output : topology_.graph().outputs) {
        want(output);
        kept_[topology_.find(output)] = true;
      }
    } else {
      want(options_.up_to);
      kept_[topology_.find(options_.up_to)] = true;
    }
    for (const std::string& name : options_.keep) {
      want(name);
      kept_[topology_.find(name)] = true;
    }
    wanted_.assign(steps.size(), false);
    skip_.assign(steps.size(), false);
    rectifier_.assign(steps.size(), {});
    pooling_.assign(steps.size(), {});
    reads_left_.assign(topology_.tensor_count(), 0);
    for (std::size_t i = steps.size(); i-- > 0;) {
      for (const std::size_t output : steps[i].outputs) wanted_[i] = wanted_[i] || needed[output];
      if (!wanted_[i]) continue;
      for (const std::size_t input : steps[i].inputs) {
        needed[input] = true;
        ++reads_left_[input];
      }
    }
  }

  void choose_kept() {
    const auto& steps = topology_.steps();
    record_.assign(steps.size(), options_.keep_everything);
    if (options_.keep_everything) return;
    if (options_.reverse)
      for (std::size_t i = 0; i < steps.size(); ++i) {
        const ReverseReads reads = network_.layer(i).reverse_reads(*options_.reverse);
        record_[i] = reads.switches;
        if (!wanted_[i]) continue;
        if (reads.src)
          for (const std::size_t input : steps[i].inputs) kept_[input] = true;
        if (reads.dst) kept_[steps[i].outputs[0]] = true;
      }
    // A rectifier that alone reads a layer's output is applied by the layer itself.
    for (std::size_t i = 0; i < steps.size(); ++i) {
      const std::size_t output = steps[i].outputs[0];
      if (!wanted_[i] || kept_[output] || topology_.consumers(output).size() != 1 ||
          !network_.layer(i).traits().fuses_rectifier)
        continue;
      const std::size_t next = topology_.consumers(output)[0];
      const auto* relu = std::get_if<node::Relu>(&topology_.graph().nodes[next].params);
      if (relu == nullptr || !wanted_[next]) continue;
      rectifier_[i] = relu->negative_slope;
      skip_[next] = true;
    }
    if constexpr (std::same_as<D, Cuda>) choose_pooled();
  }

  /// The tensor that a step writes: what its rectifier makes of its output, where it has one.
  [[nodiscard]] std::size_t written(std::size_t i) const {
    const std::size_t output = topology_.steps()[i].outputs[0];
    return rectifier_[i] ? topology_.steps()[topology_.consumers(output)[0]].outputs[0] : output;
  }

  /// A max-pooling that alone reads what a step writes may run with it.
  void choose_pooled() {
    for (std::size_t i = 0; i < wanted_.size(); ++i) {
      if (!wanted_[i] || skip_[i] || !network_.layer(i).traits().accepts_nhwc) continue;
      const std::size_t values = written(i);
      if (kept_[values] || topology_.consumers(values).size() != 1) continue;
      const std::size_t next = topology_.consumers(values)[0];
      if (wanted_[next] && topology_.steps()[next].outputs.size() == 1 &&
          std::holds_alternative<node::MaxPool2d>(topology_.graph().nodes[next].params))
        pooling_[i] = next;
    }
  }

  void release(std::size_t tensor) {
    if (--reads_left_[tensor] == 0 && !kept_[tensor]) trace_.slot(tensor) = {};
  }

  using Slot = typename Trace<T, D>::Slot;

  [[nodiscard]] Slot allocate(std::size_t tensor) const {
    const Shape& shape = trace_.shape(tensor);
    Slot slot;
    slot.storage = std::make_shared<Tensor<T, D>>(context_.template make<T>(shape, working_layout<D>(shape)));
    slot.view = slot.storage->view();
    return slot;
  }

  /// The source under the shape of `tensor`, in the working layout: the same memory where its order allows
  /// it.
  [[nodiscard]] Slot pass_through(const Slot& src, std::size_t tensor) const {
    const Shape& shape = trace_.shape(tensor);
    if (src.view.shape() == shape) return src;
    Slot result = src;
    if (!src.view.row_major()) {
      result.storage = std::make_shared<Tensor<T, D>>(context_.template make<T>(src.view.shape()));
      copy_layout<T>(context_, src.view, result.storage->view());
      result.view = result.storage->view();
    }
    result.view = TensorView<T, D>(result.view.data(), result.view.shape(), Layout::nchw).reshaped(shape);
    if (shape.rank() != 4) return result;
    if (result.view.row_major() && TensorView<T, D>(result.view.data(), shape, Layout::nhwc).row_major()) {
      result.view = {result.view.data(), shape, Layout::nhwc};
      return result;
    }
    Slot converted = allocate(tensor);
    copy_layout<T>(context_, result.view, converted.view);
    return converted;
  }

  void step(std::size_t i) {
    const auto& step = topology_.steps()[i];
    const Layer<T, D>& layer = network_.layer(i);
    const LayerTraits traits = layer.traits();
    const std::size_t output = written(i);
    try {
      const Slot& first = trace_.slot(step.inputs[0]);
      if (traits.passes_through && !(options_.training && layer.computes_in_training())) {
        trace_.slot(output) = pass_through(first, output);
        return;
      }
      if (pooling_[i] && run_pooled(i, *pooling_[i])) {
        skip_[*pooling_[i]] = true;
        return;
      }
      // A rectifier whose input nobody reads again works in place.
      const bool in_place = std::holds_alternative<node::Relu>(topology_.graph().nodes[i].params) &&
                            first.storage.use_count() == 1 && !kept_[step.inputs[0]] &&
                            reads_left_[step.inputs[0]] == 1;
      trace_.slot(output) = in_place ? first : allocate(output);
      run_layer(i, layer, traits, trace_.slot(output).view);
    } catch (const ShapeError& error) {
      throw ShapeError(message("layer ", quoted(topology_.graph().nodes[i].name), ": ", error.what()));
    }
  }

  /// Switches for a step that reads tensors of this shape and writes `dst`, if they are wanted.
  [[nodiscard]] Switches<D> make_switches(std::size_t i, const Shape& src, TensorView<T, D> dst) const {
    if (record_[i])
      if (const auto taps = network_.layer(i).switch_taps(src))
        return Switches<D>::make(dst.shape(), dst.layout(), *taps, context_.workspace());
    return {};
  }

  /// A step and the max-pooling that alone reads it, if its layer takes both at once.
  [[nodiscard]] bool run_pooled(std::size_t i, std::size_t pooling) {
    const auto& inputs = topology_.steps()[i].inputs;
    const auto& window = std::get<node::MaxPool2d>(topology_.graph().nodes[pooling].params).params.window;
    if (inputs.size() != 1 || trace_.slot(inputs[0]).indices) return false;
    const std::size_t output = topology_.steps()[pooling].outputs[0];
    const TensorView<const T, D> src = trace_.slot(inputs[0]).view;
    const Slot pooled = allocate(output);
    Switches<D> switches = make_switches(pooling, trace_.shape(written(i)), pooled.view);
    if (!network_.layer(i).forward_pooled({context_,
                                           std::span(&src, 1),
                                           std::span(&pooled.view, 1),
                                           {},
                                           nullptr,
                                           switches.view(),
                                           rectifier_[i],
                                           trace_.training()},
                                          window))
      return false;
    trace_.slot(output) = pooled;
    trace_.switches_of(pooling) = std::move(switches);
    return true;
  }

  void run_layer(std::size_t i, const Layer<T, D>& layer, const LayerTraits& traits, TensorView<T, D> dst) {
    const auto& step = topology_.steps()[i];
    std::vector<TensorView<const T, D>> src;
    std::vector<Tensor<T, D>> copies;
    TensorView<const std::int64_t, D> src_indices;
    for (const std::size_t input : step.inputs) {
      const Slot& slot = trace_.slot(input);
      if (slot.indices) {
        src_indices = slot.indices->view();
        src.emplace_back();
        continue;
      }
      src.push_back(slot.view);
      if (!traits.accepts_nhwc && !slot.view.row_major()) {
        copies.push_back(context_.template make<T>(slot.view.shape()));
        copy_layout<T>(context_, slot.view, copies.back().view());
        src.back() = copies.back();
      } else if (!traits.accepts_nhwc) {
        src.back() = {slot.view.data(), slot.view.shape(), Layout::nchw};
      }
    }
    TensorView<T, D> target = dst;
    Tensor<T, D> plain;
    if (!traits.accepts_nhwc && dst.layout() != Layout::nchw) {
      plain = context_.template make<T>(dst.shape());
      target = plain;
    }
    Switches<D>& switches = trace_.switches_of(i);
    switches = make_switches(i, src[0].shape(), target);
    std::shared_ptr<Tensor<std::int64_t, D>> indices;
    if (step.outputs.size() > 1) indices = std::make_shared<Tensor<std::int64_t, D>>();
    layer.forward({context_, src, std::span(&target, 1), src_indices, indices.get(), switches.view(),
                   rectifier_[i], trace_.training()});
    if (!plain.empty()) copy_layout<T>(context_, plain.view(), dst);
    if (indices) trace_.slot(step.outputs[1]) = {nullptr, {}, std::move(indices)};
  }

  const Network<T, D>& network_;
  const Topology& topology_;
  const Context<D>& context_;
  const ForwardOptions& options_;
  Trace<T, D>& trace_;
  std::vector<bool> wanted_, skip_, kept_, record_;
  std::vector<std::optional<float>> rectifier_;
  std::vector<std::optional<std::size_t>> pooling_;  ///< the step of a pooling that may run with this one
  std::vector<std::size_t> reads_left_;
};

}  // namespace detail

template <class T, Device D>
Network<T, D>::Network(const Context<D>& context, Model model,
                       std::map<std::string, std::unique_ptr<Layer<T, D>>> custom)
    : name_(std::move(model.name)) {
  const Context<D> home = detail::parameter_context(context);
  topology_ = std::make_shared<const Topology>(std::move(model.graph));
  model.graph = topology_->graph();
  check_weights(model);
  for (const Node& node : topology_->graph().nodes) {
    const auto given = custom.find(node.name);
    const bool own =
        std::holds_alternative<node::Custom>(node.params) && given != custom.end() && given->second;
    layers_.push_back(own ? std::move(given->second) : make_layer<T, D>(home, node, model.weights));
    if (own) custom.erase(given);
  }
  if constexpr (std::same_as<D, Cuda>) home.synchronise();
  require<ArgumentError>(custom.empty(), "layer ", custom.empty() ? std::string() : custom.begin()->first,
                         " was given to the network, whose graph has no custom node of that name");
}

template <class T, Device D>
std::shared_ptr<const std::vector<Shape>> Network<T, D>::shapes_for(const std::vector<Shape>& inputs) const {
  std::vector<std::vector<Index>> key;
  for (const Shape& shape : inputs) key.emplace_back(shape.begin(), shape.end());
  const std::lock_guard lock(shape_cache_->mutex);
  auto& known = shape_cache_->known;
  if (const auto found = known.find(key); found != known.end()) return found->second;
  Graph graph = topology_->graph();
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const Shape& own = graph.inputs[i].shape;
    require<ShapeError>(inputs[i].rank() == own.rank() && (own.rank() < 2 || inputs[i][1] == own[1]),
                        "input ", quoted(graph.inputs[i].name), " wants shape ", own,
                        " (any number of images), met ", inputs[i]);
    graph.inputs[i].shape = inputs[i];
  }
  const auto by_name = infer_shapes(graph);
  auto shapes = std::make_shared<std::vector<Shape>>();
  for (std::size_t t = 0; t < topology_->tensor_count(); ++t)
    shapes->push_back(by_name.at(topology_->name(t)));
  if (known.size() >= 16) known.clear();
  return known.emplace(std::move(key), std::move(shapes)).first->second;
}

template <class T, Device D>
Trace<T, D> Network<T, D>::forward(const Context<D>& context, const NetworkInputs<T, D>& inputs,
                                   const ForwardOptions& options) const {
  std::vector<Shape> shapes;
  for (const GraphInput& input : graph().inputs) {
    if (const auto found = inputs.values.find(input.name); found != inputs.values.end())
      shapes.push_back(found->second.shape());
    else if (const auto other = inputs.indices.find(input.name); other != inputs.indices.end())
      shapes.push_back(other->second.shape());
    else
      raise<ArgumentError>("input ", quoted(input.name), " is missing");
  }
  Trace<T, D> trace(topology_, shapes_for(shapes));
  trace.set_training(options.training);
  for (std::size_t i = 0; i < graph().inputs.size(); ++i) {
    const std::string& name = graph().inputs[i].name;
    auto& slot = trace.slot(topology_->input(i));
    if (const auto found = inputs.values.find(name); found != inputs.values.end()) {
      slot.storage = std::make_shared<Tensor<T, D>>(
          context.template make<T>(shapes[i], detail::working_layout<D>(shapes[i])));
      slot.view = slot.storage->view();
      copy_layout<T>(context, found->second, slot.view);
    } else {
      const auto& given = inputs.indices.at(name);
      slot.indices =
          std::make_shared<Tensor<std::int64_t, D>>(context.template make<std::int64_t>(given.shape()));
      copy_layout<std::int64_t>(context, given, slot.indices->view());
    }
  }
  detail::ForwardRun<T, D>(*this, context, options, trace).run();
  return trace;
}

#if defined(DECONV_COMPILED) && !defined(DECONV_INSTANCES)
// Compiled once elsewhere, see instances/cpu.cpp.
extern template class Network<float, Cpu>;
extern template class Network<double, Cpu>;
#endif

}  // namespace deconv
