#pragma once

#include <algorithm>
#include <memory>
#include <span>
#include <utility>

#include "deconv/core/device.hpp"
#include "deconv/core/shape.hpp"
#include "deconv/core/tensor_view.hpp"
#include "deconv/core/workspace.hpp"

namespace deconv {

/// Owns a dense tensor. Moving is free; copying is spelled `clone()`, since it costs a pass over memory. The
/// elements are uninitialised unless said otherwise. Converts to TensorView.
template <class T, Device D>
class Tensor {
 public:
  using value_type = T;

  Tensor() = default;
  /// Uninitialised elements from `home`. Throws DeviceError when memory is out.
  Tensor(const Shape& shape, Layout layout, const std::shared_ptr<Workspace<D>>& home)
      : buffer_(home->take(static_cast<std::size_t>(shape.count()) * sizeof(T))),
        view_(static_cast<T*>(buffer_.data()), shape, layout) {}
  /// Host tensor outside any context.
  explicit Tensor(const Shape& shape, Layout layout = Layout::nchw) requires std::same_as<D, Cpu>
      : Tensor(shape, layout, host_workspace()) {}
  /// Host tensor with every element `value`.
  static Tensor filled(const Shape& shape, T value,
                       Layout layout = Layout::nchw) requires std::same_as<D, Cpu> {
    Tensor tensor(shape, layout);
    std::fill(tensor.begin(), tensor.end(), value);
    return tensor;
  }
  /// Host tensor with the given row-major values. Throws ShapeError when the count differs.
  static Tensor from(const Shape& shape, std::span<const T> values) requires std::same_as<D, Cpu> {
    require<ShapeError>(static_cast<Index>(values.size()) == shape.count(), "shape ", shape, " wants ",
                        shape.count(), " values, met ", values.size());
    Tensor tensor(shape);
    std::copy(values.begin(), values.end(), tensor.begin());
    return tensor;
  }
  Tensor(Tensor&& other) noexcept { *this = std::move(other); }
  Tensor& operator=(Tensor&& other) noexcept {
    buffer_ = std::move(other.buffer_);
    view_ = std::exchange(other.view_, {});
    return *this;
  }

  [[nodiscard]] Tensor clone() const requires std::same_as<D, Cpu> {
    if (empty()) return {};
    Tensor copy(shape(), layout(), buffer_.home());
    std::copy(begin(), end(), copy.begin());
    return copy;
  }
  /// The same memory under another shape; the conditions are TensorView::reshaped's.
  [[nodiscard]] Tensor reshaped(const Shape& shape) && {
    Tensor tensor;
    tensor.view_ = view_.reshaped(shape);
    tensor.buffer_ = std::move(buffer_);
    view_ = {};
    return tensor;
  }

  [[nodiscard]] T* data() noexcept { return view_.data(); }
  [[nodiscard]] const T* data() const noexcept { return view_.data(); }
  [[nodiscard]] const Shape& shape() const noexcept { return view_.shape(); }
  [[nodiscard]] Layout layout() const noexcept { return view_.layout(); }
  [[nodiscard]] Index count() const noexcept { return view_.count(); }
  [[nodiscard]] std::size_t rank() const noexcept { return view_.rank(); }
  [[nodiscard]] std::size_t bytes() const noexcept { return view_.bytes(); }
  [[nodiscard]] bool empty() const noexcept { return view_.empty(); }
  [[nodiscard]] Index operator[](std::size_t axis) const noexcept { return view_[axis]; }
  [[nodiscard]] T* begin() noexcept requires std::same_as<D, Cpu> { return view_.begin(); }
  [[nodiscard]] T* end() noexcept requires std::same_as<D, Cpu> { return view_.end(); }
  [[nodiscard]] const T* begin() const noexcept requires std::same_as<D, Cpu> { return view_.begin(); }
  [[nodiscard]] const T* end() const noexcept requires std::same_as<D, Cpu> { return view_.end(); }
  [[nodiscard]] std::span<T> span() noexcept requires std::same_as<D, Cpu> { return view_.span(); }
  [[nodiscard]] std::span<const T> span() const noexcept requires std::same_as<D, Cpu> {
    return view_.span();
  }
  [[nodiscard]] T& operator()(Index n, Index c, Index y, Index x) noexcept requires std::same_as<D, Cpu> {
    return view_(n, c, y, x);
  }
  [[nodiscard]] const T& operator()(Index n, Index c, Index y,
                                    Index x) const noexcept requires std::same_as<D, Cpu> {
    return view_(n, c, y, x);
  }

  [[nodiscard]] TensorView<T, D> view() noexcept { return view_; }
  [[nodiscard]] TensorView<const T, D> view() const noexcept { return view_; }
  operator TensorView<T, D>() noexcept { return view_; }              // NOLINT(google-explicit-constructor)
  operator TensorView<const T, D>() const noexcept { return view_; }  // NOLINT(google-explicit-constructor)

 private:
  Buffer<D> buffer_;
  TensorView<T, D> view_;
};

}  // namespace deconv
