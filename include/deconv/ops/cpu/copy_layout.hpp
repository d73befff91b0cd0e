#pragma once

#include <algorithm>

#include "deconv/core/parallel.hpp"
#include "deconv/ops/copy_layout.hpp"

namespace deconv::cpu {
namespace detail {

/// dst[c * dst_stride + r] = src[r * src_stride + c] for r < rows, c < columns.
template <class T>
void transpose(const T* src, Index src_stride, Index rows, Index columns, T* __restrict dst,
               Index dst_stride) {
  constexpr Index tile = 16;
  for (Index row = 0; row < rows; row += tile)
    for (Index column = 0; column < columns; column += tile) {
      const T* from = src + row * src_stride + column;
      T* __restrict to = dst + column * dst_stride + row;
      const Index tile_rows = std::min(tile, rows - row), tile_columns = std::min(tile, columns - column);
      if (tile_rows == tile && tile_columns == tile) {
        for (Index c = 0; c < tile; ++c)
          for (Index r = 0; r < tile; ++r) to[c * dst_stride + r] = from[r * src_stride + c];
      } else {
        for (Index c = 0; c < tile_columns; ++c)
          for (Index r = 0; r < tile_rows; ++r) to[c * dst_stride + r] = from[r * src_stride + c];
      }
    }
}

/// Pixels of `Channels` channels from planes that lie `plane` elements apart.
template <Index Channels, class T>
void weave(const T* src, Index plane, Index pixels, T* __restrict dst) {
  for (Index i = 0; i < pixels; ++i)
    for (Index c = 0; c < Channels; ++c) dst[i * Channels + c] = src[c * plane + i];
}

/// The opposite of weave.
template <Index Channels, class T>
void unweave(const T* src, Index plane, Index pixels, T* __restrict dst) {
  for (Index c = 0; c < Channels; ++c)
    for (Index i = 0; i < pixels; ++i) dst[c * plane + i] = src[i * Channels + c];
}

/// Pixels [begin, end) of one image from planes to woven channels (`to_nhwc`) or back; the pointers are the
/// image's.
template <class T>
void convert_pixels(bool to_nhwc, const T* src, T* dst, Index channels, Index plane, Index begin, Index end) {
  const Index count = end - begin;
  if (to_nhwc) {
    if (channels == 3) return weave<3>(src + begin, plane, count, dst + begin * 3);
    transpose(src + begin, plane, channels, count, dst + begin * channels, channels);
  } else {
    if (channels == 3) return unweave<3>(src + begin * 3, plane, count, dst + begin);
    transpose(src + begin * channels, channels, count, channels, dst + begin, plane);
  }
}

}  // namespace detail

template <class T>
void copy_layout(const Context<Cpu>& context, TensorView<const T, Cpu> src, TensorView<T, Cpu> dst) {
  if (src.layout() == dst.layout() || (src.row_major() && dst.row_major())) {
    parallel_ranges(context, src.count(), 16384, [&](Index begin, Index end) {
      std::copy(src.data() + begin, src.data() + end, dst.data() + begin);
    });
    return;
  }
  const Index channels = src[1], plane = src[2] * src[3];
  // Strips of pixels, so that one large image occupies all threads and a strip's lines stay in cache.
  const Index strip = 256, strips = (plane + strip - 1) / strip;
  const auto body = [&](Index part) {
    const Index n = part / strips, begin = part % strips * strip, end = std::min(plane, begin + strip);
    const Index image = n * channels * plane;
    detail::convert_pixels(dst.layout() == Layout::nhwc, src.data() + image, dst.data() + image, channels,
                           plane, begin, end);
  };
  parallel_for(context, src[0] * strips, body, deconv::detail::row_grain(strip * channels));
}

}  // namespace deconv::cpu
