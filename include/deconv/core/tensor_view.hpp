#pragma once

#include <cstddef>
#include <ostream>
#include <span>
#include <type_traits>

#include "deconv/core/device.hpp"
#include "deconv/core/error.hpp"
#include "deconv/core/shape.hpp"

namespace deconv {

/// Refers to a dense tensor that something else owns: a pointer, a shape and, for rank 4, the layout in
/// memory. Cheap to copy. A `TensorView<T, D>` converts to `TensorView<const T, D>`. A view with a null
/// pointer stands for "no tensor" where a function says that it takes one optionally.
template <class T, Device D>
class TensorView {
 public:
  using value_type = std::remove_const_t<T>;

  TensorView() = default;
  /// Throws ShapeError when `layout` is nhwc and the rank is not 4.
  TensorView(T* data, const Shape& shape, Layout layout = Layout::nchw)
      : data_(data), shape_(shape), layout_(layout) {
    require<ShapeError>(layout == Layout::nchw || shape.rank() == 4, "layout nhwc needs rank 4, met shape ",
                        shape);
  }
  template <class U>
  requires(std::is_const_v<T>&& std::same_as<U, value_type>)
      TensorView(const TensorView<U, D>& other)  // NOLINT(google-explicit-constructor): the safe direction
      : data_(other.data()), shape_(other.shape()), layout_(other.layout()) {}

  [[nodiscard]] T* data() const noexcept { return data_; }
  [[nodiscard]] const Shape& shape() const noexcept { return shape_; }
  [[nodiscard]] Layout layout() const noexcept { return layout_; }
  [[nodiscard]] Index count() const noexcept { return shape_.count(); }
  [[nodiscard]] std::size_t rank() const noexcept { return shape_.rank(); }
  [[nodiscard]] std::size_t bytes() const noexcept { return static_cast<std::size_t>(count()) * sizeof(T); }
  [[nodiscard]] bool empty() const noexcept { return data_ == nullptr; }
  /// Extent of an axis; unchecked.
  [[nodiscard]] Index operator[](std::size_t axis) const noexcept { return shape_[axis]; }
  [[nodiscard]] std::span<T> span() const noexcept requires std::same_as<D, Cpu> {
    return {data_, static_cast<std::size_t>(count())};
  }
  [[nodiscard]] T* begin() const noexcept requires std::same_as<D, Cpu> { return data_; }
  [[nodiscard]] T* end() const noexcept requires std::same_as<D, Cpu> { return data_ + count(); }

  /// Offset of element (n, c, y, x) of a rank-4 tensor; unchecked.
  [[nodiscard]] Index offset(Index n, Index c, Index y, Index x) const noexcept {
    return layout_ == Layout::nchw ? ((n * shape_[1] + c) * shape_[2] + y) * shape_[3] + x
                                   : ((n * shape_[2] + y) * shape_[3] + x) * shape_[1] + c;
  }
  /// Element (n, c, y, x) of a rank-4 host tensor; unchecked.
  [[nodiscard]] T& operator()(Index n, Index c, Index y,
                              Index x) const noexcept requires std::same_as<D, Cpu> {
    return data_[offset(n, c, y, x)];
  }

  /// Images [first, first + count) of the outermost axis. Throws ShapeError when out of range.
  [[nodiscard]] TensorView slice(Index first, Index count) const {
    require<ShapeError>(rank() > 0 && first >= 0 && count >= 0 && first + count <= shape_[0], "slice [",
                        first, ", ", first + count, ") of shape ", shape_);
    const Index step = shape_[0] == 0 ? 0 : shape_.count() / shape_[0];
    return {data_ + first * step, shape_.with(0, count), layout_};
  }
  /// The same elements under another shape; for row-major tensors, or where all but one of C, H·W are 1.
  /// Throws ShapeError when the counts differ or the layout would not survive.
  [[nodiscard]] TensorView reshaped(const Shape& shape) const {
    require<ShapeError>(shape.count() == count(), "reshape of ", shape_, " to ", shape);
    require<ShapeError>(row_major(), "reshape of an nhwc tensor ", shape_);
    return {data_, shape, Layout::nchw};
  }
  /// Whether the memory order is that of row-major N,C,H,W (true of an nhwc tensor with one channel or one
  /// pixel).
  [[nodiscard]] bool row_major() const noexcept {
    return layout_ == Layout::nchw || shape_[1] == 1 || (shape_[2] == 1 && shape_[3] == 1);
  }

 private:
  T* data_ = nullptr;
  Shape shape_{0};
  Layout layout_ = Layout::nchw;
};

}  // namespace deconv
