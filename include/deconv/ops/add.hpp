#pragma once

#include "deconv/core/context.hpp"
#include "deconv/ops/concat.hpp"
#include "deconv/ops/cuda/add.hpp"
#include "deconv/ops/operands.hpp"

namespace deconv {

namespace cpu {
template <class T>
void add_forward(const Context<Cpu>& context, std::span<const TensorView<const T, Cpu>> sources,
                 TensorView<T, Cpu> dst);
template <class T>
void accumulate(const Context<Cpu>& context, TensorView<const T, Cpu> src, TensorView<T, Cpu> dst);
}  // namespace cpu

/// dst = the sum of one or more sources, added from first to last; half and bfloat16 in float, rounded once.
/// Any rank, one shape and layout; dst may be one of the sources. Throws ShapeError. Bytes: everything once.
template <class T, Device D>
void add_forward(const Context<D>& context, Sources<T, D> sources, TensorView<T, D> dst) {
  require<ShapeError>(!sources.empty(), "add_forward: wants at least one input");
  for (const auto& src : sources) detail::check_alike("add_forward", "input", dst, src);
  if constexpr (std::same_as<D, Cpu>)
    cpu::add_forward<T>(context, sources, dst);
  else
    cuda::add_forward<T>(context, sources, dst);
}

/// dst += src. Any rank, one shape and layout. Throws ShapeError. Bytes: src once, dst twice.
template <class T, Device D>
void accumulate(const Context<D>& context, Source<T, D> src, TensorView<T, D> dst) {
  detail::check_alike("accumulate", "src", dst, src);
  if constexpr (std::same_as<D, Cpu>)
    cpu::accumulate<T>(context, src, dst);
  else
    cuda::accumulate<T>(context, src, dst);
}

}  // namespace deconv

#include "deconv/ops/cpu/add.hpp"
