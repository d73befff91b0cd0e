#pragma once

#include <algorithm>
#include <cstring>
#include <type_traits>
#include <vector>

#include "deconv/core/context.hpp"
#include "deconv/core/parallel.hpp"
#include "deconv/core/tensor.hpp"
#include "deconv/ops/conv2d_params.hpp"
#include "deconv/ops/cpu/lanes.hpp"

/// The last step down to pixels. A convolution's reverse pass to very few channels wastes most of a vector
/// when vectors run over the channels, so here they run over everything that one pixel of diff_dst adds to:
/// its R x S x C patch of diff_src. Each row of diff_dst is multiplied by the K x (R S C) weights, and the
/// patches are added into a ring of diff_src rows that stays in the cache. No inserted zero is multiplied and
/// no tap is padded.
namespace deconv::cpu {

namespace pixel_step {

#if defined(__AVX512F__)
inline constexpr Index most_vectors = 5, tile_pixels = 5;
#elif defined(__AVX__)
inline constexpr Index most_vectors = 2, tile_pixels = 3;
#else
inline constexpr Index most_vectors = 1, tile_pixels = 2;
#endif

/// How the R S C columns are cut into panels of a few vectors, narrow enough for a tile of sums to stay in
/// registers.
template <class T>
struct Panels {
  static constexpr Index lanes = static_cast<Index>(Lanes<T>::count);
  Index columns, count, vectors;

