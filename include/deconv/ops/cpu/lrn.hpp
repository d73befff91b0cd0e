#pragma once

#include <Eigen/Core>
#include <algorithm>
#include <cmath>

#include "deconv/core/parallel.hpp"
#include "deconv/ops/lrn.hpp"

namespace deconv::cpu {
namespace detail {

/// sums[i] = values[i - before * step] + ... + values[i + behind * step], with 0 outside [0, count).
template <class T>
void window_sums(const T* __restrict values, Index count, Index step, Index before, Index behind,
                 T* __restrict sums) {
  if (before == 2 && behind == 2 && count >= 4 * step) {  // one pass for the common size 5
    const Index edge = 2 * step;
    const auto clipped = [&](Index i) {
      T sum = T(0);
      for (Index j = std::max(i - edge, i % step); j <= std::min(i + edge, count - 1); j += step)
        sum += values[j];
      sums[i] = sum;
    };
    for (Index i = 0; i < edge; ++i) clipped(i);
#pragma omp simd
    for (Index i = edge; i < count - edge; ++i)
      sums[i] = values[i - 2 * step] + values[i - step] + values[i] + values[i + step] + values[i + 2 * step];
    for (Index i = count - edge; i < count; ++i) clipped(i);
    return;
  }
  std::fill_n(sums, count, T(0));
  // Shifts past the ends add nothing.
  const Index most = count / step;
  for (Index j = -std::min(before, most); j <= std::min(behind, most); ++j) {
    const Index shift = j * step;
    const Index first = std::max<Index>(0, -shift), last = std::min(count, count - shift);
#pragma omp simd
    for (Index i = first; i < last; ++i) sums[i] += values[i + shift];
  }
}

/// powers[i] = (k + a * powers[i])^-beta.
template <class T>
void normalisers(T* powers, Index count, const LrnParams& params) {
  Eigen::Map<Eigen::Array<T, Eigen::Dynamic, 1>, Eigen::Aligned64> s(powers, count);
  const T k = static_cast<T>(params.k), a = static_cast<T>(deconv::detail::lrn_scale(params));
  if (params.beta == 0.75f)
    s = ((s * a + k).sqrt() * (s * a + k).sqrt().sqrt()).inverse();
  else if (params.beta == 0.5f)
    s = (s * a + k).sqrt().inverse();
  else if (params.beta == 1.0f)
    s = (s * a + k).inverse();
  else
    for (Index i = 0; i < count; ++i) powers[i] = std::pow(k + a * powers[i], -static_cast<T>(params.beta));
}

/// Scratch memory of one thread; 64-byte aligned, so that vector loops split alike in every run.
template <class T>
class Scratch {
 public:
  Scratch(const Context<Cpu>& context, Index count)
      : buffer_(context.workspace()->take(static_cast<std::size_t>(count) * sizeof(T))) {}
  [[nodiscard]] T* data() const noexcept { return static_cast<T*>(buffer_.data()); }

