#pragma once

#include <array>
#include <map>
#include <memory>
#include <mutex>
#include <numeric>
#include <optional>
#include <utility>
#include <vector>

#include "deconv/core/context.hpp"
#include "deconv/core/parallel.hpp"
#include "deconv/ops/conv2d_params.hpp"
#include "deconv/ops/copy_layout.hpp"
#include "deconv/ops/cpu/correlation.hpp"
#include "deconv/ops/cpu/eigen_correlation.hpp"
#include "deconv/ops/cpu/few_channel_reverse.hpp"
#include "deconv/ops/cpu/image_sums.hpp"
#include "deconv/ops/cpu/onednn_correlation.hpp"

namespace deconv::cpu {

/// What repeated convolutions with the same weights share: compiled primitives and repacked weights, made on
/// first use. Safe to use from many threads. Whoever changes the weights calls `clear()`.
template <class T>
class ConvolutionCache {
 public:
  /// Which weights a primitive holds: the convolution's own, or those of the i-th run of its reverse pass.
  using Role = std::pair<int, std::array<Index, 4>>;

  void clear() {
    const std::lock_guard lock(mutex_);
#if defined(DECONV_WITH_ONEDNN)
    primitives_.clear();
#endif
    reverse_weights_.clear();
  }

#if defined(DECONV_WITH_ONEDNN)
  /// The primitive for this geometry, or null when oneDNN cannot do it.
  std::shared_ptr<const OneDnnCorrelation> primitive(const Context<Cpu>& context, const Role& role,
                                                     const Correlation& c, const float* weights, bool bias,
                                                     const std::optional<float>& slope) {
    const Key key{role, c, bias, slope.value_or(-1.0f), context.threads()};
    const std::lock_guard lock(mutex_);
    const auto found = primitives_.find(key);
    if (found != primitives_.end()) return found->second;
    // Windows at a plane's borders make many geometries; a bound keeps memory flat.
    if (primitives_.size() >= max_primitives) primitives_.clear();
    const OneDnnCorrelation* sibling = nullptr;
    for (const auto& [other, value] : primitives_)
      if (std::get<0>(other) == role && value) sibling = value.get();
    std::shared_ptr<const OneDnnCorrelation> made;
    try {
      made = std::make_shared<OneDnnCorrelation>(context, c, weights, bias, slope, sibling);
    } catch (const dnnl::error&) {
    }
    return primitives_.emplace(key, std::move(made)).first->second;
  }
#endif

  /// Weights rearranged for a run of the reverse pass, made by `make` on first use.
  template <class Make>
  std::shared_ptr<const Tensor<T, Cpu>> reverse_weights(const Role& role, const Make& make) {
    const std::lock_guard lock(mutex_);
    auto& slot = reverse_weights_[role];
    if (!slot) slot = std::make_shared<const Tensor<T, Cpu>>(make());
    return slot;
  }

 private:
  static constexpr std::size_t max_primitives = 128;
  using Key = std::tuple<Role, Correlation, bool, float, int>;
  std::mutex mutex_;
#if defined(DECONV_WITH_ONEDNN)
  std::map<Key, std::shared_ptr<const OneDnnCorrelation>> primitives_;
#endif
  std::map<Role, std::shared_ptr<const Tensor<T, Cpu>>> reverse_weights_;
};

/// Runs a correlation on the best backend: oneDNN for float where it is built in and knows the geometry, else
/// Eigen.
template <class T>
void correlate(const Context<Cpu>& context, [[maybe_unused]] const typename ConvolutionCache<T>::Role& role,
               const Correlation& c, const T* src, const T* weights, const Epilogue<T>& epilogue, T* dst,
               [[maybe_unused]] ConvolutionCache<T>& cache) {
#if defined(DECONV_WITH_ONEDNN)
  if constexpr (std::is_same_v<T, float>) {
    const auto primitive =
        cache.primitive(context, role, c, weights, epilogue.bias != nullptr, epilogue.negative_slope);
    if (primitive) return primitive->run(context, src, epilogue.bias, dst);
  }
#endif
  eigen_correlate(context, c, src, weights, epilogue, dst);
}

namespace inner {

/// The taps of one axis that reach input rows i with (i + pad) mod stride == residue: r = first_tap + j *
/// tap_step, read at output row (i + pad - residue) / stride - first_offset - j * offset_step.
struct PhaseAxis {
  Index residue = 0, taps = 0;
  Index first_tap = 0, tap_step = 1;
  Index first_offset = 0, offset_step = 1;
  Index start = 0, count = 0;  ///< phase rows computed: m = start .. start + count - 1

