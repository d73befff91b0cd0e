#pragma once

#include <span>
#include <type_traits>
#include <vector>

#include "deconv/core/context.hpp"
#include "deconv/ops/cuda/concat.hpp"
#include "deconv/ops/operands.hpp"

namespace deconv {

/// Several tensors that an op reads.
template <class T, Device D>
using Sources = std::type_identity_t<std::span<const TensorView<const T, D>>>;

namespace cpu {
/// Copies between the whole and the part of it that begins at `offset` along `axis`.
template <class T>
void copy_into_part(const Context<Cpu>& context, TensorView<const T, Cpu> part, Index axis, Index offset,
                    TensorView<T, Cpu> whole);
template <class T>
void copy_from_part(const Context<Cpu>& context, TensorView<const T, Cpu> whole, Index axis, Index offset,
                    TensorView<T, Cpu> part);
}  // namespace cpu

namespace detail {

template <class A, class B, Device D>
void check_part(std::string_view what, const TensorView<A, D>& whole, Index axis, Index offset,
                const TensorView<B, D>& part) {
  const std::size_t at = whole.shape().normal_axis(axis);
  require<ShapeError>(part.rank() == whole.rank() && part.layout() == whole.layout(), what, ": part ",
                      part.shape(), " ", name_of(part.layout()), " does not fit ", whole.shape(), " ",
                      name_of(whole.layout()));
  require<ShapeError>(
      part.shape().with(axis, whole[at]) == whole.shape() && offset >= 0 && part[at] <= whole[at] - offset,
      what, ": part ", part.shape(), " at ", offset, " of axis ", axis, " does not fit ", whole.shape());
}

}  // namespace detail

/// The shape of tensors joined along `axis`, which may be negative. Throws ShapeError when there is none or
/// they do not fit.
[[nodiscard]] inline Shape concat_output_shape(std::span<const Shape> sources, Index axis,
                                               std::string_view what = "concat") {
  require<ShapeError>(!sources.empty(), what, ": wants at least one input");
  Index extent = 0;
  for (const Shape& shape : sources) {
    require<ShapeError>(shape.rank() == sources[0].rank() && shape.with(axis, 0) == sources[0].with(axis, 0),
                        what, ": ", shape, " does not fit ", sources[0], " along axis ", axis);
    extent += shape.extent(axis);
  }
  return sources[0].with(axis, extent);
}

/// dst = the sources one behind another along `axis` (negative: from the back). Any rank, one layout, no
/// overlap. Throws ShapeError. Bytes: everything once.
template <class T, Device D>
void concat_forward(const Context<D>& context, Sources<T, D> sources, Index axis, TensorView<T, D> dst) {
  std::vector<Shape> shapes;
  for (const auto& src : sources) shapes.push_back(src.shape());
  detail::check_shape("concat_forward", "dst", concat_output_shape(shapes, axis), dst.shape());
  Index offset = 0;
  for (const auto& src : sources) {
    detail::check_part("concat_forward", dst, axis, offset, src);
    if (src.count() > 0) {
      if constexpr (std::same_as<D, Cpu>)
        cpu::copy_into_part<T>(context, src, axis, offset, dst);
      else
        cuda::copy_into_part<T>(context, src, axis, offset, dst);
    }
    offset += src.shape().extent(axis);
  }
}

/// diff_src = the part of diff_dst that came from the source beginning at `offset` along `axis`. As
/// concat_forward.
template <class T, Device D>
void concat_reverse(const Context<D>& context, Source<T, D> diff_dst, Index axis, Index offset,
                    TensorView<T, D> diff_src) {
  detail::check_part("concat_reverse", diff_dst, axis, offset, diff_src);
  if (diff_src.count() == 0) return;
  if constexpr (std::same_as<D, Cpu>)
    cpu::copy_from_part<T>(context, diff_dst, axis, offset, diff_src);
  else
    cuda::copy_from_part<T>(context, diff_dst, axis, offset, diff_src);
}

}  // namespace deconv

#include "deconv/ops/cpu/concat.hpp"