 private:
  Buffer<Cpu> buffer_;
};

/// Across channels, a tensor falls into blocks that do not touch each other: some pixels with all their
/// channels. In nhwc a block is contiguous; in nchw it is gathered from the planes, channel by channel.
struct ChannelBlocks {
  Index channels, plane, pixels, in_image, count;
  bool woven;  ///< nhwc
  ChannelBlocks(const Shape& shape, Layout layout)
      : channels(shape[1]), plane(shape[2] * shape[3]), woven(layout == Layout::nhwc) {
    pixels = std::clamp<Index>(4096 / channels, woven ? 1 : 16, plane);
    in_image = (plane + pixels - 1) / pixels;
    count = shape[0] * in_image;
  }
  [[nodiscard]] Index elements() const noexcept { return pixels * channels; }
  /// Pixels of block `block` and the offset of its first element.
  [[nodiscard]] Index size(Index block) const noexcept {
    return std::min(pixels, plane - block % in_image * pixels);
  }
  [[nodiscard]] Index begin(Index block) const noexcept {
    const Index pixel = block % in_image * pixels;
    return block / in_image * plane * channels + pixel * (woven ? channels : 1);
  }
  /// Sums over `before` channels before to `behind` channels behind, in the block's own order.
  template <class T>
  void sum(const T* values, Index size, Index before, Index behind, T* sums) const {
    if (woven) {
      for (Index i = 0; i < size; ++i)
        window_sums(values + i * channels, channels, Index{1}, before, behind, sums + i * channels);
    } else {
      window_sums(values, size * channels, size, before, behind, sums);
    }
  }
  /// Calls body(offset in the tensor, offset in the block, count) for each contiguous run of a block.
  template <class Body>
  void runs(Index block, const Body& body) const {
    const Index size_here = size(block), first = begin(block);
    if (woven) return body(first, Index{0}, size_here * channels);
    for (Index c = 0; c < channels; ++c) body(first + c * plane, c * size_here, size_here);
  }
};

template <class T>
void lrn_across(const Context<Cpu>& context, const T* src, const Shape& shape, Layout layout,
                const LrnParams& params, T* dst) {
  const ChannelBlocks blocks(shape, layout);
  const Index before = (params.size - 1) / 2, behind = params.size / 2;
  parallel_ranges(context, blocks.count, 4, [&](Index first, Index last) {
    const Scratch<T> squares(context, blocks.elements()), powers(context, blocks.elements());
    T *q = squares.data(), *s = powers.data();
    for (Index block = first; block < last; ++block) {
      const Index size = blocks.size(block);
      blocks.runs(block, [&](Index there, Index here, Index count) {
#pragma omp simd
        for (Index i = 0; i < count; ++i) q[here + i] = src[there + i] * src[there + i];
      });
      blocks.sum(q, size, before, behind, s);
      normalisers(s, size * blocks.channels, params);
      blocks.runs(block, [&](Index there, Index here, Index count) {
#pragma omp simd
        for (Index i = 0; i < count; ++i) dst[there + i] = src[there + i] * s[here + i];
      });
    }
  });
}

template <class T>
void lrn_across_reverse(const Context<Cpu>& context, const T* src, const T* diff_dst, const Shape& shape,
                        Layout layout, const LrnParams& params, T* diff_src) {
  const ChannelBlocks blocks(shape, layout);
  const Index before = (params.size - 1) / 2, behind = params.size / 2;
  const T k = static_cast<T>(params.k), a = static_cast<T>(deconv::detail::lrn_scale(params));
  const T factor = 2 * a * static_cast<T>(params.beta);
  parallel_ranges(context, blocks.count, 4, [&](Index first, Index last) {
    const Scratch<T> first_buffer(context, blocks.elements()), powers(context, blocks.elements()),
        ratios(context, blocks.elements());
    T *q = first_buffer.data(), *s = powers.data(), *t = ratios.data();
    for (Index block = first; block < last; ++block) {
      const Index size = blocks.size(block), elements = size * blocks.channels;
      blocks.runs(block, [&](Index there, Index here, Index count) {
#pragma omp simd
        for (Index i = 0; i < count; ++i) q[here + i] = src[there + i] * src[there + i];
      });
      blocks.sum(q, size, before, behind, s);
#pragma omp simd
      for (Index i = 0; i < elements; ++i) t[i] = T(1) / (k + a * s[i]);
      normalisers(s, elements, params);
      blocks.runs(block, [&](Index there, Index here, Index count) {
#pragma omp simd
        for (Index i = 0; i < count; ++i) t[here + i] *= diff_dst[there + i] * src[there + i] * s[here + i];
      });
      blocks.sum(t, size, behind, before, q);
      blocks.runs(block, [&](Index there, Index here, Index count) {
#pragma omp simd
        for (Index i = 0; i < count; ++i)
          diff_src[there + i] = diff_dst[there + i] * s[here + i] - factor * src[there + i] * q[here + i];
      });
    }
  });
}

/// Within channels, a tensor is a stack of images of `height` rows; a row's neighbours to left and right lie
/// `step` apart.
struct ImageRows {
  Index height, row, step, count;
  ImageRows(const Shape& shape, Layout layout) : height(shape[2]) {
    step = layout == Layout::nhwc ? shape[1] : 1;
    row = shape[3] * step;
    count = shape[0] * (layout == Layout::nhwc ? 1 : shape[1]) * height;
  }
  /// sums = over `before` rows and columns before to `behind` behind, of value(offset in the tensor);
  /// `column` is scratch.
  template <class T, class Value>
  void sum(Index line, Index before, Index behind, const Value& value, T* column, T* sums) const {
    const Index y = line % height, top = std::max<Index>(0, y - before),
                bottom = std::min(height - 1, y + behind);
    std::fill_n(column, row, T(0));
    for (Index other = top; other <= bottom; ++other) {
      const Index at = (line - y + other) * row;
#pragma omp simd
      for (Index i = 0; i < row; ++i) column[i] += value(at + i);
    }
    window_sums(column, row, step, before, behind, sums);
  }
};

template <class T>
void lrn_within(const Context<Cpu>& context, const T* src, const Shape& shape, Layout layout,
                const LrnParams& params, T* dst) {
  const ImageRows rows(shape, layout);
  const Index before = (params.size - 1) / 2, behind = params.size / 2;
  parallel_ranges(context, rows.count, deconv::detail::row_grain(rows.row * 4), [&](Index first, Index last) {
    const Scratch<T> column(context, rows.row), powers(context, rows.row);
    T* s = powers.data();
    for (Index line = first; line < last; ++line) {
      rows.sum(
          line, before, behind, [src](Index i) { return src[i] * src[i]; }, column.data(), s);
      normalisers(s, rows.row, params);
      const Index at = line * rows.row;
#pragma omp simd
      for (Index i = 0; i < rows.row; ++i) dst[at + i] = src[at + i] * s[i];
    }
  });
}

template <class T>
void lrn_within_reverse(const Context<Cpu>& context, const T* src, const T* diff_dst, const Shape& shape,
                        Layout layout, const LrnParams& params, T* diff_src) {
  const ImageRows rows(shape, layout);
  const Index before = (params.size - 1) / 2, behind = params.size / 2,
              grain = deconv::detail::row_grain(rows.row * 4);
  const T k = static_cast<T>(params.k), a = static_cast<T>(deconv::detail::lrn_scale(params));
  const T factor = 2 * a * static_cast<T>(params.beta);
  // Whole tensors, since a row's ratios are wanted by several rows.
  const Scratch<T> all_powers(context, rows.count * rows.row), all_ratios(context, rows.count * rows.row);
  T *powers = all_powers.data(), *ratios = all_ratios.data();
  parallel_ranges(context, rows.count, grain, [&](Index first, Index last) {
    const Scratch<T> column(context, rows.row), line_powers(context, rows.row);
    T* s = line_powers.data();
    for (Index line = first; line < last; ++line) {
      const Index at = line * rows.row;
      rows.sum(
          line, before, behind, [src](Index i) { return src[i] * src[i]; }, column.data(), s);
#pragma omp simd
      for (Index i = 0; i < rows.row; ++i) ratios[at + i] = T(1) / (k + a * s[i]);
      normalisers(s, rows.row, params);
#pragma omp simd
      for (Index i = 0; i < rows.row; ++i) {
        powers[at + i] = s[i];
        ratios[at + i] *= diff_dst[at + i] * src[at + i] * s[i];
      }
    }
  });
  parallel_ranges(context, rows.count, grain, [&](Index first, Index last) {
    const Scratch<T> column(context, rows.row), sums(context, rows.row);
    T* sum = sums.data();
    for (Index line = first; line < last; ++line) {
      const Index at = line * rows.row;
      rows.sum(
          line, behind, before, [ratios](Index i) { return ratios[i]; }, column.data(), sum);
#pragma omp simd
      for (Index i = 0; i < rows.row; ++i)
        diff_src[at + i] = diff_dst[at + i] * powers[at + i] - factor * src[at + i] * sum[i];
    }
  });
}

}  // namespace detail

template <class T>
void lrn_forward(const Context<Cpu>& context, TensorView<const T, Cpu> src, const LrnParams& params,
                 TensorView<T, Cpu> dst) {
  if (params.region == LrnRegion::across_channels)
    detail::lrn_across(context, src.data(), src.shape(), src.layout(), params, dst.data());
  else
    detail::lrn_within(context, src.data(), src.shape(), src.layout(), params, dst.data());
}

template <class T>
void lrn_reverse(const Context<Cpu>& context, TensorView<const T, Cpu> src, TensorView<const T, Cpu> diff_dst,
                 const LrnParams& params, TensorView<T, Cpu> diff_src) {
  if (params.region == LrnRegion::across_channels)
    detail::lrn_across_reverse(context, src.data(), diff_dst.data(), src.shape(), src.layout(), params,
                               diff_src.data());
  else
    detail::lrn_within_reverse(context, src.data(), diff_dst.data(), src.shape(), src.layout(), params,
                               diff_src.data());
}

}  // namespace deconv::cpu
