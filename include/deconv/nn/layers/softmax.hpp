#pragma once

#include "deconv/nn/layer.hpp"
#include "deconv/ops/softmax.hpp"

namespace deconv {

/// Softmax along one axis.
template <class T, Device D>
class Softmax final : public Layer<T, D> {
 public:
  explicit Softmax(Index axis) : axis_(axis) {}

  [[nodiscard]] LayerTraits traits() const override {
    return {true, false, false, axis_ == 1 ? Reach::pointwise : Reach::whole, {}};
  }
  void forward(const ForwardPass<T, D>& pass) const override {
    softmax_forward<T>(pass.context, pass.src[0], axis_, pass.dst[0]);
  }
  void reverse(const ReversePass<T, D>& pass) const override {
    softmax_reverse<T>(pass.context, pass.dst, pass.diff_dst, axis_, pass.diff_src[0]);
  }
  [[nodiscard]] ReverseReads reverse_reads(const ReverseOptions&) const override {
    return {false, true, false};
  }

 private:
  Index axis_;
};

/// The logarithm of softmax along one axis.
template <class T, Device D>
class LogSoftmax final : public Layer<T, D> {
 public:
  explicit LogSoftmax(Index axis) : axis_(axis) {}

  [[nodiscard]] LayerTraits traits() const override {
    return {true, false, false, axis_ == 1 ? Reach::pointwise : Reach::whole, {}};
  }
  void forward(const ForwardPass<T, D>& pass) const override {
    log_softmax_forward<T>(pass.context, pass.src[0], axis_, pass.dst[0]);
  }
  void reverse(const ReversePass<T, D>& pass) const override {
    log_softmax_reverse<T>(pass.context, pass.dst, pass.diff_dst, axis_, pass.diff_src[0]);
  }
  [[nodiscard]] ReverseReads reverse_reads(const ReverseOptions&) const override {
    return {false, true, false};
  }

 private:
  Index axis_;
};

}  // namespace deconv
