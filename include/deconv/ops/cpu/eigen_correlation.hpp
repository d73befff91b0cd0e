#pragma once

#include <Eigen/Core>
#include <algorithm>

#include "deconv/core/context.hpp"
#include "deconv/core/parallel.hpp"
#include "deconv/ops/cpu/correlation.hpp"

namespace deconv::cpu {

namespace inner {

template <class T>
using RowMajor = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
template <class T>
using ConstMatrix = Eigen::Map<const RowMajor<T>, Eigen::Unaligned, Eigen::OuterStride<>>;
template <class T>
using MutableMatrix = Eigen::Map<RowMajor<T>, Eigen::Unaligned, Eigen::OuterStride<>>;

/// Rows of output pixels that are gathered and multiplied together: enough for the product's inner loops, few
/// enough for the patches to stay in the second-level cache. Depends on the shape alone, so that bits do not
/// depend on threads.
inline Index rows_per_tile(const Correlation& c) {
  const Index patch = c.kernel_y * c.kernel_x * c.in_channels / c.groups;
  const Index pixels = std::clamp<Index>((Index{1} << 17) / std::max<Index>(patch, 1), 16, 512);
  return std::max<Index>(1, pixels / std::max<Index>(c.out_width, 1));
}

/// Gathers the patches of output rows [first, last) of image n, group g into rows of R*S*C/groups values
/// (channels innermost).
template <class T>
void gather_patches(const Correlation& c, const TensorView<const T, Cpu>& src, Index n, Index g, Index first,
                    Index last, T* patches) {
  const Index channels = c.in_channels / c.groups;
  const bool dense = src.layout() == Layout::nhwc;
  for (Index p = first; p < last; ++p)
    for (Index q = 0; q < c.out_width; ++q)
      for (Index r = 0; r < c.kernel_y; ++r)
        for (Index s = 0; s < c.kernel_x; ++s, patches += channels) {
          const Index y = p * c.stride_y - c.top + r * c.dilation_y;
          const Index x = q * c.stride_x - c.left + s * c.dilation_x;
          if (y < 0 || y >= c.height || x < 0 || x >= c.width)
            std::fill(patches, patches + channels, T(0));
          else if (dense)
            std::copy_n(&src(n, g * channels, y, x), channels, patches);
          else
            for (Index k = 0; k < channels; ++k) patches[k] = src(n, g * channels + k, y, x);
        }
}

/// Weights K x C/groups x R x S as groups matrices of (R*S*C/groups) x (K/groups).
template <class T>
Tensor<T, Cpu> patch_major_weights(const Context<Cpu>& context, const Correlation& c, const T* weights) {
  const Index maps = c.out_channels / c.groups, channels = c.in_channels / c.groups;
  const Index taps = c.kernel_y * c.kernel_x;
  auto packed = context.make<T>({c.groups, taps * channels, maps});
  for (Index g = 0; g < c.groups; ++g)
    for (Index m = 0; m < maps; ++m)
      for (Index k = 0; k < channels; ++k)
        for (Index t = 0; t < taps; ++t)
          packed.data()[((g * taps + t) * channels + k) * maps + m] =
              weights[((g * maps + m) * channels + k) * taps + t];
  return packed;
}

template <class T>
void store(const Epilogue<T>& epilogue, Index g, const RowMajor<T>& product, const TensorView<T, Cpu>& dst,
           Index n, Index first_pixel) {
  const Index maps = product.cols();
  const Index width = dst[3];
  for (Index i = 0; i < product.rows(); ++i) {
    const Index y = (first_pixel + i) / width, x = (first_pixel + i) % width;
    for (Index m = 0; m < maps; ++m) {
      T value = product(i, m) + (epilogue.bias ? epilogue.bias[g * maps + m] : T(0));
      // Written so that NaN stays NaN.
      if (epilogue.negative_slope && value < T(0)) value *= static_cast<T>(*epilogue.negative_slope);
      dst(n, g * maps + m, y, x) = value;
    }
  }
}

}  // namespace inner

/// The correlation as patches times weights, for any scalar. Cost: 2 * multiply_adds flops; the patches add
/// kernel_y * kernel_x / stride^2 times the input's bytes of traffic, in the cache.
template <class T>
void eigen_correlate(const Context<Cpu>& context, const Correlation& c, const T* src, const T* weights,
                     const Epilogue<T>& epilogue, T* dst) {
  const TensorView<const T, Cpu> src_view(src, c.src_shape(), c.layout);
  const TensorView<T, Cpu> dst_view(dst, c.dst_shape(), c.layout);
  const auto packed = inner::patch_major_weights(context, c, weights);
  const Index rows = inner::rows_per_tile(c);
  const Index tiles = (c.out_height + rows - 1) / rows;
  const Index patch = packed[1], maps = packed[2];
  parallel_ranges(context, c.images * tiles, 1, [&](Index begin, Index end) {
    auto patches = context.make<T>({rows * c.out_width, patch});
    inner::RowMajor<T> product;
    for (Index tile = begin; tile < end; ++tile) {
      const Index n = tile / tiles, first = tile % tiles * rows, last = std::min(first + rows, c.out_height);
      const Index pixels = (last - first) * c.out_width;
      for (Index g = 0; g < c.groups; ++g) {
        inner::gather_patches(c, src_view, n, g, first, last, patches.data());
        const inner::ConstMatrix<T> a(patches.data(), pixels, patch, Eigen::OuterStride<>(patch));
        const inner::ConstMatrix<T> b(packed.data() + g * patch * maps, patch, maps,
                                      Eigen::OuterStride<>(maps));
        product.noalias() = a * b;
        inner::store(epilogue, g, product, dst_view, n, first * c.out_width);
      }
    }
  });
}

/// Gradient of the correlation's weights (K x C/groups x R x S) and, unless null, of the bias, summed over
/// images in order, on the calling thread.
template <class T>
void eigen_correlate_reverse_weights(const Context<Cpu>& context, const Correlation& c, const T* src,
                                     const T* diff_dst, T* diff_weights, T* diff_bias) {
  const TensorView<const T, Cpu> src_view(src, c.src_shape(), c.layout);
  const TensorView<const T, Cpu> dst_view(diff_dst, c.dst_shape(), c.layout);
  const Index maps = c.out_channels / c.groups, channels = c.in_channels / c.groups,
              taps = c.kernel_y * c.kernel_x;
  const Index patch = taps * channels;
  constexpr Index block = 32;
  const Index blocks = (maps + block - 1) / block;
  const Index rows = inner::rows_per_tile(c);
  for (Index job = 0; job < c.groups * blocks; ++job) {
    const Index g = job / blocks, first_map = job % blocks * block,
                last_map = std::min(first_map + block, maps);
    const Index count = last_map - first_map;
    inner::RowMajor<T> sum = inner::RowMajor<T>::Zero(patch, count);
    auto patches = context.make<T>({rows * c.out_width, patch});
    auto signals = context.make<T>({rows * c.out_width, count});
    for (Index n = 0; n < c.images; ++n)
      for (Index first = 0; first < c.out_height; first += rows) {
        const Index last = std::min(first + rows, c.out_height);
        const Index pixels = (last - first) * c.out_width;
        inner::gather_patches(c, src_view, n, g, first, last, patches.data());
        for (Index i = 0; i < pixels; ++i)
          for (Index m = 0; m < count; ++m)
            signals.data()[i * count + m] =
                dst_view(n, g * maps + first_map + m, first + i / c.out_width, i % c.out_width);
        const inner::ConstMatrix<T> a(patches.data(), pixels, patch, Eigen::OuterStride<>(patch));
        const inner::ConstMatrix<T> b(signals.data(), pixels, count, Eigen::OuterStride<>(count));
        sum.noalias() += a.transpose() * b;
        if (diff_bias != nullptr)
          for (Index m = 0; m < count; ++m) {
            T& target = diff_bias[g * maps + first_map + m];
            if (n == 0 && first == 0) target = T(0);
            for (Index i = 0; i < pixels; ++i) target += signals.data()[i * count + m];
          }
      }
    for (Index m = 0; m < count; ++m)
      for (Index k = 0; k < channels; ++k)
        for (Index t = 0; t < taps; ++t)
          diff_weights[((g * maps + first_map + m) * channels + k) * taps + t] = sum(t * channels + k, m);
  }
}

}  // namespace deconv::cpu
