#pragma once

#include <utility>

#include "deconv/nn/graph.hpp"
#include "deconv/nn/layer.hpp"
#include "deconv/ops/conv2d.hpp"
#include "deconv/ops/conv2d_pool.hpp"
#include "deconv/ops/conv2d_transpose.hpp"
#include "deconv/ops/unpool_conv2d.hpp"
#include "deconv/ops/update_weights.hpp"

namespace deconv {

/// Convolution: src N x C x H x W, dst N x K x P x Q.
template <class T, Device D>
class Conv2d final : public Layer<T, D> {
 public:
  /// weights K x C/groups x R x S; bias K or empty.
  Conv2d(Conv2dParams params, Tensor<T, D> weights, Tensor<T, D> bias)
      : params_(params), weights_(std::move(weights)), bias_(std::move(bias)) {}

  [[nodiscard]] LayerTraits traits() const override {
    return {true, true, false, Reach::window, params_.window};
  }
  void forward(const ForwardPass<T, D>& pass) const override {
    conv2d_forward<T>(pass.context, pass.src[0], weights_, bias_, params_, pass.dst[0], pass.negative_slope,
                      &cache_);
  }
  [[nodiscard]] bool forward_pooled(const ForwardPass<T, D>& pass, const Window2d& window) const override {
    if (!conv2d_pool_pays<T>(pass.context, pass.src[0].shape(), weights_.shape(), params_, {window}))
      return false;
    conv2d_pool_forward<T>(pass.context, pass.src[0], weights_, bias_, params_, pass.negative_slope, {window},
                           pass.dst[0], pass.switches, &cache_);
    return true;
  }
  void reverse(const ReversePass<T, D>& pass) const override {
    if (!pass.diff_src[0].empty())
      conv2d_reverse_data<T>(pass.context, pass.diff_dst, weights_,
                             {pass.window(params_.window), params_.groups}, pass.diff_src[0], &cache_);
    if (pass.diff_parameters.empty()) return;
    const auto diff_bias = bias_.empty() ? TensorView<T, D>() : pass.diff_parameters[1];
    if (pass.step != nullptr)
      conv2d_update_weights<T, D>(pass.context, pass.src[0], pass.diff_dst, params_, *pass.step, diff_bias);
    else
      conv2d_reverse_weights<T>(pass.context, pass.src[0], pass.diff_dst, params_, pass.diff_parameters[0],
                                diff_bias);
  }
  [[nodiscard]] bool takes_step() const override { return true; }
  [[nodiscard]] bool takes_unpooling(const ReversePass<T, D>& pass,
                                     const Unpooling& unpooling) const override {
    return unpool_conv2d_pays<T>(pass.context, pass.diff_dst.shape(), {unpooling.window}, unpooling.plane,
                                 weights_.shape(), {pass.window(params_.window), params_.groups},
                                 pass.diff_src[0].shape());
  }
  void reverse_unpooled(const ReversePass<T, D>& pass, const Unpooling& unpooling) const override {
    unpool_conv2d_reverse_data<T>(pass.context, pass.diff_dst, pass.switches, {unpooling.window},
                                  pass.options.overlap, unpooling.negative_slope, unpooling.plane, weights_,
                                  {pass.window(params_.window), params_.groups}, pass.diff_src[0], &cache_);
  }
  /// The forward pass over windows that bring every pixel their outputs read: without padding, whose rows and
  /// columns stand in src as zeros. dst as large as stride and reach leave it.
  void forward_unpadded(const Context<D>& context, TensorView<const T, D> src,
                        const std::optional<float>& negative_slope, TensorView<T, D> dst) const {
    Conv2dParams params = params_;
    params.window.padding = {};
    params.window.rounding = Rounding::floor;
    conv2d_forward<T>(context, src, weights_, bias_, params, dst, negative_slope, &cache_);
  }
  [[nodiscard]] ReverseReads reverse_reads(const ReverseOptions& options) const override {
    return {options.parameters, false, false};
  }
  [[nodiscard]] std::vector<Parameter<T, D>> parameters() override {
    std::vector<Parameter<T, D>> all{{"weight", &weights_}};
    if (!bias_.empty()) all.push_back({"bias", &bias_});
    return all;
  }
  void parameters_changed() override { cache_.clear(); }

 private:
  Conv2dParams params_;
  Tensor<T, D> weights_, bias_;
  mutable Conv2dCache<T, D> cache_;
};

/// Transposed convolution: src N x C x H x W, dst N x K x P x Q.
template <class T, Device D>
class Conv2dTranspose final : public Layer<T, D> {
 public:
  /// weights C x K/groups x R x S; bias K or empty.
  Conv2dTranspose(Conv2dTransposeParams params, Tensor<T, D> weights, Tensor<T, D> bias)
      : params_(params), weights_(std::move(weights)), bias_(std::move(bias)) {}

  [[nodiscard]] LayerTraits traits() const override { return {true, false, false, Reach::whole, {}}; }
  void forward(const ForwardPass<T, D>& pass) const override {
    conv2d_transpose_forward<T>(pass.context, pass.src[0], weights_, bias_, params_, pass.dst[0], &cache_);
  }
  void reverse(const ReversePass<T, D>& pass) const override {
    if (!pass.diff_parameters.empty())
      conv2d_transpose_reverse_weights<T>(pass.context, pass.src[0], pass.diff_dst, params_,
                                          pass.diff_parameters[0],
                                          bias_.empty() ? TensorView<T, D>() : pass.diff_parameters[1]);
    if (!pass.diff_src[0].empty())
      conv2d_transpose_reverse_data<T>(pass.context, pass.diff_dst, weights_, params_, pass.diff_src[0],
                                       &cache_);
  }
  [[nodiscard]] ReverseReads reverse_reads(const ReverseOptions& options) const override {
    return {options.parameters, false, false};
  }
  [[nodiscard]] std::vector<Parameter<T, D>> parameters() override {
    std::vector<Parameter<T, D>> all{{"weight", &weights_}};
    if (!bias_.empty()) all.push_back({"bias", &bias_});
    return all;
  }
  void parameters_changed() override { cache_.clear(); }

 private:
  Conv2dTransposeParams params_;
  Tensor<T, D> weights_, bias_;
  mutable Conv2dCache<T, D> cache_;
};

}  // namespace deconv
