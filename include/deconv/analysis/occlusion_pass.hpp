#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>
#include <memory>
#include <utility>
#include <variant>
#include <vector>

#include "deconv/analysis/occlusion_plan.hpp"
#include "deconv/analysis/occlusion_windows.hpp"
#include "deconv/nn/layers/convolution.hpp"
#include "deconv/nn/network.hpp"

namespace deconv::detail {

/// One tensor of a batch of occluded images: windows that lie in known planes, whole planes, or both.
template <class T>
struct OccludedTensor {
  std::shared_ptr<Tensor<T, Cpu>> windows, whole;
  TensorView<T, Cpu> view;  ///< of `whole`

  [[nodiscard]] bool present() const noexcept { return windows != nullptr || !view.empty(); }
};

/// Where a batch's windows of every tensor lie.
using BatchPlaces = std::vector<WindowPlaces>;

/// One batch of images under way through the network, by the ways that its group's plan says.
template <class T>
class OcclusionPass {
 public:
  /// `known` is the trace of the unoccluded image; `shapes` are those of a whole batch.
  OcclusionPass(const Network<T, Cpu>& network, const Context<Cpu>& context, const OcclusionGraph& graph,
                const Trace<T, Cpu>& known, std::shared_ptr<const std::vector<Shape>> shapes)
      : network_(network),
        context_(context),
        graph_(graph),
        known_(known),
        shapes_(std::move(shapes)),
        slots_(shapes_->size()) {}

  [[nodiscard]] OccludedTensor<T>& slot(std::size_t tensor) { return slots_[tensor]; }

  /// Runs one stage. `ways` is a group's; the tail runs whole whatever it says. `places` are read for windows
  /// alone.
  void run(bool tail, const std::vector<StepWay>& ways, const BatchPlaces& places) {
    tail_ = tail;
    places_ = &places;
    reads_ = graph_.reads(tail);
    for (std::size_t i = 0; i < graph_.steps(); ++i) {
      if (!graph_.runs(i) || graph_.step_in_tail(i) != tail || graph_.spread(i).kind == Spread::alias)
        continue;
      const std::size_t output = graph_.output(i);
      if (!slots_[output].present()) {
        const StepWay way = tail ? StepWay::whole : ways[i];
        if (way == StepWay::windows)
          step_in_windows(i, output);
        else if (way == StepWay::mean)
          mean_of_planes(i, output);
        else
          step_in_planes(i, output);
      }
      for (const std::size_t input : graph_.inputs(i)) {
        const std::size_t slot = graph_.slot_of(input, tail);
        if (--reads_[slot] == 0) slots_[slot] = {};
      }
    }
  }

  /// A tensor's whole planes under its own shape, in nchw order where `plain`. The second holds what the view
  /// refers to if it had to be made.
  [[nodiscard]] std::pair<TensorView<const T, Cpu>, Tensor<T, Cpu>> planes(std::size_t tensor, bool plain) {
    const std::size_t from = graph_.slot_of(tensor, tail_);
    OccludedTensor<T>& slot = slots_[from];
    if (slot.view.empty()) paste(from);
    const Shape& shape = (*shapes_)[tensor];
    std::pair<TensorView<const T, Cpu>, Tensor<T, Cpu>> result;
    result.first = slot.view;
    const bool renamed = shape != slot.view.shape();
    if ((plain || renamed) && !slot.view.row_major()) {
      result.second = context_.make<T>(slot.view.shape());
      copy_layout<T>(context_, slot.view, result.second.view());
      result.first = result.second.view();
    }
    if (plain || renamed)
      result.first =
          TensorView<const T, Cpu>(result.first.data(), result.first.shape(), Layout::nchw).reshaped(shape);
    return result;
  }

 private:
  [[nodiscard]] TensorView<const T, Cpu> known(std::size_t tensor) const { return known_.slot(tensor).view; }
  [[nodiscard]] Index images() const { return (*shapes_)[graph_.input()][0]; }

  std::shared_ptr<Tensor<T, Cpu>> make(const Shape& shape) const {
    return std::make_shared<Tensor<T, Cpu>>(
        context_.make<T>(shape, shape.rank() == 4 ? Layout::nhwc : Layout::nchw));
  }
  std::shared_ptr<Tensor<T, Cpu>> make_windows(std::size_t tensor, const WindowPlaces& at) const {
    return make({images(), graph_.shape(tensor)[1], at.height, at.width});
  }

