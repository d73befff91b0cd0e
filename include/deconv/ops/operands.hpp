#pragma once

#include <string_view>
#include <type_traits>

#include "deconv/core/error.hpp"
#include "deconv/core/shape.hpp"
#include "deconv/core/tensor_view.hpp"

namespace deconv {

/// A tensor that an op reads. The element type of a call is deduced from what it writes, so that tensors and
/// mutable views convert here by themselves.
template <class T, Device D>
using Source = std::type_identity_t<TensorView<const T, D>>;

namespace detail {

/// Throws ShapeError unless `met` is `wanted`; `what` and `which` name the op and the operand.
inline void check_shape(std::string_view what, std::string_view which, const Shape& wanted,
                        const Shape& met) {
  require<ShapeError>(wanted == met, what, ": ", which, " wants shape ", wanted, ", met ", met);
}

/// Throws ShapeError unless `met` has the shape and layout of `wanted`.
template <class A, class B, Device D>
void check_alike(std::string_view what, std::string_view which, const TensorView<A, D>& wanted,
                 const TensorView<B, D>& met) {
  check_shape(what, which, wanted.shape(), met.shape());
  require<ShapeError>(wanted.layout() == met.layout(), what, ": ", which, " wants layout ",
                      name_of(wanted.layout()), ", met ", name_of(met.layout()));
}

/// Throws ShapeError unless both are of rank 4 and of one layout.
template <class A, class B, Device D>
void check_rank4_pair(std::string_view what, const TensorView<A, D>& a, const TensorView<B, D>& b) {
  require<ShapeError>(a.rank() == 4 && b.rank() == 4, what, ": wants tensors of rank 4, met ", a.shape(),
                      " and ", b.shape());
  require<ShapeError>(a.layout() == b.layout(), what, ": wants one layout, met ", name_of(a.layout()),
                      " and ", name_of(b.layout()));
}

/// A dense tensor seen along one axis: element (i, a, j) lies at (i * extent + a) * inner + j.
struct AxisSpan {
  Index outer = 1, extent = 1, inner = 1;
};

/// The axis may be negative. Throws ShapeError when there is no such axis.
inline AxisSpan axis_span(const Shape& shape, Layout layout, Index axis) {
  const std::size_t wanted = shape.normal_axis(axis);
  AxisSpan span;
  bool passed = false;
  for (std::size_t place = 0; place < shape.rank(); ++place) {
    constexpr std::size_t nhwc_order[4] = {0, 2, 3, 1};
    const std::size_t here = layout == Layout::nhwc ? nhwc_order[place] : place;
    if (here == wanted) {
      span.extent = shape[here];
      passed = true;
    } else {
      (passed ? span.inner : span.outer) *= shape[here];
    }
  }
  return span;
}

/// How many rows of `elements` elements are worth a thread.
constexpr Index row_grain(Index elements) noexcept {
  return elements >= 8192 ? 1 : 8192 / (elements < 1 ? 1 : elements);
}

}  // namespace detail
}  // namespace deconv
