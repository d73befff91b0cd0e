#pragma once

#include "deconv/ops/average_pool2d.hpp"

namespace deconv::reference {

/// Taps that the divisor of output (p, q) counts; the plane is height x width.
inline Index counted_taps(const AveragePool2dParams& params, Index p, Index q, Index height, Index width) {
  const Window2d& w = params.window;
  const Padding margin = params.count_padding ? w.padding : Padding{};
  Index counted = 0;
  for (Index r = 0; r < w.kernel_y; ++r)
    for (Index s = 0; s < w.kernel_x; ++s) {
      const Index y = p * w.stride_y - w.padding.top + r * w.dilation_y;
      const Index x = q * w.stride_x - w.padding.left + s * w.dilation_x;
      counted +=
          y >= -margin.top && y < height + margin.bottom && x >= -margin.left && x < width + margin.right;
    }
  return counted;
}

/// As deconv::average_pool2d_forward.
template <class T>
void average_pool2d_forward(Source<T, Cpu> src, const AveragePool2dParams& params, TensorView<T, Cpu> dst) {
  const Window2d& w = params.window;
  for (Index n = 0; n < dst[0]; ++n)
    for (Index c = 0; c < dst[1]; ++c)
      for (Index p = 0; p < dst[2]; ++p)
        for (Index q = 0; q < dst[3]; ++q) {
          T sum = T(0);
          for (Index r = 0; r < w.kernel_y; ++r)
            for (Index s = 0; s < w.kernel_x; ++s) {
              const Index y = p * w.stride_y - w.padding.top + r * w.dilation_y;
              const Index x = q * w.stride_x - w.padding.left + s * w.dilation_x;
              if (y >= 0 && y < src[2] && x >= 0 && x < src[3]) sum += src(n, c, y, x);
            }
          const Index counted = counted_taps(params, p, q, src[2], src[3]);
          dst(n, c, p, q) = counted == 0 ? T(0) : sum / static_cast<T>(counted);
        }
}

/// As deconv::average_pool2d_reverse; written as a scatter.
template <class T>
void average_pool2d_reverse(Source<T, Cpu> diff_dst, const AveragePool2dParams& params,
                            TensorView<T, Cpu> diff_src, const OutputOrigins* origins = nullptr) {
  const Window2d& w = params.window;
  AveragePool2dParams whole = params;
  if (origins != nullptr) whole.window.padding = origins->padding;
  const Index height = origins != nullptr ? origins->height : diff_src[2];
  const Index width = origins != nullptr ? origins->width : diff_src[3];
  for (Index i = 0; i < diff_src.count(); ++i) diff_src.data()[i] = T(0);
  for (Index n = 0; n < diff_dst[0]; ++n)
    for (Index c = 0; c < diff_dst[1]; ++c)
      for (Index p = 0; p < diff_dst[2]; ++p)
        for (Index q = 0; q < diff_dst[3]; ++q) {
          const auto image = static_cast<std::size_t>(n);
          const Index top = origins != nullptr ? origins->tops[image] : 0,
                      left = origins != nullptr ? origins->lefts[image] : 0;
          const Index counted = counted_taps(whole, top + p, left + q, height, width);
          if (counted == 0) continue;
          for (Index r = 0; r < w.kernel_y; ++r)
            for (Index s = 0; s < w.kernel_x; ++s) {
              const Index y = p * w.stride_y - w.padding.top + r * w.dilation_y;
              const Index x = q * w.stride_x - w.padding.left + s * w.dilation_x;
              if (y >= 0 && y < diff_src[2] && x >= 0 && x < diff_src[3])
                diff_src(n, c, y, x) += diff_dst(n, c, p, q) / static_cast<T>(counted);
            }
        }
}

/// As deconv::global_average_pool_forward.
template <class T>
void global_average_pool_forward(Source<T, Cpu> src, TensorView<T, Cpu> dst) {
  for (Index n = 0; n < src[0]; ++n)
    for (Index c = 0; c < src[1]; ++c) {
      T sum = T(0);
      for (Index y = 0; y < src[2]; ++y)
        for (Index x = 0; x < src[3]; ++x) sum += src(n, c, y, x);
      dst(n, c, 0, 0) = sum / static_cast<T>(src[2] * src[3]);
    }
}

/// As deconv::global_average_pool_reverse.
template <class T>
void global_average_pool_reverse(Source<T, Cpu> diff_dst, TensorView<T, Cpu> diff_src, Index pixels = 0) {
  for (Index n = 0; n < diff_src[0]; ++n)
    for (Index c = 0; c < diff_src[1]; ++c)
      for (Index y = 0; y < diff_src[2]; ++y)
        for (Index x = 0; x < diff_src[3]; ++x)
          diff_src(n, c, y, x) =
              diff_dst(n, c, 0, 0) / static_cast<T>(pixels == 0 ? diff_src[2] * diff_src[3] : pixels);
}

}  // namespace deconv::reference