  void paste(std::size_t tensor) {
    OccludedTensor<T>& slot = slots_[tensor];
    const WindowPlaces& at = (*places_)[tensor];
    slot.whole = make((*shapes_)[tensor]);
    slot.view = slot.whole->view();
    const WindowPlaces all{std::vector<Index>(at.tops.size(), 0), std::vector<Index>(at.tops.size(), 0),
                           slot.view[2], slot.view[3]};
    gather_changed<T>(context_, known(tensor), slot.windows->view(), at, T(0), all, slot.view);
  }

  /// The windows of `tensor` at other places: its own where they are the same, else gathered into `copy`.
  TensorView<const T, Cpu> windows_at(std::size_t tensor, const WindowPlaces& wanted, T outside,
                                      Tensor<T, Cpu>& copy) const {
    const std::size_t root = graph_.root(tensor);
    if ((*places_)[root] == wanted) return slots_[root].windows->view();
    copy = context_.make<T>({images(), graph_.shape(root)[1], wanted.height, wanted.width}, Layout::nhwc);
    gather_changed<T>(context_, known(root), slots_[root].windows->view(), (*places_)[root], outside, wanted,
                      copy.view());
    return copy.view();
  }

  /// What the outputs at `at` read of a layer's input.
  static WindowPlaces read_by(const Window2d& w, const WindowPlaces& at) {
    WindowPlaces read = at;
    for (Index& top : read.tops) top = top * w.stride_y - w.padding.top;
    for (Index& left : read.lefts) left = left * w.stride_x - w.padding.left;
    read.height = (at.height - 1) * w.stride_y + w.reach_y();
    read.width = (at.width - 1) * w.stride_x + w.reach_x();
    return read;
  }

  void forward(std::size_t step, std::span<const TensorView<const T, Cpu>> src,
               TensorView<T, Cpu> dst) const {
    network_.layer(step).forward(
        {context_, src, std::span(&dst, 1), {}, nullptr, {}, graph_.rectifier(step), nullptr});
  }

  void step_in_windows(std::size_t step, std::size_t output) {
    const WindowPlaces& at = (*places_)[output];
    const SpreadOf spread = graph_.spread(step);
    const auto& inputs = graph_.inputs(step);
    const std::size_t root = graph_.root(inputs[0]);
    OccludedTensor<T>& result = slots_[output];
    const node::Params& params = graph_.node(step).params;
    if (std::holds_alternative<node::Relu>(params) && reads_[root] == 1 && slots_[root].view.empty())
      result.windows = slots_[root].windows;
    else
      result.windows = make_windows(output, at);
    const TensorView<T, Cpu> dst = result.windows->view();

    if (spread.joined) return join(step, at, dst);
    if (const auto* pad = std::get_if<node::Pad2d>(&params)) {
      WindowPlaces from = at;
      for (Index& top : from.tops) top -= pad->params.top;
      for (Index& left : from.lefts) left -= pad->params.left;
      gather_changed<T>(context_, known(root), slots_[root].windows->view(), (*places_)[root],
                        static_cast<T>(pad->params.value), from, dst);
      return;
    }
    const bool greatest = std::holds_alternative<node::MaxPool2d>(params);
    Tensor<T, Cpu> copy;
    const TensorView<const T, Cpu> src =
        windows_at(root, spread.kind == Spread::window ? read_by(spread.window, at) : at,
                   greatest ? -std::numeric_limits<T>::infinity() : T(0), copy);
    if (spread.kind == Spread::window)
      through_windows(step, src, at, dst);
    else
      forward(step, std::span(&src, 1), dst);
  }

