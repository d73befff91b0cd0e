#pragma once

#include <cstdint>
#include <string_view>

#include "deconv/core/random.hpp"
#include "deconv/nn/layer.hpp"
#include "deconv/ops/dropout.hpp"

namespace deconv {

/// Dropout: the identity in inference, a mask in training. No mask is stored: the reverse pass draws the same
/// one again, and applies it to the signal.
template <class T, Device D>
class Dropout final : public Layer<T, D> {
 public:
  /// `name` keeps the masks of a network's layers apart.
  Dropout(float ratio, std::string_view name) : ratio_(ratio) {
    for (const char c : name) stream_ = (stream_ ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  }

  [[nodiscard]] LayerTraits traits() const override { return {true, false, true, Reach::pointwise, {}}; }
  [[nodiscard]] bool computes_in_training() const override { return true; }
  void forward(const ForwardPass<T, D>& pass) const override {
    drop(pass.context, *pass.training, pass.src[0], pass.dst[0]);
  }
  void reverse(const ReversePass<T, D>& pass) const override {
    drop(pass.context, *pass.training, pass.diff_dst, pass.diff_src[0]);
  }
  [[nodiscard]] ReverseReads reverse_reads(const ReverseOptions&) const override { return {}; }

 private:
  void drop(const Context<D>& context, const TrainingPass& training, TensorView<const T, D> src,
            TensorView<T, D> dst) const {
    // An odd multiple keeps the streams of the steps apart from those of the names.
    const Random random(training.seed, stream_ + training.step * 0x9e3779b97f4a7c15u);
    const Index image = src[0] > 0 ? src.count() / src[0] : 0;
    dropout_forward<T>(context, src, ratio_, random, training.first_image * image, dst, {});
  }

  float ratio_;
  std::uint64_t stream_ = 0xcbf29ce484222325u;  // FNV-1a
};

}  // namespace deconv
