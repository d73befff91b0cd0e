#include "window_copy.cuh"

#include <algorithm>
#include <array>
#include <bit>

#include "common/bits.cuh"
#include "common/launch.cuh"
#include "common/planes.cuh"
#include "deconv/ops/cuda/window_copy.hpp"

namespace deconv::cuda {
namespace {

constexpr unsigned threads = 256;

/// 16 bytes full of one element.
template <class B>
[[nodiscard]] uint4 pieces_of(B element) {
  std::array<B, 16 / sizeof(B)> all;
  all.fill(element);
  return std::bit_cast<uint4>(all);
}

/// Calls body(src, outside, dst, n) with pointers to units of n elements: to pieces of 16 bytes where
/// `whole`.
template <class B, class Body>
void in_units(bool whole, const B* src, B outside, B* dst, const Body& body) {
  if (whole)
    body(reinterpret_cast<const uint4*>(src), pieces_of(outside), reinterpret_cast<uint4*>(dst),
         Index{vector_width<B>});
  else
    body(src, outside, dst, Index{1});
}

template <int N, class B>
void clear_units(const Context<Cuda>& context, B* windows, const WindowInsides& insides, Index number,
                 Index planes, Index height, Index row) {
  const Index units = number * planes * height * (row / N);
  launch(context, &clear_outside<B, N>, grid_for(units, threads), threads, 0, windows, insides,
         Divider(row / N), Divider(height), Divider(planes), static_cast<std::uint32_t>(units));
}

}  // namespace

template <class T>
void copy_windows(const Context<Cuda>& context, TensorView<const T, Cuda> src, Index top, Index left,
                  T outside, TensorView<T, Cuda> dst) {
  constexpr int width = vector_width<T>;
  const Planes planes(dst.shape(), dst.layout());
  const Index row = dst[3] * planes.inner;
  const Index first = std::clamp<Index>(-left, 0, dst[3]);
  const Index last = std::clamp<Index>(src[3] - left, first, dst[3]);
  WindowRows rows;
  // A window that misses its plane is outside everywhere; its place may be too far off to be multiplied.
  const bool misses = first == last || top >= src[2] || top <= -dst[2];
  rows.height = misses ? 0 : src[2];
  rows.top = misses ? 0 : top;
  rows.row = src[3] * planes.inner;
  rows.left = misses ? 0 : left * planes.inner;
  const auto bits = std::bit_cast<Bits<T>>(outside);
  const auto* from = as_bits(src.data());
  auto* to = as_bits(dst.data());
  const bool whole = (first * planes.inner) % width == 0 && (last * planes.inner) % width == 0 &&
                     rows.left % width == 0 && rows.row % width == 0 && vector_aligned<width>(from, 0) &&
                     vector_aligned<width>(to, row);
  in_units(whole, from, bits, to, [&]<class U>(const U* source, U around, U* target, Index n) {
    rows.by_row = Divider(row / n);
    rows.by_height = Divider(dst[2]);
    rows.first = static_cast<std::uint32_t>(first * planes.inner / n);
    rows.last = static_cast<std::uint32_t>(last * planes.inner / n);
    rows.row /= n;
    rows.left /= n;
    over_planes(planes.count, dst[2], 1, row / n, [&](Index plane, const Box& box) {
      rows.units = box.count;
      launch(context, &copy_window_rows<U>, grid_for(parts_of<Index>(box.count, loads_in_flight), threads),
             threads, 0, source + plane * rows.height * rows.row, around, target + plane * dst[2] * (row / n),
             rows);
    });
  });
}

template <class T>
void gather_windows(const Context<Cuda>& context,
                    std::span<const WindowPlace<TensorView<const T, Cuda>>> places, T outside,
                    TensorView<T, Cuda> dst) {
  constexpr int width = vector_width<T>;
  const TensorView<const T, Cuda>& like = places.front().planes;
  const Planes window(dst.shape().with(0, 1), dst.layout());
  const Index inner = window.inner, height = dst[2], row = dst[3] * inner, each = window.count * height * row;
  // Numbers that count elements of a row, or rows, stay well within 32 bits.
  constexpr Index most_elements = Index{1} << 29;
  require<ShapeError>(each <= divider_limit && like[3] * inner <= most_elements && like[2] <= most_elements &&
                          row <= most_elements && height <= most_elements,
                      "gather_windows: windows ", dst.shape(), " of ", like.shape(),
                      " are too large for this op on a GPU");
  const auto bits = std::bit_cast<Bits<T>>(outside);
  auto* to = as_bits(dst.data());
  const Index image = like[1] * like[2] * like[3];
  const Index at_once = std::min<Index>(WindowPlaces::most, divider_limit / each);
  for (Index begin = 0; begin < dst[0]; begin += at_once) {
    const Index number = std::min(at_once, dst[0] - begin);
    WindowPlaces there{};
    bool whole = like[3] * inner % width == 0 && vector_aligned<width>(to + begin * each, row);
    for (Index i = 0; i < number; ++i) {
      const auto& place = places[static_cast<std::size_t>(begin + i)];
      const T* data = place.planes.data() + place.image * image;
      // A window that misses its plane does so from nearby too.
      const Index top = std::clamp<Index>(place.top, -height, like[2]);
      const Index left = std::clamp<Index>(place.left, -dst[3], like[3]) * inner;
      there.at[i] = {data, static_cast<std::int32_t>(top), static_cast<std::int32_t>(left)};
      whole = whole && vector_aligned<width>(data, left);
    }
    in_units<Bits<T>>(whole, nullptr, bits, to + begin * each,
                      [&]<class U>(const U*, U around, U* target, Index n) {
                        for (Index i = 0; i < number; ++i) there.at[i].left /= static_cast<std::int32_t>(n);
                        WindowGrid grid;
                        grid.by_row = Divider(row / n);
                        grid.by_height = Divider(height);
                        grid.by_planes = Divider(window.count);
                        grid.units = static_cast<std::uint32_t>(number * each / n);
                        grid.height = static_cast<std::int32_t>(like[2]);
                        grid.row = static_cast<std::int32_t>(like[3] * inner / n);
                        launch(context, &gather_window_rows<U>,
                               grid_for(parts_of<Index>(grid.units, loads_in_flight), threads), threads, 0,
                               there, around, target, grid);
                      });
  }
}

template <class T>
void zero_outside(const Context<Cuda>& context, TensorView<T, Cuda> windows, std::span<const Index> tops,
                  std::span<const Index> lefts, Index plane_height, Index plane_width) {
  constexpr int width = vector_width<T>;
  const Index inner = windows.layout() == Layout::nhwc ? windows[1] : 1;
  const Index planes = windows[1] / inner, height = windows[2], row = windows[3] * inner;
  const Index each = planes * height * row;
  require<ShapeError>(each <= divider_limit, "zero_outside: windows ", windows.shape(),
                      " are too large for this op on a GPU");
  auto* to = as_bits(windows.data());
  const bool wide = vector_aligned<width>(to, inner);
  const Index unit = wide ? width : 1;
  const Index at_once = std::min<Index>(WindowInsides::most, divider_limit / each);
  for (Index begin = 0; begin < windows[0]; begin += at_once) {
    const Index number = std::min(at_once, windows[0] - begin);
    WindowInsides insides{};
    for (Index i = 0; i < number; ++i) {
      const Index top = tops[static_cast<std::size_t>(begin + i)];
      const Index left = lefts[static_cast<std::size_t>(begin + i)];
      const Index first_row = std::clamp<Index>(-top, 0, height);
      const Index first = std::clamp<Index>(-left, 0, windows[3]);
      const auto place = [](Index value) { return static_cast<std::uint32_t>(value); };
      insides.at[i] = {place(first_row), place(std::clamp(plane_height - top, first_row, height)),
                       place(first * inner / unit),
                       place(std::clamp(plane_width - left, first, windows[3]) * inner / unit)};
    }
    if (wide)
      clear_units<width>(context, to + begin * each, insides, number, planes, height, row);
    else
      clear_units<1>(context, to + begin * each, insides, number, planes, height, row);
  }
}

#define DECONV_COPY(T)                                                                            \
  template void copy_windows<T>(const Context<Cuda>&, TensorView<const T, Cuda>, Index, Index, T, \
                                TensorView<T, Cuda>);                                             \
  template void gather_windows<T>(const Context<Cuda>&,                                           \
                                  std::span<const WindowPlace<TensorView<const T, Cuda>>>, T,     \
                                  TensorView<T, Cuda>);
#define DECONV_INSTANCE(T)                                                                         \
  DECONV_COPY(T)                                                                                   \
  template void zero_outside<T>(const Context<Cuda>&, TensorView<T, Cuda>, std::span<const Index>, \
                                std::span<const Index>, Index, Index);
DECONV_INSTANCE(float)
DECONV_INSTANCE(half)
DECONV_INSTANCE(bfloat16)
DECONV_COPY(std::uint8_t)
DECONV_COPY(std::uint16_t)
DECONV_COPY(std::uint32_t)
#undef DECONV_INSTANCE
#undef DECONV_COPY

}  // namespace deconv::cuda
