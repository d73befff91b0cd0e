#pragma once

#include "deconv/nn/layer.hpp"
#include "deconv/ops/average_pool2d.hpp"
#include "deconv/ops/max_pool2d.hpp"
#include "deconv/ops/max_unpool2d.hpp"
#include "deconv/ops/unpool2d.hpp"

namespace deconv {

/// Max-pooling that records switches, and indices where a second output asks for them.
template <class T, Device D>
class MaxPool2d final : public Layer<T, D> {
 public:
  explicit MaxPool2d(MaxPool2dParams params, bool column_major = false)
      : params_(params), column_major_(column_major) {}

  [[nodiscard]] LayerTraits traits() const override {
    return {true, false, false, Reach::window, params_.window};
  }
  void forward(const ForwardPass<T, D>& pass) const override {
    if (pass.dst_indices == nullptr)
      return max_pool2d_forward<T>(pass.context, pass.src[0], params_, pass.dst[0], pass.switches);
    Switches<D> own;
    if (pass.switches.empty())
      own = Switches<D>::make(pass.dst[0].shape(), pass.dst[0].layout(), params_.window.taps(),
                              pass.context.workspace());
    const auto switches = pass.switches.empty() ? own.view() : pass.switches;
    max_pool2d_forward<T>(pass.context, pass.src[0], params_, pass.dst[0], switches);
    *pass.dst_indices =
        switches_to_indices(pass.context, switches, params_, pass.src[0].shape(), column_major_);
  }
  void reverse(const ReversePass<T, D>& pass) const override {
    unpool2d<T>(pass.context, pass.diff_dst, pass.switches, {pass.window(params_.window)},
                pass.options.overlap, pass.diff_src[0]);
  }
  [[nodiscard]] ReverseReads reverse_reads(const ReverseOptions&) const override {
    return {false, false, true};
  }
  [[nodiscard]] std::optional<Index> switch_taps(const Shape&) const override {
    return params_.window.taps();
  }

 private:
  MaxPool2dParams params_;
  bool column_major_;
};

/// The maximum of each plane; in reverse its place receives the signal.
template <class T, Device D>
class GlobalMaxPool final : public Layer<T, D> {
 public:
  [[nodiscard]] LayerTraits traits() const override { return {true, false, false, Reach::whole, {}}; }
  void forward(const ForwardPass<T, D>& pass) const override {
    max_pool2d_forward<T>(pass.context, pass.src[0], over(pass.src[0].shape()), pass.dst[0], pass.switches);
  }
  void reverse(const ReversePass<T, D>& pass) const override {
    unpool2d<T>(pass.context, pass.diff_dst, pass.switches, over(pass.diff_src[0].shape()),
                pass.options.overlap, pass.diff_src[0]);
  }
  [[nodiscard]] ReverseReads reverse_reads(const ReverseOptions&) const override {
    return {false, false, true};
  }
  [[nodiscard]] std::optional<Index> switch_taps(const Shape& src) const override { return src[2] * src[3]; }

 private:
  static MaxPool2dParams over(const Shape& src) {
    MaxPool2dParams params;
    params.window.kernel_y = src[2];
    params.window.kernel_x = src[3];
    return params;
  }
};

/// Puts values at the places that an index input names.
template <class T, Device D>
class MaxUnpool2d final : public Layer<T, D> {
 public:
  [[nodiscard]] LayerTraits traits() const override { return {}; }
  void forward(const ForwardPass<T, D>& pass) const override {
    max_unpool2d<T>(pass.context, pass.src[0], pass.src_indices, pass.dst[0]);
  }
  void reverse(const ReversePass<T, D>& pass) const override {
    max_unpool2d_reverse<T>(pass.context, pass.diff_dst, pass.src_indices, pass.diff_src[0]);
  }
  [[nodiscard]] ReverseReads reverse_reads(const ReverseOptions&) const override {
    return {true, false, false};
  }
};

template <class T, Device D>
class AveragePool2d final : public Layer<T, D> {
 public:
  explicit AveragePool2d(AveragePool2dParams params) : params_(params) {}

  [[nodiscard]] LayerTraits traits() const override {
    // A divisor that depends on the place in the plane cannot be told from a window of it.
    const bool uniform = params_.window.padding == Padding{} && params_.window.rounding == Rounding::floor;
    return {true, false, false, uniform ? Reach::window : Reach::whole, params_.window};
  }
  void forward(const ForwardPass<T, D>& pass) const override {
    average_pool2d_forward<T>(pass.context, pass.src[0], params_, pass.dst[0]);
  }
  void reverse(const ReversePass<T, D>& pass) const override {
    auto params = params_;
    params.window = pass.window(params.window);
    // In a window of a plane every tap counts: those outside the window are inside the plane.
    if (pass.placed) params.count_padding = true;
    average_pool2d_reverse<T>(pass.context, pass.diff_dst, params, pass.diff_src[0]);
  }
  [[nodiscard]] ReverseReads reverse_reads(const ReverseOptions&) const override { return {}; }

 private:
  AveragePool2dParams params_;
};

/// The mean of each plane.
template <class T, Device D>
class GlobalAveragePool final : public Layer<T, D> {
 public:
  [[nodiscard]] LayerTraits traits() const override { return {true, false, false, Reach::whole, {}}; }
  void forward(const ForwardPass<T, D>& pass) const override {
    global_average_pool_forward<T>(pass.context, pass.src[0], pass.dst[0]);
  }
  void reverse(const ReversePass<T, D>& pass) const override {
    global_average_pool_reverse<T>(pass.context, pass.diff_dst, pass.diff_src[0]);
  }
  [[nodiscard]] ReverseReads reverse_reads(const ReverseOptions&) const override { return {}; }
};

}  // namespace deconv
