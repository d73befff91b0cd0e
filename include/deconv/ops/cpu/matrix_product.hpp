#pragma once

#include <Eigen/Core>
#include <algorithm>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <tuple>

#include "deconv/core/context.hpp"
#include "deconv/core/parallel.hpp"
#include "deconv/core/tensor.hpp"
#include "deconv/ops/cpu/eigen_correlation.hpp"
#include "deconv/ops/cpu/image_sums.hpp"
#include "deconv/ops/cpu/onednn_correlation.hpp"

namespace deconv::cpu {

#if defined(DECONV_WITH_ONEDNN)

/// A fully connected product with its weights in the form that oneDNN prefers; immutable.
class OneDnnProduct {
 public:
  OneDnnProduct(const Context<Cpu>& context, Index images, Index in, Index out, const float* weights,
                bool bias, const std::optional<float>& negative_slope,
                const OneDnnProduct* shares_weights_with)
      : threads_(context.threads()), bias_(bias), out_(out) {
    using tag = dnnl::memory::format_tag;
    const auto type = dnnl::memory::data_type::f32;
    const onednn::ThreadScope scope(threads_);
    src_ = {{images, in}, type, tag::ab};
    dst_ = {{images, out}, type, tag::ab};
    const dnnl::memory::desc any({out, in}, type, tag::any), plain_desc({out, in}, type, tag::ab);
    const auto bias_desc = bias ? dnnl::memory::desc({out}, type, tag::a) : dnnl::memory::desc();
    const auto kind = dnnl::prop_kind::forward_inference;
#if DNNL_VERSION_MAJOR >= 3
    const dnnl::inner_product_forward::primitive_desc description(
        onednn::engine(), kind, src_, any, bias_desc, dst_, onednn::attributes(negative_slope));
#else
    const dnnl::inner_product_forward::primitive_desc description(
        {kind, src_, any, bias_desc, dst_}, onednn::attributes(negative_slope), onednn::engine());
#endif
    primitive_ = dnnl::inner_product_forward(description);
    scratch_ = description.scratchpad_desc();
    if (shares_weights_with != nullptr &&
        shares_weights_with->weights_.get_desc() == description.weights_desc()) {
      weights_ = shares_weights_with->weights_;
      storage_ = shares_weights_with->storage_;
    } else {
      storage_ = std::make_shared<Tensor<std::uint8_t, Cpu>>(
          Shape{static_cast<Index>(description.weights_desc().get_size())});
      weights_ = dnnl::memory(description.weights_desc(), onednn::engine(), storage_->data());
      auto plain = onednn::wrap(plain_desc, weights);
      dnnl::reorder(plain, weights_).execute(onednn::stream(), plain, weights_);
      onednn::stream().wait();
    }
  }

  void run(const Context<Cpu>& context, const float* src, const float* bias, float* dst) const {
    const onednn::ThreadScope scope(threads_);
    const auto scratch =
        context.make<std::uint8_t>({static_cast<Index>(std::max<std::size_t>(scratch_.get_size(), 1))});
    std::unordered_map<int, dnnl::memory> arguments{
        {DNNL_ARG_SRC, onednn::wrap(src_, src)},
        {DNNL_ARG_WEIGHTS, weights_},
        {DNNL_ARG_DST, onednn::wrap(dst_, dst)},
        {DNNL_ARG_SCRATCHPAD, onednn::wrap(scratch_, scratch.data())}};
    if (bias_)
      arguments.emplace(DNNL_ARG_BIAS, onednn::wrap(dnnl::memory::desc({out_}, dnnl::memory::data_type::f32,
                                                                       dnnl::memory::format_tag::a),
                                                    bias));
    primitive_.execute(onednn::stream(), arguments);
    onednn::stream().wait();
  }

 private:
  int threads_;
  bool bias_;
  Index out_;
  dnnl::inner_product_forward primitive_;
  dnnl::memory::desc src_, dst_, scratch_;
  dnnl::memory weights_;
  std::shared_ptr<Tensor<std::uint8_t, Cpu>> storage_;
};

#endif

/// Primitives and repacked weights of fully connected products with the same weights. Safe to use from many
/// threads.
template <class T>
class ProductCache {
 public:
  void clear() {
#if defined(DECONV_WITH_ONEDNN)
    const std::lock_guard lock(mutex_);
    primitives_.clear();
#endif
  }

#if defined(DECONV_WITH_ONEDNN)
  std::shared_ptr<const OneDnnProduct> primitive(const Context<Cpu>& context, Index images, Index in,
                                                 Index out, const float* weights, bool bias,
                                                 const std::optional<float>& slope) {
    const std::tuple key(images, in, out, bias, slope.value_or(-1.0f), context.threads());
    const std::lock_guard lock(mutex_);
    const auto found = primitives_.find(key);
    if (found != primitives_.end()) return found->second;
    if (primitives_.size() >= 32) primitives_.clear();
    const OneDnnProduct* sibling = primitives_.empty() ? nullptr : primitives_.begin()->second.get();
    auto made =
        std::make_shared<const OneDnnProduct>(context, images, in, out, weights, bias, slope, sibling);
    return primitives_.emplace(key, std::move(made)).first->second;
  }

