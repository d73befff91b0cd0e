#pragma once

#include <type_traits>

#include "deconv/core/context.hpp"
#include "deconv/core/error.hpp"
#include "deconv/core/tensor.hpp"

// Tensors on their way between host and GPU.
namespace deconv {

namespace detail {

template <class A, Device DA, class B, Device DB>
void check_transfer(const TensorView<A, DA>& src, const TensorView<B, DB>& dst) {
  require<ShapeError>(src.shape() == dst.shape() && src.layout() == dst.layout(),
                      "transfer: a destination of shape ", src.shape(), " ", name_of(src.layout()),
                      " is wanted, met ", dst.shape(), " ", name_of(dst.layout()));
}

}  // namespace detail

/// dst = src, of one shape and layout, in the stream's order; returns when src may be changed. Throws
/// ShapeError, DeviceError.
template <class T>
void transfer(const Context<Cuda>& context, std::type_identity_t<TensorView<const T, Cpu>> src,
              TensorView<T, Cuda> dst) {
  detail::check_transfer(src, dst);
  if (src.count() > 0)
    cuda::copy_to_device(context.device(), context.stream(), dst.data(), src.data(), src.bytes());
}

/// dst = src, of one shape and layout; waits for the stream. Throws ShapeError, DeviceError.
template <class T>
void transfer(const Context<Cuda>& context, std::type_identity_t<TensorView<const T, Cuda>> src,
              TensorView<T, Cpu> dst) {
  detail::check_transfer(src, dst);
  if (src.count() > 0)
    cuda::copy_to_host(context.device(), context.stream(), dst.data(), src.data(), src.bytes());
  context.synchronise();
}

/// A copy of a host tensor on the context's device, in the same layout. Throws DeviceError.
template <class T, Device D>
[[nodiscard]] Tensor<std::remove_const_t<T>, D> to_device(const Context<D>& context, TensorView<T, Cpu> src) {
  using U = std::remove_const_t<T>;
  auto dst = context.template make<U>(src.shape(), src.layout());
  if constexpr (std::same_as<D, Cpu>)
    std::copy(src.begin(), src.end(), dst.begin());
  else
    transfer<U>(context, src, dst.view());
  return dst;
}

/// A host copy of a tensor, in the same layout; from a GPU it waits for the stream. Throws DeviceError.
template <class T, Device D>
[[nodiscard]] Tensor<std::remove_const_t<T>, Cpu> to_host(const Context<D>& context, TensorView<T, D> src) {
  using U = std::remove_const_t<T>;
  Tensor<U, Cpu> dst(src.shape(), src.layout());
  if constexpr (std::same_as<D, Cpu>)
    std::copy(src.begin(), src.end(), dst.begin());
  else
    transfer<U>(context, src, dst.view());
  return dst;
}

}  // namespace deconv
