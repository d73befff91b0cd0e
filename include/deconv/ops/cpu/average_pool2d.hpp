#pragma once

#include <algorithm>
#include <array>
#include <vector>

#include "deconv/core/parallel.hpp"
#include "deconv/ops/average_pool2d.hpp"
#include "deconv/ops/cpu/max_pool2d.hpp"
#include "deconv/ops/window_taps.hpp"

namespace deconv::cpu {
namespace detail {

template <class T>
void add_scaled(const T* __restrict src, T scale, Index count, T* __restrict dst) {
#pragma omp simd
  for (Index c = 0; c < count; ++c) dst[c] += scale * src[c];
}

/// A rank-4 tensor as planes of pixels of `step` elements: nhwc has one plane an image, nchw one an image and
/// channel.
struct PixelPlanes {
  Index count, step, in_image;
  PixelPlanes(const Shape& shape, Layout layout)
      : count(layout == Layout::nhwc ? shape[0] : shape[0] * shape[1]),
        step(layout == Layout::nhwc ? shape[1] : 1),
        in_image(layout == Layout::nhwc ? 1 : shape[1]) {}
};

}  // namespace detail

template <class T>
void average_pool2d_forward(const Context<Cpu>& context, TensorView<const T, Cpu> src,
                            const AveragePool2dParams& params, TensorView<T, Cpu> dst) {
  if (goes_through_nhwc(src)) {
    const auto from = in_nhwc<T>(context, src);
    auto to = context.make<T>(dst.shape(), Layout::nhwc);
    cpu::average_pool2d_forward<T>(context, from, params, to.view());
    return deconv::copy_layout<T>(context, to, dst);
  }
  const detail::PixelPlanes planes(src.shape(), src.layout());
  const Window2d& w = params.window;
  const Index height = src[2], width = src[3], out_height = dst[2], out_width = dst[3], step = planes.step;
  const deconv::detail::PoolDivisor divisor{w, params.count_padding, height, width};
  const auto body = [&](Index row) {
    const Index p = row % out_height;
    const T* plane = src.data() + row / out_height * height * width * step;
    const auto rows = deconv::detail::taps_inside(detail::rows_of(w), p, height);
    for (Index q = 0; q < out_width; ++q) {
      T* to = dst.data() + (row * out_width + q) * step;
      const auto columns = deconv::detail::taps_inside(detail::columns_of(w), q, width);
      const Index counted = divisor.rows(p) * divisor.columns(q);
      std::fill_n(to, step, T(0));
      for (Index r = rows.first; r < rows.last; ++r)
        for (Index s = columns.first; s < columns.last; ++s) {
          const T* from =
              plane + ((rows.start + r * w.dilation_y) * width + columns.start + s * w.dilation_x) * step;
#pragma omp simd
          for (Index c = 0; c < step; ++c) to[c] += from[c];
        }
      const T scale = counted > 0 ? T(1) / static_cast<T>(counted) : T(0);
      for (Index c = 0; c < step; ++c) to[c] *= scale;
    }
  };
  parallel_for(context, planes.count * out_height, body, deconv::detail::row_grain(out_width * step * 4));
}

template <class T>
void average_pool2d_reverse(const Context<Cpu>& context, TensorView<const T, Cpu> diff_dst,
                            const AveragePool2dParams& params, TensorView<T, Cpu> diff_src,
                            const OutputOrigins* origins) {
  if (goes_through_nhwc(diff_src)) {
    const auto from = in_nhwc<T>(context, diff_dst);
    auto to = context.make<T>(diff_src.shape(), Layout::nhwc);
    cpu::average_pool2d_reverse<T>(context, from, params, to.view(), origins);
    return deconv::copy_layout<T>(context, to, diff_src);
  }
  const detail::PixelPlanes planes(diff_src.shape(), diff_src.layout());
  const Window2d& w = params.window;
  const Index height = diff_src[2], width = diff_src[3], out_height = diff_dst[2], out_width = diff_dst[3],
              step = planes.step;
  const deconv::detail::Coverage rows(detail::rows_of(w), height, out_height),
      columns(detail::columns_of(w), width, out_width);
  Window2d whole = w;
  if (origins != nullptr) whole.padding = origins->padding;
  const deconv::detail::PoolDivisor divisor{whole, params.count_padding,
                                            origins != nullptr ? origins->height : height,
                                            origins != nullptr ? origins->width : width};
  const auto body = [&](Index row) {
    const Index plane = row / height, y = row % height;
    const auto image = static_cast<std::size_t>(plane / planes.in_image);
    const Index top = origins != nullptr ? origins->tops[image] : 0,
                left = origins != nullptr ? origins->lefts[image] : 0;
    for (Index x = 0; x < width; ++x) {
      T* to = diff_src.data() + (row * width + x) * step;
      std::fill_n(to, step, T(0));
      for (const auto* r = rows.begin(y); r != rows.end(y); ++r)
        for (const auto* s = columns.begin(x); s != columns.end(x); ++s) {
          const Index counted = divisor.rows(top + r->output) * divisor.columns(left + s->output);
          if (counted == 0) continue;
          const T* from = diff_dst.data() + ((plane * out_height + r->output) * out_width + s->output) * step;
          detail::add_scaled(from, T(1) / static_cast<T>(counted), step, to);
        }
    }
  };
  parallel_for(context, planes.count * height, body, deconv::detail::row_grain(width * step));
}

template <class T>
void global_average_pool_forward(const Context<Cpu>& context, TensorView<const T, Cpu> src,
                                 TensorView<T, Cpu> dst) {
  const Index channels = src[1], height = src[2], width = src[3];
  const T scale = T(1) / static_cast<T>(height * width);
  if (src.layout() == Layout::nchw) {
    // Row sums first: long float sums lose fewer bits, and the order is fixed.
    const auto plane_mean = [&](Index plane) {
      T total = T(0);
      for (Index y = 0; y < height; ++y) {
        const T* row = src.data() + (plane * height + y) * width;
        T sum = T(0);
        for (Index x = 0; x < width; ++x) sum += row[x];
        total += sum;
      }
      dst.data()[plane] = total * scale;
    };
    parallel_for(context, src[0] * channels, plane_mean, deconv::detail::row_grain(height * width));
    return;
  }
  constexpr Index block = 64;
  const Index blocks = (channels + block - 1) / block;
  const auto block_mean = [&](Index part) {
    const Index n = part / blocks, begin = part % blocks * block, count = std::min(block, channels - begin);
    std::array<T, block> total{};
    for (Index y = 0; y < height; ++y) {
      std::array<T, block> sum{};
      for (Index x = 0; x < width; ++x) {
        const T* pixel = src.data() + ((n * height + y) * width + x) * channels + begin;
#pragma omp simd
        for (Index c = 0; c < count; ++c) sum[static_cast<std::size_t>(c)] += pixel[c];
      }
      for (std::size_t c = 0; c < block; ++c) total[c] += sum[c];
    }
    for (Index c = 0; c < count; ++c)
      dst.data()[n * channels + begin + c] = total[static_cast<std::size_t>(c)] * scale;
  };
  parallel_for(context, src[0] * blocks, block_mean, deconv::detail::row_grain(height * width * block));
}

template <class T>
void global_average_pool_reverse(const Context<Cpu>& context, TensorView<const T, Cpu> diff_dst,
                                 TensorView<T, Cpu> diff_src, Index pixels) {
  const detail::PixelPlanes planes(diff_src.shape(), diff_src.layout());
  const Index height = diff_src[2], row = diff_src[3] * planes.step;
  const T scale = T(1) / static_cast<T>(pixels);
  const auto body = [&](Index line) {
    const T* from = diff_dst.data() + line / height * planes.step;
    T* to = diff_src.data() + line * row;
    if (planes.step == 1) {
      std::fill_n(to, row, from[0] * scale);
      return;
    }
    for (Index x = 0; x < row; x += planes.step)
      for (Index c = 0; c < planes.step; ++c) to[x + c] = from[c] * scale;
  };
  parallel_for(context, planes.count * height, body, deconv::detail::row_grain(row));
}

}  // namespace deconv::cpu