 private:
  std::mutex mutex_;
  std::map<std::tuple<Index, Index, Index, bool, float, int>, std::shared_ptr<const OneDnnProduct>>
      primitives_;
#endif
};

namespace inner {
/// Outputs computed together by one thread: fixed, so that bits do not depend on the number of threads.
inline constexpr Index product_block = 64;
}  // namespace inner

/// dst (N x O) = src (N x F) * weights^T (O x F) + bias, optionally rectified.
template <class T>
void product_forward(const Context<Cpu>& context, TensorView<const T, Cpu> src,
                     TensorView<const T, Cpu> weights, const T* bias, TensorView<T, Cpu> dst,
                     const std::optional<float>& negative_slope, ProductCache<T>& cache) {
  const Index images = src[0], in = src[1], out = weights[0];
#if defined(DECONV_WITH_ONEDNN)
  // One image is a stream through the weights, which repacking does not help.
  if constexpr (std::is_same_v<T, float>) {
    if (images > 1)
      return cache.primitive(context, images, in, out, weights.data(), bias != nullptr, negative_slope)
          ->run(context, src.data(), bias, dst.data());
  }
#endif
  static_cast<void>(cache);
  const Index blocks = (out + inner::product_block - 1) / inner::product_block;
  parallel_for(context, blocks, [&](Index block) {
    const Index first = block * inner::product_block, count = std::min(inner::product_block, out - first);
    using Vector = Eigen::Matrix<T, Eigen::Dynamic, 1>;
    if (images == 1) {
      const Eigen::Map<const Vector> x(src.data(), in);
      for (Index o = first; o < first + count; ++o)
        dst.data()[o] = Eigen::Map<const Vector>(weights.data() + o * in, in).dot(x);
    } else {
      const inner::ConstMatrix<T> x(src.data(), images, in, Eigen::OuterStride<>(in));
      const inner::ConstMatrix<T> w(weights.data() + first * in, count, in, Eigen::OuterStride<>(in));
      inner::MutableMatrix<T> y(dst.data() + first, images, count, Eigen::OuterStride<>(out));
      y.noalias() = x * w.transpose();
    }
    for (Index n = 0; n < images; ++n)
      for (Index o = first; o < first + count; ++o) {
        T& value = dst.data()[n * out + o];
        if (bias != nullptr) value += bias[o];
        if (negative_slope && value < T(0)) value *= static_cast<T>(*negative_slope);
      }
  });
}

/// diff_src (N x F) = diff_dst (N x O) * weights (O x F), by blocks of F.
template <class T>
void product_reverse_data(const Context<Cpu>& context, TensorView<const T, Cpu> diff_dst,
                          TensorView<const T, Cpu> weights, TensorView<T, Cpu> diff_src) {
  const Index images = diff_dst[0], out = weights[0], in = weights[1];
  constexpr Index block_size = 256;
  const Index blocks = (in + block_size - 1) / block_size;
  parallel_for(context, blocks, [&](Index block) {
    const Index first = block * block_size, count = std::min(block_size, in - first);
    const inner::ConstMatrix<T> y(diff_dst.data(), images, out, Eigen::OuterStride<>(out));
    const inner::ConstMatrix<T> w(weights.data() + first, out, count, Eigen::OuterStride<>(in));
    inner::MutableMatrix<T> x(diff_src.data() + first, images, count, Eigen::OuterStride<>(in));
    if (out == 0)
      x.setZero();
    else
      x.noalias() = y * w;
  });
}

/// diff_weights (O x F) = diff_dst^T * src and, unless empty, diff_bias (O); see sum_over_images for the
/// order of the sums. A few outputs at a time, whose gradients stay in the second-level cache while images
/// are added.
template <class T>
void product_reverse_weights(const Context<Cpu>& context, TensorView<const T, Cpu> src,
                             TensorView<const T, Cpu> diff_dst, TensorView<T, Cpu> diff_weights,
                             TensorView<T, Cpu> diff_bias) {
  const Index images = src[0], in = src[1], out = diff_dst[1];
  constexpr Index block_size = 16;
  const Index blocks = (out + block_size - 1) / block_size;
  parallel_ranges(context, blocks, 1, [&](Index begin, Index end) {
    const Context<Cpu> alone = context.alone();
    for (Index block = begin; block < end; ++block) {
      const Index o = block * block_size, count = std::min(block_size, out - o);
      const auto weights_of = [&](Index first, Index some, T* to) {
        const inner::ConstMatrix<T> x(src.data() + first * in, some, in, Eigen::OuterStride<>(in));
        const inner::ConstMatrix<T> y(diff_dst.data() + first * out + o, some, count,
                                      Eigen::OuterStride<>(out));
        inner::MutableMatrix<T>(to, count, in, Eigen::OuterStride<>(in)).noalias() = y.transpose() * x;
      };
      sum_over_images<T>(alone, images, count * in, diff_weights.data() + o * in, weights_of);
      if (diff_bias.empty()) continue;
      const auto bias_of = [&](Index first, Index some, T* to) {
        std::fill_n(to, count, T(0));
        for (Index n = first; n < first + some; ++n)
          for (Index i = 0; i < count; ++i) to[i] += diff_dst.data()[n * out + o + i];
      };
      sum_over_images<T>(alone, images, count, diff_bias.data() + o, bias_of);
    }
  });
}

}  // namespace deconv::cpu
