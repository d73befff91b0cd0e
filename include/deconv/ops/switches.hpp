#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "deconv/core/tensor.hpp"
#include "deconv/ops/operands.hpp"

namespace deconv {

/// Refers to pooling switches that something else owns. `Byte` is std::byte, or const std::byte for switches
/// that are only read. An empty view stands for "no switches".
template <class Byte, Device D>
class SwitchesView {
 public:
  SwitchesView() = default;
  /// Throws ShapeError unless `width` is 1, 2 or 4 bytes and the shape has rank 4.
  SwitchesView(Byte* data, const Shape& shape, Layout layout, int width)
      : data_(data), shape_(shape), layout_(layout), width_(width) {
    require<ShapeError>(shape.rank() == 4 && (width == 1 || width == 2 || width == 4),
                        "switches want rank 4 and 1, 2 or 4 bytes each, met ", shape, " and ", width);
  }
  template <class U>
  requires(std::is_const_v<Byte> && !std::is_const_v<U>) SwitchesView(
      const SwitchesView<U, D>& other)  // NOLINT(google-explicit-constructor): the safe direction
      : data_(other.data()), shape_(other.shape()), layout_(other.layout()), width_(other.width()) {}

  [[nodiscard]] Byte* data() const noexcept { return data_; }
  [[nodiscard]] const Shape& shape() const noexcept { return shape_; }
  [[nodiscard]] Layout layout() const noexcept { return layout_; }
  /// Bytes of one switch: 1, 2 or 4.
  [[nodiscard]] int width() const noexcept { return width_; }
  [[nodiscard]] bool empty() const noexcept { return data_ == nullptr; }
  [[nodiscard]] std::size_t bytes() const noexcept {
    return static_cast<std::size_t>(shape_.count()) * static_cast<std::size_t>(width_);
  }

  /// Calls `body` with the switches as a TensorView of std::uint8_t, std::uint16_t or std::uint32_t (const
  /// where Byte is).
  template <class Body>
  decltype(auto) visit(const Body& body) const {
    if (width_ == 1) return body(as<std::uint8_t>());
    if (width_ == 2) return body(as<std::uint16_t>());
    return body(as<std::uint32_t>());
  }
  /// The tap of output (n, c, p, q); unchecked. For tests and single units; ops use visit().
  [[nodiscard]] Index at(Index n, Index c, Index p, Index q) const requires std::same_as<D, Cpu> {
    return visit([&](auto view) { return static_cast<Index>(view(n, c, p, q)); });
  }
  /// Images [first, first + count). Throws ShapeError when out of range.
  [[nodiscard]] SwitchesView slice(Index first, Index count) const {
    require<ShapeError>(first >= 0 && count >= 0 && first + count <= shape_[0], "slice [", first, ", ",
                        first + count, ") of switches ", shape_);
    const Index step = shape_[0] == 0 ? 0 : shape_.count() / shape_[0];
    return {data_ + first * step * width_, shape_.with(0, count), layout_, width_};
  }

 private:
  template <class U>
  [[nodiscard]] auto as() const {
    using Element = std::conditional_t<std::is_const_v<Byte>, const U, U>;
    return TensorView<Element, D>(reinterpret_cast<Element*>(data_), shape_, layout_);
  }

  Byte* data_ = nullptr;
  Shape shape_{0, 0, 0, 0};
  Layout layout_ = Layout::nchw;
  int width_ = 1;
};

/// Which tap won each pooling window: the index r * kernel_x + s of the maximum, one for each output, in the
/// output's shape and layout. One byte each up to 256 taps a window, two up to 65536, else four.
template <Device D>
class Switches {
 public:
  Switches() = default;
  /// Uninitialised switches for an output of shape N x C x P x Q whose windows have `taps` taps. Throws
  /// ShapeError, DeviceError when memory is out.
  static Switches make(const Shape& shape, Layout layout, Index taps,
                       const std::shared_ptr<Workspace<D>>& home) {
    Switches made;
    const int width = width_for(taps);
    made.view_ = {nullptr, shape, layout, width};
    made.buffer_ = home->take(made.view_.bytes());
    made.view_ = {static_cast<std::byte*>(made.buffer_.data()), shape, layout, width};
    return made;
  }
  Switches(Switches&& other) noexcept { *this = std::move(other); }
  Switches& operator=(Switches&& other) noexcept {
    buffer_ = std::move(other.buffer_);
    view_ = std::exchange(other.view_, {});
    return *this;
  }

  /// Bytes of one switch for windows of `taps` taps. Throws ShapeError beyond 2^32 taps.
  [[nodiscard]] static int width_for(Index taps) {
    require<ShapeError>(taps >= 1 && taps <= Index{1} << 32, "switches of windows of ", taps, " taps");
    return taps <= 256 ? 1 : taps <= 65536 ? 2 : 4;
  }

  [[nodiscard]] bool empty() const noexcept { return view_.empty(); }
  [[nodiscard]] const Shape& shape() const noexcept { return view_.shape(); }
  [[nodiscard]] Layout layout() const noexcept { return view_.layout(); }
  [[nodiscard]] int width() const noexcept { return view_.width(); }
  [[nodiscard]] std::size_t bytes() const noexcept { return view_.bytes(); }
  [[nodiscard]] SwitchesView<std::byte, D> view() noexcept { return view_; }
  [[nodiscard]] SwitchesView<const std::byte, D> view() const noexcept { return view_; }
  operator SwitchesView<std::byte, D>() noexcept { return view_; }  // NOLINT(google-explicit-constructor)
  operator SwitchesView<const std::byte, D>() const noexcept {
    return view_;
  }  // NOLINT(google-explicit-constructor)

 private:
  Buffer<D> buffer_;
  SwitchesView<std::byte, D> view_;
};

}  // namespace deconv
