#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "deconv/core/context.hpp"
#include "deconv/core/tensor.hpp"
#include "deconv/nn/layer.hpp"
#include "deconv/nn/topology.hpp"
#include "deconv/ops/copy_layout.hpp"
#include "deconv/ops/switches.hpp"

namespace deconv {

/// The activations and pooling switches of one forward pass: a value that later work (projections, heat maps,
/// training) reads. Move-only; independent of the network's life. Which tensors are there is the forward
/// pass's choice (ForwardOptions).
template <class T, Device D>
class Trace {
 public:
  /// One tensor as it lies in memory. Tensors that differ by shape alone share storage.
  struct Slot {
    std::shared_ptr<Tensor<T, D>> storage;
    TensorView<T, D> view;
    std::shared_ptr<Tensor<std::int64_t, D>> indices;
  };

  Trace(std::shared_ptr<const Topology> topology, std::shared_ptr<const std::vector<Shape>> shapes)
      : topology_(std::move(topology)),
        shapes_(std::move(shapes)),
        slots_(topology_->tensor_count()),
        switches_(topology_->steps().size()) {}

  [[nodiscard]] const Topology& topology() const noexcept { return *topology_; }
  /// The step of training that the pass belonged to, or null.
  [[nodiscard]] const TrainingPass* training() const noexcept { return training_ ? &*training_ : nullptr; }
  void set_training(const std::optional<TrainingPass>& training) { training_ = training; }
  /// Number of images that went through.
  [[nodiscard]] Index images() const { return (*shapes_)[topology_->input(0)][0]; }
  /// The shape of a tensor in this pass, kept or not. Throws ArgumentError for an unknown name.
  [[nodiscard]] const Shape& shape(const std::string& name) const {
    return (*shapes_)[topology_->find(name)];
  }
  [[nodiscard]] bool has(const std::string& name) const {
    return !slots_[topology_->find(name)].view.empty();
  }

  /// A copy of the named tensor in nchw order (row-major for other ranks). Throws ArgumentError for an
  /// unknown name or a tensor that was not kept. Bytes: the tensor twice.
  [[nodiscard]] Tensor<T, D> activation(const Context<D>& context, const std::string& name) const {
    const auto from = view(name);
    auto copy = context.template make<T>(from.shape());
    copy_layout<T>(context, from, copy.view());
    return copy;
  }
  /// The same with a context of its own.
  [[nodiscard]] Tensor<T, D> activation(const std::string& name) const requires std::same_as<D, Cpu> {
    return activation(Context<Cpu>(1), name);
  }
  /// The named tensor as it lies in memory, in the layout that the device computes in. Throws as
  /// activation().
  [[nodiscard]] TensorView<const T, D> view(const std::string& name) const {
    const std::size_t tensor = topology_->find(name);
    require<ArgumentError>(!slots_[tensor].view.empty(), "tensor ", quoted(name),
                           " was not kept by the forward pass");
    return slots_[tensor].view;
  }
  /// The int64 indices of a pooling's second output, row-major over N,C,H,W of its input. Throws as
  /// activation().
  [[nodiscard]] TensorView<const std::int64_t, D> indices(const std::string& name) const {
    const auto& slot = slots_[topology_->find(name)];
    require<ArgumentError>(slot.indices != nullptr, "tensor ", quoted(name), " holds no indices");
    return slot.indices->view();
  }
  /// The switches of the pooling that makes the named tensor. Throws ArgumentError when it records none or
  /// they were not kept.
  [[nodiscard]] SwitchesView<const std::byte, D> switches(const std::string& name) const {
    const std::size_t node = topology_->producer(topology_->find(name));
    require<ArgumentError>(node != Topology::no_producer && !switches_[node].empty(),
                           "no switches were kept for ", quoted(name));
    return switches_[node].view();
  }
  /// Bytes that the trace holds, storage shared by several tensors counted once.
  [[nodiscard]] std::size_t bytes() const {
    std::size_t total = 0;
    std::vector<const void*> seen;
    for (const Slot& slot : slots_)
      if (slot.storage && std::find(seen.begin(), seen.end(), slot.storage.get()) == seen.end()) {
        seen.push_back(slot.storage.get());
        total += slot.storage->bytes();
      }
    for (const auto& one : switches_) total += one.bytes();
    return total;
  }

  // By number, for passes over the whole graph.
  [[nodiscard]] const Shape& shape(std::size_t tensor) const { return (*shapes_)[tensor]; }
  [[nodiscard]] const Slot& slot(std::size_t tensor) const { return slots_[tensor]; }
  [[nodiscard]] Slot& slot(std::size_t tensor) { return slots_[tensor]; }
  [[nodiscard]] const Switches<D>& switches_of(std::size_t node) const { return switches_[node]; }
  [[nodiscard]] Switches<D>& switches_of(std::size_t node) { return switches_[node]; }

 private:
  std::shared_ptr<const Topology> topology_;
  std::shared_ptr<const std::vector<Shape>> shapes_;
  std::vector<Slot> slots_;
  std::vector<Switches<D>> switches_;
  std::optional<TrainingPass> training_;
};

}  // namespace deconv
