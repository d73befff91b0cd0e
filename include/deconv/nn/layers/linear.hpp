#pragma once

#include <utility>

#include "deconv/nn/layer.hpp"
#include "deconv/ops/linear.hpp"
#include "deconv/ops/update_weights.hpp"

namespace deconv {

/// Fully connected: src N x F (higher ranks are flattened behind the first axis), dst N x O.
template <class T, Device D>
class Linear final : public Layer<T, D> {
 public:
  /// weights O x F; bias O or empty.
  Linear(Tensor<T, D> weights, Tensor<T, D> bias) : weights_(std::move(weights)), bias_(std::move(bias)) {}

  // nchw only, because flattening goes by N,C,H,W.
  [[nodiscard]] LayerTraits traits() const override { return {false, true, false, Reach::whole, {}}; }
  void forward(const ForwardPass<T, D>& pass) const override {
    linear_forward<T>(pass.context, pass.src[0].reshaped({pass.src[0][0], weights_[1]}), weights_, bias_,
                      pass.dst[0], pass.negative_slope, &cache_);
  }
  void reverse(const ReversePass<T, D>& pass) const override {
    if (!pass.diff_src[0].empty())
      linear_reverse_data<T>(pass.context, pass.diff_dst, weights_,
                             pass.diff_src[0].reshaped({pass.diff_src[0][0], weights_[1]}));
    if (pass.diff_parameters.empty()) return;
    const auto src = pass.src[0].reshaped({pass.src[0][0], weights_[1]});
    const auto diff_bias = bias_.empty() ? TensorView<T, D>() : pass.diff_parameters[1];
    if (pass.step != nullptr)
      linear_update_weights<T, D>(pass.context, src, pass.diff_dst, *pass.step, diff_bias);
    else
      linear_reverse_weights<T>(pass.context, src, pass.diff_dst, pass.diff_parameters[0], diff_bias);
  }
  [[nodiscard]] bool takes_step() const override { return true; }
  /// O x F.
  [[nodiscard]] TensorView<const T, D> weights() const noexcept { return weights_.view(); }
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
  Tensor<T, D> weights_, bias_;
  mutable LinearCache<T, D> cache_;
};

}  // namespace deconv
