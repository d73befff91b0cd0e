#pragma once

#if defined(DECONV_WITH_ONEDNN)

#include <algorithm>
#include <dnnl.hpp>
#include <map>
#include <memory>
#include <mutex>
#include <unordered_map>

#include "deconv/core/context.hpp"
#include "deconv/core/parallel.hpp"
#include "deconv/ops/cpu/correlation.hpp"

#if defined(_OPENMP)
#include <omp.h>
#endif

namespace deconv::cpu {

namespace onednn {

[[nodiscard]] inline const dnnl::engine& engine() {
  static const dnnl::engine instance(dnnl::engine::kind::cpu, 0);
  return instance;
}

[[nodiscard]] inline dnnl::stream& stream() {
  thread_local dnnl::stream instance(engine());
  return instance;
}

/// oneDNN takes its number of threads from OpenMP's setting of the calling thread; this sets it for a scope.
class ThreadScope {
 public:
#if defined(_OPENMP)
  explicit ThreadScope(int threads) : before_(omp_get_max_threads()) { omp_set_num_threads(threads); }
  ~ThreadScope() { omp_set_num_threads(before_); }
#else
  explicit ThreadScope(int) {}
#endif
  ThreadScope(const ThreadScope&) = delete;
  ThreadScope& operator=(const ThreadScope&) = delete;

