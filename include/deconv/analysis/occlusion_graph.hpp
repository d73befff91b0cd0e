#pragma once

#include <cstddef>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "deconv/analysis/occlusion_regions.hpp"
#include "deconv/nn/topology.hpp"

namespace deconv::detail {

/// What of a network an occlusion analysis runs: the steps that the scores and the layer need, rectifiers
/// folded into the layers before them, and the tail from the first fully connected layer on, whose inputs are
/// small and whose weights are large, so that it takes many images at once.
class OcclusionGraph {
 public:
  static constexpr std::size_t none = std::numeric_limits<std::size_t>::max();

  /// `shapes` by tensor, for one image.
  OcclusionGraph(const Topology& topology, std::vector<Shape> shapes, std::size_t score, std::size_t layer)
      : topology_(&topology), shapes_(std::move(shapes)), score_(score), layer_(layer) {
    choose_steps();
    choose_tail();
    find_roots();
    fold_rectifiers();
    std::map<std::string, Shape> by_name;
    for (std::size_t t = 0; t < shapes_.size(); ++t) by_name.emplace(topology.name(t), shapes_[t]);
    for (const Node& node : topology.graph().nodes)
      multiply_adds_.push_back(static_cast<double>(deconv::multiply_adds(node, by_name)));
  }

  [[nodiscard]] const Topology& topology() const noexcept { return *topology_; }
  [[nodiscard]] const std::vector<Shape>& shapes() const noexcept { return shapes_; }
  [[nodiscard]] const Shape& shape(std::size_t tensor) const { return shapes_[tensor]; }
  [[nodiscard]] const Node& node(std::size_t step) const { return topology_->graph().nodes[step]; }
  [[nodiscard]] std::size_t steps() const noexcept { return wanted_.size(); }
  [[nodiscard]] std::size_t input() const { return topology_->input(0); }
  [[nodiscard]] std::size_t score() const noexcept { return score_; }
  [[nodiscard]] std::size_t layer() const noexcept { return layer_; }

  /// Whether a step is run at all, rectifiers that were folded away left out.
  [[nodiscard]] bool runs(std::size_t step) const { return wanted_[step] && !folded_[step]; }
  /// The slope of the rectifier that the step's own layer applies.
  [[nodiscard]] const std::optional<float>& rectifier(std::size_t step) const { return rectifier_[step]; }
  /// The tensor that a step makes: the rectified one where its rectifier was folded into it.
  [[nodiscard]] std::size_t output(std::size_t step) const {
    const std::size_t own = topology_->steps()[step].outputs[0];
    return rectifier_[step] ? topology_->steps()[topology_->consumers(own)[0]].outputs[0] : own;
  }
  [[nodiscard]] const std::vector<std::size_t>& inputs(std::size_t step) const {
    return topology_->steps()[step].inputs;
  }
  [[nodiscard]] SpreadOf spread(std::size_t step) const {
    const auto& own = topology_->steps()[step];
    return spread_of(node(step), shapes_[own.inputs[0]], shapes_[own.outputs[0]]);
  }
  [[nodiscard]] double multiply_adds(std::size_t step) const { return multiply_adds_[step]; }

  /// The tensor whose elements this one shows, perhaps under another shape.
  [[nodiscard]] std::size_t root(std::size_t tensor) const { return root_[tensor]; }

  /// The only tensor that the tail reads, or `none`.
  [[nodiscard]] std::size_t tail_input() const noexcept { return tail_input_; }
  /// Whether a tensor belongs to the tail (its input does not).
  [[nodiscard]] bool in_tail(std::size_t tensor) const { return tail_[tensor]; }
  [[nodiscard]] bool step_in_tail(std::size_t step) const {
    return tail_[topology_->steps()[step].outputs[0]];
  }