  explicit Panels(Index wanted) : columns(wanted) {
    const Index all = (wanted + lanes - 1) / lanes;
    count = (all + most_vectors - 1) / most_vectors;
    vectors = (all + count - 1) / count;
  }
  [[nodiscard]] Index width() const noexcept { return vectors * lanes; }
  [[nodiscard]] Index padded() const noexcept { return count * width(); }
};

/// weights K x C x R x S as panels of K rows; column (r * S + s) * C + c.
template <class T>
Tensor<T, Cpu> pack(const TensorView<const T, Cpu>& weights, const Panels<T>& panels) {
  const Index maps = weights[0], channels = weights[1], taps = weights[2] * weights[3];
  auto packed = Tensor<T, Cpu>::filled({panels.count, maps, panels.width()}, T(0));
  for (Index k = 0; k < maps; ++k)
    for (Index c = 0; c < channels; ++c)
      for (Index t = 0; t < taps; ++t) {
        const Index column = t * channels + c;
        packed.data()[(column / panels.width() * maps + k) * panels.width() + column % panels.width()] =
            weights.data()[(k * channels + c) * taps + t];
      }
  return packed;
}

/// patches[i][v] = the sum over k of pixels[i][k] * panel[k][v], for `Pixels` pixels and one panel.
template <std::size_t Pixels, std::size_t Vectors, class T>
void multiply_tile(const T* pixels, Index maps, const T* panel, T* patches, Index patch_step) {
  using Vector = typename Lanes<T>::Vector;
  constexpr std::size_t lanes = Lanes<T>::count;
  const auto step = static_cast<std::size_t>(maps), to_step = static_cast<std::size_t>(patch_step);
  Vector sums[Pixels][Vectors] = {};
  for (std::size_t k = 0; k < step; ++k) {
    Vector weights[Vectors];
#pragma GCC unroll 8
    for (std::size_t v = 0; v < Vectors; ++v)
      std::memcpy(&weights[v], panel + (k * Vectors + v) * lanes, sizeof(Vector));
#pragma GCC unroll 8
    for (std::size_t i = 0; i < Pixels; ++i) {
      const T value = pixels[i * step + k];
#pragma GCC unroll 8
      for (std::size_t v = 0; v < Vectors; ++v) sums[i][v] += value * weights[v];
    }
  }
#pragma GCC unroll 8
  for (std::size_t i = 0; i < Pixels; ++i)
#pragma GCC unroll 8
    for (std::size_t v = 0; v < Vectors; ++v)
      std::memcpy(patches + i * to_step + v * lanes, &sums[i][v], sizeof(Vector));
}

template <std::size_t Vectors, class T>
void multiply_row(const T* pixels, Index count, Index maps, const T* panel, T* patches, Index patch_step) {
  Index i = 0;
  for (; i + tile_pixels <= count; i += tile_pixels)
    multiply_tile<static_cast<std::size_t>(tile_pixels), Vectors>(pixels + i * maps, maps, panel,
                                                                  patches + i * patch_step, patch_step);
  for (; i < count; ++i)
    multiply_tile<1, Vectors>(pixels + i * maps, maps, panel, patches + i * patch_step, patch_step);
}

/// All patches of `count` neighbouring pixels.
template <class T>
void multiply(const T* pixels, Index count, Index maps, const Panels<T>& panels, const T* packed,
              T* patches) {
  for (Index p = 0; p < panels.count; ++p) {
    const T* panel = packed + p * maps * panels.width();
    T* to = patches + p * panels.width();
    switch (panels.vectors) {
      case 1:
        multiply_row<1>(pixels, count, maps, panel, to, panels.padded());
        break;
#if defined(__AVX__)
      case 2:
        multiply_row<2>(pixels, count, maps, panel, to, panels.padded());
        break;
#endif
#if defined(__AVX512F__)
      case 3:
        multiply_row<3>(pixels, count, maps, panel, to, panels.padded());
        break;
      case 4:
        multiply_row<4>(pixels, count, maps, panel, to, panels.padded());
        break;
      case 5:
        multiply_row<5>(pixels, count, maps, panel, to, panels.padded());
        break;
#endif
      default:
        break;
    }
  }
}

/// Adds patches' rows of Span values (or of `span`, where Span is 0) to a line, `line_step` values apart.
/// Only every `apart`-th patch at a time, so that none touches what the one before it has just stored: such
/// loads would wait.
template <std::size_t Span, class T>
void add_patches(const T* patches, Index patch_step, Index pixels, Index span, T* line, Index line_step,
                 Index apart) {
  const Index length = Span == 0 ? span : static_cast<Index>(Span);
  for (Index first = 0; first < apart; ++first)
    for (Index q = first; q < pixels; q += apart) {
      const T* from = patches + q * patch_step;
      T* to = line + q * line_step;
      for (Index i = 0; i < length; ++i) to[i] += from[i];
    }
}

/// The rows [first, last) of one image of diff_src.
template <class T>
class RowRun {
 public:
  RowRun(const TensorView<const T, Cpu>& diff_dst, Index image, const Window2d& window,
         const Panels<T>& panels, const T* packed, const TensorView<T, Cpu>& diff_src)
      : diff_dst_(diff_dst),
        image_(image),
        w_(window),
        panels_(panels),
        packed_(packed),
        diff_src_(diff_src),
        channels_(diff_src[1]),
        row_((diff_src[3] + 2 * w_.kernel_x) * channels_),
        ring_(static_cast<std::size_t>(w_.kernel_y * row_)),
        patches_(static_cast<std::size_t>(diff_dst[3] * panels_.padded())) {
    // Pixels whose patch misses every column of diff_src add nothing.
    first_pixel_ = std::max<Index>(0, floor_div(w_.padding.left - w_.kernel_x, w_.stride_x) + 1);
    last_pixel_ = std::min(diff_dst[3], floor_div(diff_src[3] - 1 + w_.padding.left, w_.stride_x) + 1);
  }

  void run(Index first, Index last) {
    // Row p adds to rows p * stride - top ... + kernel - 1, and is the last one to add to the first `stride`
    // of them.
    const Index begin = floor_div(first + w_.padding.top - w_.kernel_y, w_.stride_y) + 1;
    const Index end = floor_div(last - 1 + w_.padding.top, w_.stride_y) + 1;
    std::fill(ring_.begin(), ring_.end(), T(0));
    for (Index p = begin; p < end; ++p) {
      const Index top = p * w_.stride_y - w_.padding.top;
      if (p >= 0 && p < diff_dst_[2]) add_row(p, top);
      const Index done = p + 1 == end ? last - top : w_.stride_y;
      for (Index y = top; y < top + std::min(done, w_.kernel_y); ++y) {
        T* line = ring_row(y);
        if (y >= first && y < last) store(line, y);
        std::fill_n(line, row_, T(0));
      }
    }
  }

 private:
  static Index floor_div(Index a, Index b) { return a >= 0 ? a / b : -((-a + b - 1) / b); }

