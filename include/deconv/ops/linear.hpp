#pragma once

#include "deconv/core/context.hpp"
#include "deconv/core/tensor.hpp"
#include "deconv/ops/cpu/matrix_product.hpp"
#include "deconv/ops/cuda/linear.hpp"
#include "deconv/ops/operands.hpp"

namespace deconv {

/// What repeated products with the same weights share; see Conv2dCache.
template <class T, Device D>
struct LinearCache;
template <class T>
struct LinearCache<T, Cpu> : cpu::ProductCache<T> {};
template <class T>
struct LinearCache<T, Cuda> {
  void clear() {}
};

namespace detail {

inline void check_linear(const Shape& src, const Shape& weights, const Shape& bias, bool has_bias,
                         const Shape& dst, std::string_view what) {
  require<ShapeError>(src.rank() == 2 && weights.rank() == 2 && dst.rank() == 2 && src[1] == weights[1] &&
                          dst[1] == weights[0] && src[0] == dst[0],
                      what, ": input ", src, ", weights ", weights, " and output ", dst, " do not fit");
  require<ShapeError>(!has_bias || bias.count() == weights[0], what, ": wants a bias of ", weights[0],
                      ", met ", bias);
}

}  // namespace detail

/// dst = src * weights^T + bias: src N x F, weights O x F, bias O or empty, dst N x O, then rectified when
/// `negative_slope` is given. Throws ShapeError when they do not fit. Cost: 2 N F O flops; the weights' O F
/// bytes dominate for small N.
template <class T, Device D>
void linear_forward(const Context<D>& context, Source<T, D> src, Source<T, D> weights, Source<T, D> bias,
                    TensorView<T, D> dst, std::optional<float> negative_slope = {},
                    [[maybe_unused]] LinearCache<T, D>* cache = nullptr) {
  detail::check_linear(src.shape(), weights.shape(), bias.shape(), !bias.empty(), dst.shape(), "linear");
  if (dst.count() == 0) return;
  if constexpr (std::same_as<D, Cpu>) {
    LinearCache<T, Cpu> own;
    cpu::product_forward<T>(context, src, weights, bias.data(), dst, negative_slope, cache ? *cache : own);
  } else {
    cuda::linear_forward<T>(context, src, weights, bias.data(), dst, negative_slope);
  }
}

/// diff_src (N x F) = diff_dst (N x O) * weights (O x F). Throws ShapeError. Cost: 2 N F O flops.
template <class T, Device D>
void linear_reverse_data(const Context<D>& context, Source<T, D> diff_dst, Source<T, D> weights,
                         TensorView<T, D> diff_src) {
  detail::check_linear(diff_src.shape(), weights.shape(), {}, false, diff_dst.shape(), "linear reverse");
  if constexpr (std::same_as<D, Cpu>)
    cpu::product_reverse_data<T>(context, diff_dst, weights, diff_src);
  else
    cuda::linear_reverse_data<T>(context, diff_dst, weights, diff_src);
}

/// diff_weights (O x F) = diff_dst^T * src and, unless empty, diff_bias (O), summed over the images. Throws
/// ShapeError. Cost: 2 N F O flops.
template <class T, Device D>
void linear_reverse_weights(const Context<D>& context, Source<T, D> src, Source<T, D> diff_dst,
                            TensorView<T, D> diff_weights, std::type_identity_t<TensorView<T, D>> diff_bias) {
  detail::check_linear(src.shape(), diff_weights.shape(), diff_bias.shape(), !diff_bias.empty(),
                       diff_dst.shape(), "linear reverse to weights");
  if constexpr (std::same_as<D, Cpu>)
    cpu::product_reverse_weights<T>(context, src, diff_dst, diff_weights, diff_bias);
  else
    cuda::linear_reverse_weights<T>(context, src, diff_dst, diff_weights, diff_bias.data());
}

}  // namespace deconv
