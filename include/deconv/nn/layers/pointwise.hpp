#pragma once

#include <utility>

#include "deconv/nn/layer.hpp"
#include "deconv/ops/add.hpp"
#include "deconv/ops/batch_norm.hpp"
#include "deconv/ops/copy_layout.hpp"
#include "deconv/ops/lrn.hpp"
#include "deconv/ops/relu.hpp"

namespace deconv {

/// ReLU, or leaky ReLU with a slope below zero.
template <class T, Device D>
class Relu final : public Layer<T, D> {
 public:
  explicit Relu(float negative_slope = 0) : negative_slope_(negative_slope) {}

  [[nodiscard]] float negative_slope() const noexcept { return negative_slope_; }
  [[nodiscard]] LayerTraits traits() const override { return {true, false, false, Reach::pointwise, {}}; }
  void forward(const ForwardPass<T, D>& pass) const override {
    relu_forward<T>(pass.context, pass.src[0], negative_slope_, pass.dst[0]);
  }
  void reverse(const ReversePass<T, D>& pass) const override {
    relu_reverse<T>(pass.context, pass.options.rectifier, pass.diff_dst, pass.dst, negative_slope_,
                    pass.diff_src[0]);
  }
  // The output has the input's signs, and stays when the input is gone.
  [[nodiscard]] ReverseReads reverse_reads(const ReverseOptions& options) const override {
    return {false, options.rectifier != RectifierRule::deconvnet, false};
  }

 private:
  float negative_slope_;
};

/// Local response normalisation. The deconvnet passes signals by unchanged.
template <class T, Device D>
class Lrn final : public Layer<T, D> {
 public:
  explicit Lrn(LrnParams params) : params_(params) {}

  [[nodiscard]] LayerTraits traits() const override {
    const bool across = params_.region == LrnRegion::across_channels;
    return {true, false, false, across ? Reach::pointwise : Reach::whole, {}};
  }
  void forward(const ForwardPass<T, D>& pass) const override {
    lrn_forward<T>(pass.context, pass.src[0], params_, pass.dst[0]);
  }
  void reverse(const ReversePass<T, D>& pass) const override {
    lrn_reverse<T>(pass.context, pass.src[0], pass.diff_dst, params_, pass.diff_src[0]);
  }
  [[nodiscard]] ReverseReads reverse_reads(const ReverseOptions& options) const override {
    return {!reverse_passes_through(options), false, false};
  }
  [[nodiscard]] bool reverse_passes_through(const ReverseOptions& options) const override {
    return options.normalisation == NormalisationRule::identity;
  }

 private:
  LrnParams params_;
};

/// Batch normalisation with fixed statistics: a scale and a shift a channel.
template <class T, Device D>
class BatchNorm final : public Layer<T, D> {
 public:
  BatchNorm(float epsilon, Tensor<T, D> scale, Tensor<T, D> bias, Tensor<T, D> mean, Tensor<T, D> variance)
      : epsilon_(epsilon),
        scale_(std::move(scale)),
        bias_(std::move(bias)),
        mean_(std::move(mean)),
        variance_(std::move(variance)) {}

  [[nodiscard]] LayerTraits traits() const override { return {true, false, false, Reach::pointwise, {}}; }
  void forward(const ForwardPass<T, D>& pass) const override {
    batch_norm_forward<T>(pass.context, pass.src[0], scale_, bias_, mean_, variance_, epsilon_, pass.dst[0]);
  }
  void reverse(const ReversePass<T, D>& pass) const override {
    if (!pass.diff_parameters.empty())
      batch_norm_reverse_parameters<T>(pass.context, pass.src[0], pass.diff_dst, mean_, variance_, epsilon_,
                                       pass.diff_parameters[0], pass.diff_parameters[1]);
    if (!pass.diff_src[0].empty())
      batch_norm_reverse<T>(pass.context, pass.diff_dst, scale_, variance_, epsilon_, pass.diff_src[0]);
  }
  [[nodiscard]] ReverseReads reverse_reads(const ReverseOptions& options) const override {
    return {options.parameters, false, false};
  }
  [[nodiscard]] std::vector<Parameter<T, D>> parameters() override {
    return {{"scale", &scale_}, {"bias", &bias_}, {"mean", &mean_, false}, {"variance", &variance_, false}};
  }

 private:
  float epsilon_;
  Tensor<T, D> scale_, bias_, mean_, variance_;
};

/// The sum of its inputs.
template <class T, Device D>
class Add final : public Layer<T, D> {
 public:
  [[nodiscard]] LayerTraits traits() const override { return {true, false, false, Reach::pointwise, {}}; }
  void forward(const ForwardPass<T, D>& pass) const override {
    add_forward<T>(pass.context, pass.src, pass.dst[0]);
  }
  void reverse(const ReversePass<T, D>& pass) const override {
    for (const auto& diff_src : pass.diff_src)
      if (!diff_src.empty()) copy_layout<T>(pass.context, pass.diff_dst, diff_src);
  }
  [[nodiscard]] ReverseReads reverse_reads(const ReverseOptions&) const override { return {}; }
};

}  // namespace deconv