  T* ring_row(Index y) { return ring_.data() + ((y % w_.kernel_y + w_.kernel_y) % w_.kernel_y) * row_; }

  void add_row(Index p, Index top) {
    if (first_pixel_ >= last_pixel_) return;
    const Index maps = diff_dst_[1], span = w_.kernel_x * channels_;
    multiply<T>(&diff_dst_(image_, 0, p, first_pixel_), last_pixel_ - first_pixel_, maps, panels_, packed_,
                patches_.data());
    const Index first_x = first_pixel_ * w_.stride_x - w_.padding.left + w_.kernel_x;
    for (Index r = 0; r < w_.kernel_y; ++r) {
      T* line = ring_row(top + r) + first_x * channels_;
      const auto add = [&]<std::size_t Span>(std::integral_constant<std::size_t, Span>) {
        add_patches<Span>(patches_.data() + r * span, panels_.padded(), last_pixel_ - first_pixel_, span,
                          line, w_.stride_x * channels_, (w_.kernel_x + w_.stride_x - 1) / w_.stride_x);
      };
      // The first layers that the field knows: 3, 5, 7 and 11 taps a row, of colour and of grey.
      switch (span) {
        case 9:
          add(std::integral_constant<std::size_t, 9>());
          break;
        case 15:
          add(std::integral_constant<std::size_t, 15>());
          break;
        case 21:
          add(std::integral_constant<std::size_t, 21>());
          break;
        case 33:
          add(std::integral_constant<std::size_t, 33>());
          break;
        case 5:
          add(std::integral_constant<std::size_t, 5>());
          break;
        default:
          add(std::integral_constant<std::size_t, 0>());
          break;
      }
    }
  }

  void store(const T* line, Index y) {
    const T* pixels = line + w_.kernel_x * channels_;
    if (diff_src_.layout() == Layout::nhwc) {
      std::copy_n(pixels, diff_src_[3] * channels_, &diff_src_(image_, 0, y, 0));
      return;
    }
    for (Index c = 0; c < channels_; ++c) {
      T* to = &diff_src_(image_, c, y, 0);
      for (Index x = 0; x < diff_src_[3]; ++x) to[x] = pixels[x * channels_ + c];
    }
  }

  TensorView<const T, Cpu> diff_dst_;
  Index image_;
  Window2d w_;
  Panels<T> panels_;
  const T* packed_;
  TensorView<T, Cpu> diff_src_;
  Index channels_, row_;
  std::vector<T> ring_, patches_;
  Index first_pixel_, last_pixel_;
};

}  // namespace pixel_step

/// Whether few_channel_reverse takes this geometry: one group, at most four channels, taps side by side, and
/// no stride that skips pixels.
[[nodiscard]] inline bool takes_few_channels(const Conv2dParams& params, Index channels) noexcept {
  const Window2d& w = params.window;
  return params.groups == 1 && channels <= 4 && w.dilation_y == 1 && w.dilation_x == 1 &&
         w.kernel_y >= w.stride_y && w.kernel_x >= w.stride_x && w.taps() * channels <= 1024;
}

/// conv2d_reverse_data to at most four channels. diff_dst in nhwc; `packed` is pixel_step::pack of the
/// weights. Cost: 2 N K P Q R S C flops, of which nothing is wasted but the last vector's unused lanes.
template <class T>
void few_channel_reverse(const Context<Cpu>& context, TensorView<const T, Cpu> diff_dst,
                         const Tensor<T, Cpu>& packed, const Window2d& window, TensorView<T, Cpu> diff_src) {
  const pixel_step::Panels<T> panels(window.taps() * diff_src[1]);
  // Blocks repeat a kernel's worth of rows at their seams, so an image is cut only when there are too few of
  // them.
  const Index blocks =
      diff_src[0] >= context.threads() ? 1 : std::clamp<Index>(diff_src[2] / 32, 1, context.threads());
  parallel_for(context, diff_src[0] * blocks, [&](Index job) {
    const Index n = job / blocks, block = job % blocks;
    pixel_step::RowRun<T>(diff_dst, n, window, panels, packed.data(), diff_src)
        .run(diff_src[2] * block / blocks, diff_src[2] * (block + 1) / blocks);
  });
}

}  // namespace deconv::cpu