 private:
#if defined(_OPENMP)
  int before_;
#endif
};

[[nodiscard]] inline dnnl::memory::desc activation(const Shape& shape, Layout layout) {
  using tag = dnnl::memory::format_tag;
  return {{shape[0], shape[1], shape[2], shape[3]},
          dnnl::memory::data_type::f32,
          layout == Layout::nhwc ? tag::nhwc : tag::nchw};
}

/// Weights of a correlation: plain as they stand in our tensors, or in whatever form the primitive prefers.
[[nodiscard]] inline dnnl::memory::desc weights(const Correlation& c, bool plain) {
  using tag = dnnl::memory::format_tag;
  const auto type = dnnl::memory::data_type::f32;
  const Index maps = c.out_channels / c.groups, channels = c.in_channels / c.groups;
  if (c.groups == 1) return {{maps, channels, c.kernel_y, c.kernel_x}, type, plain ? tag::oihw : tag::any};
  return {{c.groups, maps, channels, c.kernel_y, c.kernel_x}, type, plain ? tag::goihw : tag::any};
}

/// Memory of our own handed to oneDNN, which takes no const pointers but does not write its sources.
template <class T>
[[nodiscard]] dnnl::memory wrap(const dnnl::memory::desc& desc, const T* data) {
  return {desc, engine(), const_cast<void*>(static_cast<const void*>(data))};
}

[[nodiscard]] inline dnnl::primitive_attr attributes(const std::optional<float>& negative_slope) {
  dnnl::primitive_attr attr;
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  if (negative_slope) {
    dnnl::post_ops ops;
#if DNNL_VERSION_MAJOR >= 3
    ops.append_eltwise(dnnl::algorithm::eltwise_relu, *negative_slope, 0.0f);
#else
    ops.append_eltwise(1.0f, dnnl::algorithm::eltwise_relu, *negative_slope, 0.0f);
#endif
    attr.set_post_ops(ops);
  }
  return attr;
}

struct Geometry {
  dnnl::memory::dims strides, dilations, before, after;
  explicit Geometry(const Correlation& c)
      : strides{c.stride_y, c.stride_x},
        dilations{c.dilation_y - 1, c.dilation_x - 1},
        before{c.top, c.left} {
    const Index below =
        (c.out_height - 1) * c.stride_y + (c.kernel_y - 1) * c.dilation_y + 1 - c.height - c.top;
    const Index right =
        (c.out_width - 1) * c.stride_x + (c.kernel_x - 1) * c.dilation_x + 1 - c.width - c.left;
    // Rows that no window reaches are no padding, unless there is a whole stride of them.
    after = {below < 0 && below > -c.stride_y ? 0 : below, right < 0 && right > -c.stride_x ? 0 : right};
  }
};

[[nodiscard]] inline dnnl::convolution_forward::primitive_desc forward_description(
    const Correlation& c, bool bias, const std::optional<float>& slope) {
  const auto src = activation(c.src_shape(), c.layout), dst = activation(c.dst_shape(), c.layout);
  const auto bias_desc =
      bias ? dnnl::memory::desc({c.out_channels}, dnnl::memory::data_type::f32, dnnl::memory::format_tag::x)
           : dnnl::memory::desc();
  const Geometry g(c);
  const auto kind = dnnl::prop_kind::forward_inference;
  const auto algorithm = dnnl::algorithm::convolution_direct;
#if DNNL_VERSION_MAJOR >= 3
  return {engine(), kind,      algorithm,   src,      weights(c, false), bias_desc,
          dst,      g.strides, g.dilations, g.before, g.after,           attributes(slope)};
#else
  return {
      {kind, algorithm, src, weights(c, false), bias_desc, dst, g.strides, g.dilations, g.before, g.after},
      attributes(slope),
      engine()};
#endif
}

}  // namespace onednn

/// A primitive for one geometry with its weights in the form that it prefers; immutable, so that many threads
/// may run it.
class OneDnnCorrelation {
 public:
  /// Compiles the primitive and repacks the weights. Throws dnnl::error when oneDNN cannot do this geometry.
  OneDnnCorrelation(const Context<Cpu>& context, const Correlation& c, const float* weights, bool bias,
                    const std::optional<float>& negative_slope, const OneDnnCorrelation* shares_weights_with)
      : c_(c), threads_(context.threads()) {
    const onednn::ThreadScope scope(threads_);
    const auto description = onednn::forward_description(c, bias, negative_slope);
    primitive_ = dnnl::convolution_forward(description);
    src_ = description.src_desc();
    dst_ = description.dst_desc();
    scratch_ = description.scratchpad_desc();
    const auto wanted = description.weights_desc();
    if (shares_weights_with != nullptr && shares_weights_with->weights_.get_desc() == wanted) {
      weights_ = shares_weights_with->weights_;
      storage_ = shares_weights_with->storage_;
    } else {
      storage_ = std::make_shared<Tensor<std::uint8_t, Cpu>>(Shape{static_cast<Index>(wanted.get_size())});
      weights_ = dnnl::memory(wanted, onednn::engine(), storage_->data());
      auto plain = onednn::wrap(onednn::weights(c, true), weights);
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
    if (bias != nullptr)
      arguments.emplace(DNNL_ARG_BIAS,
                        onednn::wrap(dnnl::memory::desc({c_.out_channels}, dnnl::memory::data_type::f32,
                                                        dnnl::memory::format_tag::x),
                                     bias));
    primitive_.execute(onednn::stream(), arguments);
    onednn::stream().wait();
  }

 private:
  Correlation c_;
  int threads_;
  dnnl::convolution_forward primitive_;
  dnnl::memory::desc src_, dst_, scratch_;
  dnnl::memory weights_;
  std::shared_ptr<Tensor<std::uint8_t, Cpu>> storage_;
};

/// Gradient of a correlation's weights and, unless null, its bias by oneDNN, on the calling thread alone:
/// with more threads oneDNN divides the sums among them, and the bits would depend on their number. Throws
/// dnnl::error when it cannot.
inline void onednn_correlate_reverse_weights(const Context<Cpu>& context, const Correlation& c,
                                             const float* src, const float* diff_dst, float* diff_weights,
                                             float* diff_bias) {
  const onednn::ThreadScope scope(1);
  const auto hint = onednn::forward_description(c, diff_bias != nullptr, {});
  const onednn::Geometry g(c);
  const auto src_desc = onednn::activation(c.src_shape(), c.layout),
             dst_desc = onednn::activation(c.dst_shape(), c.layout);
  const auto bias_desc = diff_bias ? dnnl::memory::desc({c.out_channels}, dnnl::memory::data_type::f32,
                                                        dnnl::memory::format_tag::x)
                                   : dnnl::memory::desc();
  const auto algorithm = dnnl::algorithm::convolution_direct;
#if DNNL_VERSION_MAJOR >= 3
  const dnnl::convolution_backward_weights::primitive_desc description(
      onednn::engine(), algorithm, src_desc, onednn::weights(c, false), bias_desc, dst_desc, g.strides,
      g.dilations, g.before, g.after, hint, onednn::attributes({}));
#else
  const dnnl::convolution_backward_weights::primitive_desc description(
      {algorithm, src_desc, onednn::weights(c, false), bias_desc, dst_desc, g.strides, g.dilations, g.before,
       g.after},
      onednn::attributes({}), onednn::engine(), hint);
#endif
  const auto bytes = [](const dnnl::memory::desc& desc) {
    return Shape{static_cast<Index>(std::max<std::size_t>(desc.get_size(), 1))};
  };
  const auto packed = context.make<std::uint8_t>(bytes(description.diff_weights_desc()));
  const auto scratch = context.make<std::uint8_t>(bytes(description.scratchpad_desc()));
  auto packed_memory = onednn::wrap(description.diff_weights_desc(), packed.data());
  std::unordered_map<int, dnnl::memory> arguments{
      {DNNL_ARG_SRC, onednn::wrap(src_desc, src)},
      {DNNL_ARG_DIFF_DST, onednn::wrap(dst_desc, diff_dst)},
      {DNNL_ARG_DIFF_WEIGHTS, packed_memory},
      {DNNL_ARG_SCRATCHPAD, onednn::wrap(description.scratchpad_desc(), scratch.data())}};
  if (diff_bias != nullptr) arguments.emplace(DNNL_ARG_DIFF_BIAS, onednn::wrap(bias_desc, diff_bias));
  dnnl::convolution_backward_weights(description).execute(onednn::stream(), arguments);
  auto plain = onednn::wrap(onednn::weights(c, true), diff_weights);
  dnnl::reorder(packed_memory, plain).execute(onednn::stream(), packed_memory, plain);
  onednn::stream().wait();
}

}  // namespace deconv::cpu

#endif