  /// A layer that reads windows, from copies that hold all it reads: no padding is left to it.
  void through_windows(std::size_t step, TensorView<const T, Cpu> src, const WindowPlaces& at,
                       TensorView<T, Cpu> dst) {
    const node::Params& params = graph_.node(step).params;
    const auto unpadded = [](Window2d window) {
      window.padding = {};
      window.rounding = Rounding::floor;
      return window;
    };
    if (std::holds_alternative<node::Conv2d>(params)) {
      dynamic_cast<const Conv2d<T, Cpu>&>(network_.layer(step))
          .forward_unpadded(context_, src, graph_.rectifier(step), dst);
    } else if (const auto* max = std::get_if<node::MaxPool2d>(&params)) {
      max_pool2d_forward<T>(context_, src, {unpadded(max->params.window)}, dst);
    } else if (const auto* mean = std::get_if<node::AveragePool2d>(&params)) {
      average_pool2d_forward<T>(context_, src, {unpadded(mean->params.window), true}, dst);
      const Shape& plane = graph_.shape(graph_.inputs(step)[0]);
      restore_divisors<T>(mean->params, plane[2], plane[3], at, dst);
    } else {  // a normalisation whose region is a square of the plane: what it makes of the border is left
              // out
      const auto all = make(src.shape());
      forward(step, std::span(&src, 1), all->view());
      const Index before = graph_.spread(step).window.padding.top;
      copy_windows<T, Cpu>(context_, all->view(), before, before, T(0), dst);
    }
  }

  /// Sums and concatenations: every input at the output's own places.
  void join(std::size_t step, const WindowPlaces& at, TensorView<T, Cpu> dst) {
    const auto& inputs = graph_.inputs(step);
    if (std::holds_alternative<node::Concat>(graph_.node(step).params)) {
      Index channel = 0;
      for (const std::size_t input : inputs) {
        const std::size_t root = graph_.root(input);
        gather_changed<T>(context_, known(root), slots_[root].windows->view(), (*places_)[root], T(0), at,
                          dst, channel);
        channel += graph_.shape(root)[1];
      }
      return;
    }
    std::vector<Tensor<T, Cpu>> copies(inputs.size());
    std::vector<TensorView<const T, Cpu>> src;
    for (std::size_t i = 0; i < inputs.size(); ++i) src.push_back(windows_at(inputs[i], at, T(0), copies[i]));
    forward(step, src, dst);
  }

  void mean_of_planes(std::size_t step, std::size_t output) {
    const std::size_t root = graph_.root(graph_.inputs(step)[0]);
    const auto plane = known(root);
    const auto changes = changes_of_maps<T>(context_, plane, slots_[root].windows->view(), (*places_)[root]);
    slots_[output].whole = make((*shapes_)[output]);
    slots_[output].view = slots_[output].whole->view();
    const auto mean = known(output);
    const Index channels = plane[1];
    const double positions = static_cast<double>(plane[2] * plane[3]);
    for (std::size_t i = 0; i < changes.size(); ++i)
      slots_[output].view.data()[i] = static_cast<T>(
          static_cast<double>(mean.data()[static_cast<Index>(i) % channels]) + changes[i] / positions);
  }

  void step_in_planes(std::size_t step, std::size_t output) {
    const Layer<T, Cpu>& layer = network_.layer(step);
    const bool plain = !layer.traits().accepts_nhwc;
    std::vector<Tensor<T, Cpu>> copies;
    std::vector<TensorView<const T, Cpu>> src;
    for (const std::size_t input : graph_.inputs(step)) {
      auto [view, copy] = planes(input, plain);
      src.push_back(view);
      copies.push_back(std::move(copy));
      if (plain || view.rank() != 4 || view.layout() == Layout::nhwc) continue;
      copies.push_back(context_.make<T>(view.shape(), Layout::nhwc));
      copy_layout<T>(context_, view, copies.back().view());
      src.back() = copies.back().view();
    }
    OccludedTensor<T>& result = slots_[output];
    result.whole = make((*shapes_)[output]);
    result.view = result.whole->view();
    if (!plain || result.view.layout() == Layout::nchw) return forward(step, src, result.view);
    auto target = context_.make<T>(result.view.shape());
    forward(step, src, target.view());
    copy_layout<T>(context_, target.view(), result.view);
  }

  const Network<T, Cpu>& network_;
  const Context<Cpu>& context_;
  const OcclusionGraph& graph_;
  const Trace<T, Cpu>& known_;
  std::shared_ptr<const std::vector<Shape>> shapes_;
  std::vector<OccludedTensor<T>> slots_;
  std::vector<Index> reads_;
  const BatchPlaces* places_ = nullptr;
  bool tail_ = false;
};

}  // namespace deconv::detail