  /// How often a stage reads each root, with one more for tensors that are looked at in the end.
  [[nodiscard]] std::vector<Index> reads(bool tail) const {
    std::vector<Index> count(shapes_.size(), 0);
    for (std::size_t i = 0; i < steps(); ++i)
      if (runs(i) && step_in_tail(i) == tail && spread(i).kind != Spread::alias)
        for (const std::size_t input : inputs(i)) ++count[slot_of(input, tail)];
    for (const std::size_t kept : {score_, layer_})
      if (tail_[kept] == tail) ++count[slot_of(kept, tail)];
    if (!tail && tail_input_ != none) ++count[root_[tail_input_]];
    return count;
  }
  /// Where a stage finds a tensor: the tail has its input as it is.
  [[nodiscard]] std::size_t slot_of(std::size_t tensor, bool tail) const {
    return tail && tensor == tail_input_ ? tensor : root_[tensor];
  }

 private:
  void choose_steps() {
    const auto& steps = topology_->steps();
    wanted_.assign(steps.size(), false);
    std::vector<bool> needed(shapes_.size());
    needed[score_] = needed[layer_] = true;
    for (std::size_t i = steps.size(); i-- > 0;) {
      for (const std::size_t output : steps[i].outputs) wanted_[i] = wanted_[i] || needed[output];
      if (wanted_[i])
        for (const std::size_t input : steps[i].inputs) needed[input] = true;
    }
  }

  void choose_tail() {
    const auto& steps = topology_->steps();
    tail_.assign(shapes_.size(), false);
    for (std::size_t i = 0; i < steps.size(); ++i) {
      if (!wanted_[i] || !std::holds_alternative<node::Linear>(node(i).params)) continue;
      const std::size_t from = steps[i].inputs[0];
      std::vector<bool> after(shapes_.size());
      bool alone = true;
      for (std::size_t j = 0; j < steps.size(); ++j) {
        if (!wanted_[j]) continue;
        bool reads_tail = false, reads_other = false;
        for (const std::size_t input : steps[j].inputs) {
          const bool inside = after[input] || input == from;
          reads_tail = reads_tail || inside;
          reads_other = reads_other || !inside;
          if (input == from && shapes_[from].rank() == 4)
            alone = alone && std::holds_alternative<node::Linear>(node(j).params);
        }
        if (reads_tail)
          for (const std::size_t output : steps[j].outputs) after[output] = true;
        alone = alone && !(reads_tail && reads_other);
      }
      if (!alone || !after[score_] || shapes_[from].rank() == 0 || shapes_[from][0] != 1) continue;
      tail_ = std::move(after);
      tail_input_ = from;
      return;
    }
  }

  void find_roots() {
    for (std::size_t t = 0; t < shapes_.size(); ++t) {
      std::size_t root = t;
      while (topology_->producer(root) != Topology::no_producer && (root != tail_input_ || !tail_[t]) &&
             spread(topology_->producer(root)).kind == Spread::alias)
        root = topology_->steps()[topology_->producer(root)].inputs[0];
      root_.push_back(root);
    }
  }

  void fold_rectifiers() {
    const auto& steps = topology_->steps();
    folded_.assign(steps.size(), false);
    rectifier_.assign(steps.size(), {});
    for (std::size_t i = 0; i < steps.size(); ++i) {
      const std::size_t own = steps[i].outputs[0];
      if (!wanted_[i] || own == score_ || own == layer_ || own == tail_input_ ||
          topology_->consumers(own).size() != 1 ||
          !(std::holds_alternative<node::Conv2d>(node(i).params) ||
            std::holds_alternative<node::Linear>(node(i).params)))
        continue;
      const std::size_t next = topology_->consumers(own)[0];
      const auto* relu = std::get_if<node::Relu>(&node(next).params);
      if (relu == nullptr || !wanted_[next]) continue;
      rectifier_[i] = relu->negative_slope;
      folded_[next] = true;
    }
  }

  const Topology* topology_;
  std::vector<Shape> shapes_;
  std::size_t score_, layer_;
  std::vector<bool> wanted_, folded_, tail_;
  std::vector<std::optional<float>> rectifier_;
  std::vector<std::size_t> root_;
  std::vector<double> multiply_adds_;
  std::size_t tail_input_ = none;
};

}  // namespace deconv::detail
