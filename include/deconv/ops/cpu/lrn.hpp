#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>

#include "deconv/core/parallel.hpp"
#include "deconv/ops/cpu/lanes.hpp"
#include "deconv/ops/lrn.hpp"

namespace deconv::cpu {
namespace detail {

/// sums[i] = values[i] + values[i + step] + ... of `terms` terms, for i < count.
template <class T>
void running_sums(const T* values, Index count, Index step, Index terms, T* __restrict sums) {
  if (terms == 5) {  // the common size in one pass
    using Vector = typename Lanes<T>::Vector;
    if (over_lanes<T>(
            count, [&](Index i) __attribute__((always_inline)) {
              Vector sum{}, value;
#pragma GCC unroll 5
              for (Index j = 0; j < 5; ++j) {
                std::memcpy(&value, values + i + j * step, sizeof value);
                sum += value;
              }
              std::memcpy(sums + i, &sum, sizeof sum);
            }))
      return;
  }
  std::copy_n(values, count, sums);
  for (Index j = 1; j < terms; ++j) {
    const T* shifted = values + j * step;
#pragma omp simd
    for (Index i = 0; i < count; ++i) sums[i] += shifted[i];
  }
}

/// sums[i] = values[i - before * step] + ... + values[i + behind * step], with 0 outside [0, count).
template <class T>
void window_sums(const T* values, Index count, Index step, Index before, Index behind, T* __restrict sums) {
  const Index places = count / step;
  const auto clipped = [&](Index place) {
    T* sum = sums + place * step;
    std::fill_n(sum, step, T(0));
    for (Index j = std::max<Index>(0, place - before); j <= std::min(places - 1, place + behind); ++j)
      for (Index i = 0; i < step; ++i) sum[i] += values[j * step + i];
  };
  const Index first = std::min(before, places), last = std::max(first, places - behind);
  for (Index place = 0; place < first; ++place) clipped(place);
  if (last > first)
    running_sums(values + (first - before) * step, (last - first) * step, step, before + behind + 1,
                 sums + first * step);
  for (Index place = last; place < places; ++place) clipped(place);
}

/// roots[i] = values[i]^(-1/4) by Newton's method from a guess in the bits: multiplications only, where two
/// square roots and a division would take three times as long. Returns false, with nothing of worth in
/// `roots`, when there are too few values for a vector or one of them lies where the method does not hold.
template <class T>
bool inverse_fourth_roots(const T* values, Index count, T* roots) {
  using Vector = typename Lanes<T>::Vector;
  using Mask = typename Lanes<T>::Mask;
  using Integer = typename Lanes<T>::Integer;
  // 5/4 of the exponent's bias, less a constant that makes the guess right to 3 % everywhere.
  constexpr auto guess = static_cast<Integer>(sizeof(T) == 8 ? 0x4feb'195d'0000'0000 : 0x4f58'cae5);
  constexpr int steps = sizeof(T) == 8 ? 5 : 4;
  Mask outside{};
  const bool vectors = over_lanes<T>(
      count, [&](Index i) __attribute__((always_inline)) {
        Vector value;
        std::memcpy(&value, values + i, sizeof value);
        outside |= ~((value > T(1e-30)) & (value < T(1e30)));
        Vector root = reinterpret_cast<Vector>(guess - (reinterpret_cast<Mask>(value) >> 2));
        for (int step = 0; step < steps; ++step) {
          const Vector square = root * root;
          root *= T(1.25) - T(0.25) * value * (square * square);
        }
        std::memcpy(roots + i, &root, sizeof root);
      });
  bool holds = vectors;
  for (std::size_t lane = 0; lane < Lanes<T>::count; ++lane) holds = holds && outside[lane] == 0;
  return holds;
}

/// powers[i] = (k + a * sums[i])^-beta; `sums` is overwritten.
template <class T>
void normalisers(T* __restrict sums, Index count, const LrnParams& params, T* __restrict powers) {
  const T k = static_cast<T>(params.k), a = static_cast<T>(deconv::detail::lrn_scale(params));
#pragma omp simd
  for (Index i = 0; i < count; ++i) sums[i] = k + a * sums[i];
  if (params.beta == 1.0f) {
#pragma omp simd
    for (Index i = 0; i < count; ++i) powers[i] = T(1) / sums[i];
    return;
  }
  if ((params.beta == 0.75f || params.beta == 0.5f) && inverse_fourth_roots(sums, count, powers)) {
    if (params.beta == 0.75f)
      for (Index i = 0; i < count; ++i) powers[i] *= powers[i] * powers[i];
    else
      for (Index i = 0; i < count; ++i) powers[i] *= powers[i];
    return;
  }
  for (Index i = 0; i < count; ++i) powers[i] = std::pow(sums[i], -static_cast<T>(params.beta));
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
/// channels. In nhwc a block lies in one piece; in nchw it is gathered from the planes, channel by channel.
/// Values that are to be summed are held with 0s around their channels, so that sums need no care at the
/// ends.
class ChannelBlocks {
 public:
  ChannelBlocks(const Shape& shape, Layout layout, const LrnParams& params)
      : channels_(shape[1]),
        plane_(shape[2] * shape[3]),
        margin_before_(std::min((params.size - 1) / 2, channels_)),
        margin_behind_(std::min(params.size / 2, channels_)),
        woven_(layout == Layout::nhwc) {
    pixels_ = std::clamp<Index>(512 / channels_, woven_ ? 1 : 16, plane_);
    in_image_ = (plane_ + pixels_ - 1) / pixels_;
    count_ = shape[0] * in_image_;
  }
  [[nodiscard]] Index count() const noexcept { return count_; }
  [[nodiscard]] Index elements() const noexcept { return pixels_ * channels_; }
  [[nodiscard]] Index padded_elements() const noexcept { return pixels_ * (channels_ + margins()); }
  /// Elements of one block.
  [[nodiscard]] Index elements(Index block) const noexcept { return size(block) * channels_; }
  [[nodiscard]] Index before() const noexcept { return margin_before_; }
  [[nodiscard]] Index behind() const noexcept { return margin_behind_; }

  /// Calls body(offset in the tensor, offset in a block, offset in a padded block, count) for each contiguous
  /// run, where padded blocks have `lead` 0s before their first channel.
  template <class Body>
  void runs(Index block, Index lead, const Body& body) const {
    const Index here = size(block), pixel = block % in_image_ * pixels_,
                image = block / in_image_ * plane_ * channels_;
    if (woven_)
      for (Index i = 0; i < here; ++i)
        body(image + (pixel + i) * channels_, i * channels_, i * (channels_ + margins()) + lead, channels_);
    else
      for (Index c = 0; c < channels_; ++c)
        body(image + c * plane_ + pixel, c * here, (c + lead) * here, here);
  }
  /// Asks for a block of `tensor` that is worked on next.
  template <class T>
  void prefetch_block(Index block, const T* tensor) const {
    runs(block, 0, [&](Index there, Index, Index, Index count) {
      prefetch(tensor + there, count * static_cast<Index>(sizeof(T)));
    });
  }
  /// Fills a padded block with value(offset in the tensor, offset in a block).
  template <class T, class Value>
  void fill(Index block, Index lead, const Value& value, T* padded) const {
    std::fill_n(padded, size(block) * (channels_ + margins()), T(0));
    runs(block, lead, [&](Index there, Index here, Index at, Index count) {
#pragma omp simd
      for (Index i = 0; i < count; ++i) padded[at + i] = value(there + i, here + i);
    });
  }
  /// sums (a block) = the sums over each channel's window in a padded block.
  template <class T>
  void sum(Index block, const T* padded, T* sums) const {
    const Index here = size(block), terms = margins() + 1;
    if (woven_)
      for (Index i = 0; i < here; ++i)
        running_sums(padded + i * (channels_ + margins()), channels_, Index{1}, terms, sums + i * channels_);
    else
      running_sums(padded, here * channels_, here, terms, sums);
  }

 private:
  [[nodiscard]] Index margins() const noexcept { return margin_before_ + margin_behind_; }
  [[nodiscard]] Index size(Index block) const noexcept {
    return std::min(pixels_, plane_ - block % in_image_ * pixels_);
  }

  Index channels_, plane_, margin_before_, margin_behind_, pixels_ = 0, in_image_ = 0, count_ = 0;
  bool woven_;
};

template <class T>
void lrn_across(const Context<Cpu>& context, const T* src, const Shape& shape, Layout layout,
                const LrnParams& params, T* dst) {
  const ChannelBlocks blocks(shape, layout, params);
  parallel_ranges(context, blocks.count(), 4, [&](Index first, Index last) {
    const Scratch<T> squares(context, blocks.padded_elements()), sums(context, blocks.elements()),
        powers(context, blocks.elements());
    const T* power = powers.data();
    for (Index block = first; block < last; ++block) {
      blocks.fill(
          block, blocks.before(), [src](Index i, Index) { return src[i] * src[i]; }, squares.data());
      blocks.sum(block, squares.data(), sums.data());
      normalisers(sums.data(), blocks.elements(block), params, powers.data());
      blocks.runs(block, 0, [&](Index there, Index here, Index, Index count) {
#pragma omp simd
        for (Index i = 0; i < count; ++i) dst[there + i] = src[there + i] * power[here + i];
      });
    }
  });
}

template <class T>
void lrn_across_reverse(const Context<Cpu>& context, const T* src, const T* diff_dst, const Shape& shape,
                        Layout layout, const LrnParams& params, T* diff_src) {
  const ChannelBlocks blocks(shape, layout, params);
  const T factor = 2 * static_cast<T>(deconv::detail::lrn_scale(params)) * static_cast<T>(params.beta);
  parallel_ranges(context, blocks.count(), 4, [&](Index first, Index last) {
    const Scratch<T> padded(context, blocks.padded_elements()), sums(context, blocks.elements()),
        powers(context, blocks.elements());
    const T *s = sums.data(), *power = powers.data();
    for (Index block = first; block < last; ++block) {
      if (block + 1 < last) {
        blocks.prefetch_block(block + 1, src);
        blocks.prefetch_block(block + 1, diff_dst);
      }
      blocks.fill(
          block, blocks.before(), [src](Index i, Index) { return src[i] * src[i]; }, padded.data());
      blocks.sum(block, padded.data(), sums.data());
      normalisers(sums.data(), blocks.elements(block), params, powers.data());
      const auto ratio = [=](Index there, Index here) {
        return diff_dst[there] * src[there] * power[here] / s[here];
      };
      blocks.fill(block, blocks.behind(), ratio, padded.data());
      blocks.sum(block, padded.data(), sums.data());
      blocks.runs(block, 0, [&](Index there, Index here, Index, Index count) {
#pragma omp simd
        for (Index i = 0; i < count; ++i)
          diff_src[there + i] = diff_dst[there + i] * power[here + i] - factor * src[there + i] * s[here + i];
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
    const Scratch<T> column(context, rows.row), sums(context, rows.row);
    T* power = column.data();
    for (Index line = first; line < last; ++line) {
      rows.sum(
          line, before, behind, [src](Index i) { return src[i] * src[i]; }, column.data(), sums.data());
      normalisers(sums.data(), rows.row, params, power);
      const Index at = line * rows.row;
#pragma omp simd
      for (Index i = 0; i < rows.row; ++i) dst[at + i] = src[at + i] * power[i];
    }
  });
}

template <class T>
void lrn_within_reverse(const Context<Cpu>& context, const T* src, const T* diff_dst, const Shape& shape,
                        Layout layout, const LrnParams& params, T* diff_src) {
  const ImageRows rows(shape, layout);
  const Index before = (params.size - 1) / 2, behind = params.size / 2,
              grain = deconv::detail::row_grain(rows.row * 4);
  const T factor = 2 * static_cast<T>(deconv::detail::lrn_scale(params)) * static_cast<T>(params.beta);
  // Whole tensors, since a row's ratios are wanted by several rows.
  const Scratch<T> all_powers(context, rows.count * rows.row), all_ratios(context, rows.count * rows.row);
  T *powers = all_powers.data(), *ratios = all_ratios.data();
  parallel_ranges(context, rows.count, grain, [&](Index first, Index last) {
    const Scratch<T> column(context, rows.row), sums(context, rows.row);
    T* s = sums.data();
    for (Index line = first; line < last; ++line) {
      const Index at = line * rows.row;
      rows.sum(
          line, before, behind, [src](Index i) { return src[i] * src[i]; }, column.data(), s);
      normalisers(s, rows.row, params, powers + at);
#pragma omp simd
      for (Index i = 0; i < rows.row; ++i)
        ratios[at + i] = diff_dst[at + i] * src[at + i] * powers[at + i] / s[i];
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