  [[nodiscard]] Index pad() const { return first_offset + (taps - 1) * offset_step - start; }
};

/// Floor division for a positive divisor.
inline Index floor_div(Index a, Index b) { return a >= 0 ? a / b : -((-a + b - 1) / b); }

inline PhaseAxis phase_axis(Index residue, Index kernel, Index stride, Index dilation, Index pad,
                            Index extent) {
  PhaseAxis axis;
  axis.residue = residue;
  const Index common = std::gcd(stride, dilation);
  axis.tap_step = stride / common;
  axis.offset_step = dilation / common;
  for (Index r = kernel - 1; r >= 0; --r)
    if (r * dilation % stride == residue) {
      axis.first_tap = r;
      ++axis.taps;
    }
  axis.first_offset = axis.taps ? (axis.first_tap * dilation - residue) / stride : 0;
  const Index low = floor_div(pad - residue + stride - 1, stride);
  const Index high = floor_div(extent - 1 + pad - residue, stride);
  // Starting early keeps the correlation's padding from going negative; the early rows are dropped.
  axis.start = axis.taps ? std::min(low, axis.first_offset + (axis.taps - 1) * axis.offset_step) : low;
  axis.count = high < low ? 0 : high - axis.start + 1;
  return axis;
}

/// Copies phase rows (a dense N x channels x count x count result) to the pixels of `dst` that they belong
/// to.
template <class T>
void scatter_phase(const Context<Cpu>& context, const TensorView<const T, Cpu>& phase,
                   const PhaseAxis& y_axis, const PhaseAxis& x_axis, const Window2d& w,
                   const TensorView<T, Cpu>& dst) {
  const Index channels = dst[1], height = dst[2], width = dst[3];
  const Index first_y = ((y_axis.residue - w.padding.top) % w.stride_y + w.stride_y) % w.stride_y;
  const Index first_x = ((x_axis.residue - w.padding.left) % w.stride_x + w.stride_x) % w.stride_x;
  const Index rows = first_y < height ? (height - first_y + w.stride_y - 1) / w.stride_y : 0;
  parallel_for(
      context, dst[0] * rows,
      [&](Index job) {
        const Index n = job / rows, y = first_y + job % rows * w.stride_y;
        const Index my = (y + w.padding.top - y_axis.residue) / w.stride_y - y_axis.start;
        for (Index x = first_x; x < width; x += w.stride_x) {
          const Index mx = (x + w.padding.left - x_axis.residue) / w.stride_x - x_axis.start;
          if (phase.layout() == Layout::nhwc) {
            const T* from = &phase(n, 0, my, mx);
            if (dst.layout() == Layout::nhwc)
              std::copy_n(from, channels, &dst(n, 0, y, x));
            else
              for (Index c = 0; c < channels; ++c) dst(n, c, y, x) = from[c];
          } else {
            for (Index c = 0; c < channels; ++c) dst(n, c, y, x) = phase(n, c, my, mx);
          }
        }
      },
      4);
}

template <class T>
void clear_phase(const PhaseAxis& y_axis, const PhaseAxis& x_axis, const Window2d& w,
                 const TensorView<T, Cpu>& dst) {
  for (Index n = 0; n < dst[0]; ++n)
    for (Index c = 0; c < dst[1]; ++c)
      for (Index y = 0; y < dst[2]; ++y)
        for (Index x = 0; x < dst[3]; ++x)
          if (((y + w.padding.top - y_axis.residue) % w.stride_y) == 0 &&
              ((x + w.padding.left - x_axis.residue) % w.stride_x) == 0)
            dst(n, c, y, x) = T(0);
}

}  // namespace inner

/// Reverse-to-data pass of a convolution by phases: the input pixels fall into stride_y x stride_x classes,
/// and each class is a stride-1 correlation of diff_dst with its own share of the flipped taps, so no
/// inserted zero is multiplied. The step down to pixels, of very few channels, goes its own way
/// (few_channel_reverse). The extents follow diff_src; see conv2d_reverse_data.
template <class T>
void convolution_reverse_data(const Context<Cpu>& context, TensorView<const T, Cpu> diff_dst,
                              TensorView<const T, Cpu> weights, const Conv2dParams& params,
                              TensorView<T, Cpu> diff_src, ConvolutionCache<T>& cache) {
  const Window2d& w = params.window;
  const Index groups = params.groups, channels = diff_src[1] / groups, maps = diff_dst[1] / groups;
  const Index taps = w.taps();
  if (takes_few_channels(params, diff_src[1]) && diff_dst.layout() == Layout::nhwc) {
    const auto packed = cache.reverse_weights(
        {2, {}}, [&] { return pixel_step::pack<T>(weights, pixel_step::Panels<T>(taps * channels)); });
    return few_channel_reverse<T>(context, diff_dst, *packed, w, diff_src);
  }

  Correlation c;
  c.images = diff_dst[0];
  c.groups = groups;
  c.in_channels = diff_dst[1];
  c.height = diff_dst[2];
  c.width = diff_dst[3];
  c.layout = diff_dst.layout();

  /// W'[g * channels + k][m][j_y][j_x] = W[g * maps + m][k][tap of j], taps in flipped order.
  const auto rearrange = [&](Tensor<T, Cpu>& to, Index first_row, const inner::PhaseAxis& ya,
                             const inner::PhaseAxis& xa) {
    const Index rows = to[2], cols = to[3];
    for (Index g = 0; g < groups; ++g)
      for (Index k = 0; k < channels; ++k)
        for (Index m = 0; m < maps; ++m)
          for (Index j = 0; j < rows; ++j)
            for (Index i = 0; i < cols; ++i) {
              const Index r = ya.first_tap + (rows - 1 - j) * ya.tap_step,
                          s = xa.first_tap + (cols - 1 - i) * xa.tap_step;
              const bool inside = r < w.kernel_y && s < w.kernel_x;
              to.data()[(((first_row + g * channels + k) * maps + m) * rows + j) * cols + i] =
                  inside ? weights.data()[((g * maps + m) * channels + k) * taps + r * w.kernel_x + s] : T(0);
            }
  };
  const auto run = [&](const typename ConvolutionCache<T>::Role& role,
                       const std::shared_ptr<const Tensor<T, Cpu>>& turned, const inner::PhaseAxis& ya,
                       const inner::PhaseAxis& xa, TensorView<T, Cpu> out) {
    c.out_channels = out[1];
    c.out_height = out[2];
    c.out_width = out[3];
    c.kernel_y = ya.taps;
    c.kernel_x = xa.taps;
    c.dilation_y = ya.taps > 1 ? ya.offset_step : 1;
    c.dilation_x = xa.taps > 1 ? xa.offset_step : 1;
    c.top = ya.pad();
    c.left = xa.pad();
    correlate<T>(context, role, c, diff_dst.data(), turned->data(), {}, out.data(), cache);
  };

  for (Index fy = 0; fy < w.stride_y; ++fy)
    for (Index fx = 0; fx < w.stride_x; ++fx) {
      const auto ya = inner::phase_axis(fy, w.kernel_y, w.stride_y, w.dilation_y, w.padding.top, diff_src[2]);
      const auto xa =
          inner::phase_axis(fx, w.kernel_x, w.stride_x, w.dilation_x, w.padding.left, diff_src[3]);
      if (ya.count <= 0 || xa.count <= 0) continue;
      if (ya.taps == 0 || xa.taps == 0) {
        inner::clear_phase(ya, xa, w, diff_src);
        continue;
      }
      const typename ConvolutionCache<T>::Role role{1, {fy, fx, ya.taps, xa.taps}};
      const auto turned = cache.reverse_weights(role, [&] {
        Tensor<T, Cpu> one({groups * channels, maps, ya.taps, xa.taps});
        rearrange(one, 0, ya, xa);
        return one;
      });
      const bool direct = w.stride_y == 1 && w.stride_x == 1 && ya.count == diff_src[2] &&
                          xa.count == diff_src[3] && diff_src.layout() == c.layout;
      if (direct) {
        run(role, turned, ya, xa, diff_src);
      } else {
        auto out = context.make<T>({c.images, groups * channels, ya.count, xa.count}, c.layout);
        run(role, turned, ya, xa, out.view());
        inner::scatter_phase<T>(context, out.view(), ya, xa, w, diff_src);
      }
    }
}

/// The correlation of a forward convolution.
inline Correlation forward_correlation(const Shape& src, Layout layout, const Shape& dst,
                                       const Conv2dParams& params) {
  const Window2d& w = params.window;
  return {src[0],       params.groups, src[1],        src[2],         src[3],     dst[1],
          dst[2],       dst[3],        w.kernel_y,    w.kernel_x,     w.stride_y, w.stride_x,
          w.dilation_y, w.dilation_x,  w.padding.top, w.padding.left, layout};
}

/// Gradients of weights (K x C/groups x R x S, row-major) and, unless null, bias; see sum_over_images for the
/// order of the sums.
template <class T>
void convolution_reverse_weights(const Context<Cpu>& context, const Correlation& c, const T* src,
                                 const T* diff_dst, T* diff_weights, T* diff_bias) {
  const Index src_image = c.src_shape().count() / c.images, dst_image = c.dst_shape().count() / c.images;
  const Index count = c.weights_shape().count(), biases = diff_bias != nullptr ? c.out_channels : 0;
  // Weights and bias of some images lie one behind the other.
  auto gradients = context.make<T>({count + biases});
  sum_over_images<T>(context, c.images, count + biases, gradients.data(),
                     [&](Index first, Index images, T* to) {
                       Correlation some = c;
                       some.images = images;
                       const T *from = src + first * src_image, *signal = diff_dst + first * dst_image;
                       T* bias = biases > 0 ? to + count : nullptr;
#if defined(DECONV_WITH_ONEDNN)
                       if constexpr (std::is_same_v<T, float>) {
                         try {
                           return onednn_correlate_reverse_weights(context, some, from, signal, to, bias);
                         } catch (const dnnl::error&) {  // a geometry that oneDNN does not do
                         }
                       }
#endif
                       eigen_correlate_reverse_weights<T>(context, some, from, signal, to, bias);
                     });
  std::copy_n(gradients.data(), count, diff_weights);
  if (biases > 0) std::copy_n(gradients.data() + count, biases, diff_bias);
}

}  // namespace deconv::cpu
