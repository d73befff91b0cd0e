#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>
#include <vector>

#include "deconv/core/parallel.hpp"
#include "deconv/core/tensor_view.hpp"
#include "deconv/ops/average_pool2d.hpp"
#include "deconv/ops/operands.hpp"

// Windows of planes that differ from one known plane inside them alone. All tensors here are nhwc on the
// host.
namespace deconv::detail {

/// Where the windows of a batch lie in their planes: image b's first pixel is (tops[b], lefts[b]). They may
/// overhang.
struct WindowPlaces {
  std::vector<Index> tops, lefts;
  Index height = 0, width = 0;
  friend bool operator==(const WindowPlaces&, const WindowPlaces&) = default;
};

/// dst = for each image the window `wanted` of its plane: inside `at` the pixels of `windows`, else those of
/// `plane`, beyond the plane `outside`. plane 1 x C x H x W, windows B x C x h x w, dst B x C' x p x q whose
/// channels from `channel` on are written. Bytes: dst written and as much read.
template <class T>
void gather_changed(const Context<Cpu>& context, TensorView<const T, Cpu> plane,
                    TensorView<const T, Cpu> windows, const WindowPlaces& at, T outside,
                    const WindowPlaces& wanted, std::type_identity_t<TensorView<T, Cpu>> dst,
                    Index channel = 0) {
  const Index channels = plane[1], height = plane[2], width = plane[3], step = dst[1];
  const auto body = [&](Index job) {
    const Index image = job / wanted.height, y = job % wanted.height;
    const auto b = static_cast<std::size_t>(image);
    const Index row = wanted.tops[b] + y, left = wanted.lefts[b];
    T* line = dst.data() + job * wanted.width * step + channel;
    const auto put = [&](Index from, Index to, const T* pixels) {
      if (to <= from) return;
      if (step == channels) {
        std::copy_n(pixels, (to - from) * channels, line + from * step);
        return;
      }
      for (Index x = from; x < to; ++x, pixels += channels) std::copy_n(pixels, channels, line + x * step);
    };
    const auto blank = [&](Index from, Index to) {
      for (Index x = from; x < to; ++x) std::fill_n(line + x * step, channels, outside);
    };
    if (row < 0 || row >= height) return blank(0, wanted.width);
    const Index begin = std::clamp<Index>(-left, 0, wanted.width);
    const Index end = std::clamp<Index>(width - left, begin, wanted.width);
    const T* known = plane.data() + (row * width + left) * channels;
    const Index inner = row - at.tops[b];
    if (inner < 0 || inner >= at.height) {
      blank(0, begin);
      put(begin, end, known + begin * channels);
      blank(end, wanted.width);
      return;
    }
    const Index first = std::clamp<Index>(at.lefts[b] - left, begin, end);
    const Index last = std::clamp<Index>(at.lefts[b] + at.width - left, first, end);
    blank(0, begin);
    put(begin, first, known + begin * channels);
    put(first, last,
        windows.data() + ((image * at.height + inner) * at.width + left + first - at.lefts[b]) * channels);
    put(last, end, known + last * channels);
    blank(end, wanted.width);
  };
  parallel_for(context, static_cast<Index>(wanted.tops.size()) * wanted.height, body,
               row_grain(wanted.width * channels));
}

/// sums[b * C + c] = the sum over window b of what it changes in map c of the plane. As gather_changed.
template <class T>
std::vector<double> changes_of_maps(const Context<Cpu>& context, TensorView<const T, Cpu> plane,
                                    TensorView<const T, Cpu> windows, const WindowPlaces& at) {
  const Index channels = plane[1];
  std::vector<double> sums(static_cast<std::size_t>(windows[0] * channels), 0.0);
  parallel_for(context, windows[0], [&](Index image) {
    const auto b = static_cast<std::size_t>(image);
    double* sum = sums.data() + image * channels;
    for (Index y = 0; y < at.height; ++y)
      for (Index x = 0; x < at.width; ++x) {
        const T* changed = windows.data() + ((image * at.height + y) * at.width + x) * channels;
        const T* known = plane.data() + ((at.tops[b] + y) * plane[3] + at.lefts[b] + x) * channels;
        for (Index c = 0; c < channels; ++c)
          sum[c] += static_cast<double>(changed[c]) - static_cast<double>(known[c]);
      }
  });
  return sums;
}

/// The same for one map.
template <class T>
double change_of_map(TensorView<const T, Cpu> plane, TensorView<const T, Cpu> windows, const WindowPlaces& at,
                     Index image, Index map) {
  const auto b = static_cast<std::size_t>(image);
  double sum = 0;
  for (Index y = 0; y < at.height; ++y)
    for (Index x = 0; x < at.width; ++x)
      sum += static_cast<double>(windows(image, map, y, x)) -
             static_cast<double>(plane(0, map, at.tops[b] + y, at.lefts[b] + x));
  return sum;
}

/// Windows of an average pooling that were divided by all their taps get the divisors of their places in the
/// plane of src_height x src_width.
template <class T>
void restore_divisors(const AveragePool2dParams& params, Index src_height, Index src_width,
                      const WindowPlaces& at, TensorView<T, Cpu> windows) {
  const PoolDivisor divisor{params.window, params.count_padding, src_height, src_width};
  const Index taps = params.window.taps(), channels = windows[1];
  for (Index image = 0; image < windows[0]; ++image)
    for (Index y = 0; y < at.height; ++y) {
      const Index rows = divisor.rows(at.tops[static_cast<std::size_t>(image)] + y);
      for (Index x = 0; x < at.width; ++x) {
        const Index counted = rows * divisor.columns(at.lefts[static_cast<std::size_t>(image)] + x);
        if (counted == taps) continue;
        const T factor = counted == 0 ? T(0) : static_cast<T>(taps) / static_cast<T>(counted);
        T* pixel = windows.data() + ((image * at.height + y) * at.width + x) * channels;
        for (Index c = 0; c < channels; ++c) pixel[c] *= factor;
      }
    }
}

}  // namespace deconv::detail
