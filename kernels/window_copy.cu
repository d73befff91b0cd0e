#include "window_copy.cuh"

#include <algorithm>
#include <bit>

#include "common/bits.cuh"
#include "common/launch.cuh"
#include "common/planes.cuh"
#include "deconv/ops/cuda/window_copy.hpp"

namespace deconv::cuda {
namespace {

constexpr unsigned threads = 256;

template <int N, class B>
void copy_window_units(const Context<Cuda>& context, const B* src, B outside, B* dst, Index planes,
                       Index height, Index row, Index first, Index last, WindowRows rows) {
  rows.by_row = Divider(row / N);
  rows.by_height = Divider(height);
  rows.first = static_cast<std::uint32_t>(first / N);
  rows.last = static_cast<std::uint32_t>(last / N);
  over_planes(planes, height, 1, row / N, [&](Index plane, const Box& box) {
    rows.units = box.count;
    launch(context, &copy_window_rows<B, N>, grid_for(parts_of<Index>(box.count, loads_in_flight), threads),
           threads, 0, src + plane * rows.height * rows.row, outside, dst + plane * height * row, rows);
  });
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
                     rows.left % width == 0 && rows.row % width == 0;
  if (whole && vector_aligned<width>(from, 0) && vector_aligned<width>(to, row))
    copy_window_units<width>(context, from, bits, to, planes.count, dst[2], row, first * planes.inner,
                             last * planes.inner, rows);
  else
    copy_window_units<1>(context, from, bits, to, planes.count, dst[2], row, first * planes.inner,
                         last * planes.inner, rows);
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
