#pragma once

#include "deconv/nn/layer.hpp"
#include "deconv/ops/concat.hpp"
#include "deconv/ops/pad2d.hpp"

namespace deconv {

/// Flatten, reshape, identity: the elements in their N,C,H,W order, perhaps under
/// another shape.
template <class T, Device D>
class PassThrough final : public Layer<T, D> {
 public:
  /// `reach` is pointwise when positions stay, whole when the shape changes.
  explicit PassThrough(Reach reach) : reach_(reach) {}

  [[nodiscard]] LayerTraits traits() const override { return {true, false, true, reach_, {}}; }
  void forward(const ForwardPass<T, D>&) const override {}
  void reverse(const ReversePass<T, D>&) const override {}
  [[nodiscard]] ReverseReads reverse_reads(const ReverseOptions&) const override { return {}; }

 private:
  Reach reach_;
};

/// Joins its inputs along an axis.
template <class T, Device D>
class Concat final : public Layer<T, D> {
 public:
  explicit Concat(Index axis) : axis_(axis) {}

  [[nodiscard]] LayerTraits traits() const override {
    return {true, false, false, axis_ == 1 ? Reach::pointwise : Reach::whole, {}};
  }
  void forward(const ForwardPass<T, D>& pass) const override {
    concat_forward<T>(pass.context, pass.src, axis_, pass.dst[0]);
  }
  void reverse(const ReversePass<T, D>& pass) const override {
    Index offset = 0;
    for (const auto& diff_src : pass.diff_src) {
      if (!diff_src.empty()) concat_reverse<T>(pass.context, pass.diff_dst, axis_, offset, diff_src);
      offset += diff_src.shape().extent(axis_);
    }
  }
  [[nodiscard]] ReverseReads reverse_reads(const ReverseOptions&) const override { return {}; }

 private:
  Index axis_;
};

/// A constant border, or a crop where the numbers are negative.
template <class T, Device D>
class Pad2d final : public Layer<T, D> {
 public:
  explicit Pad2d(Pad2dParams params) : params_(params) {}

  [[nodiscard]] LayerTraits traits() const override { return {true, false, false, Reach::whole, {}}; }
  void forward(const ForwardPass<T, D>& pass) const override {
    pad2d_forward<T>(pass.context, pass.src[0], params_, pass.dst[0]);
  }
  void reverse(const ReversePass<T, D>& pass) const override {
    pad2d_reverse<T>(pass.context, pass.diff_dst, params_, pass.diff_src[0]);
  }
  [[nodiscard]] ReverseReads reverse_reads(const ReverseOptions&) const override { return {}; }

 private:
  Pad2dParams params_;
};

}  // namespace deconv
