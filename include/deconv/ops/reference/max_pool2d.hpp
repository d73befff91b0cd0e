#pragma once

#include <cmath>
#include <limits>

#include "deconv/ops/max_pool2d.hpp"
#include "deconv/ops/unpool2d.hpp"

namespace deconv::reference {

/// As deconv::max_pool2d_forward.
template <class T>
void max_pool2d_forward(Source<T, Cpu> src, const MaxPool2dParams& params, TensorView<T, Cpu> dst,
                        SwitchesView<std::byte, Cpu> switches = {}) {
  const Window2d& w = params.window;
  for (Index n = 0; n < dst[0]; ++n)
    for (Index c = 0; c < dst[1]; ++c)
      for (Index p = 0; p < dst[2]; ++p)
        for (Index q = 0; q < dst[3]; ++q) {
          T best = -std::numeric_limits<T>::infinity();
          Index winner = -1;
          for (Index r = 0; r < w.kernel_y; ++r)
            for (Index s = 0; s < w.kernel_x; ++s) {
              const Index y = p * w.stride_y - w.padding.top + r * w.dilation_y;
              const Index x = q * w.stride_x - w.padding.left + s * w.dilation_x;
              if (y < 0 || y >= src[2] || x < 0 || x >= src[3]) continue;
              const T value = src(n, c, y, x);
              if (winner < 0 || value > best || (std::isnan(value) && !std::isnan(best))) {
                best = value;
                winner = r * w.kernel_x + s;
              }
            }
          dst(n, c, p, q) = best;
          if (!switches.empty())
            switches.visit([&](auto view) {
              view(n, c, p, q) = static_cast<typename decltype(view)::value_type>(winner < 0 ? 0 : winner);
            });
        }
}

/// As deconv::unpool2d; written as a scatter, so that the gather is checked against another way of doing it.
template <class T>
void unpool2d(Source<T, Cpu> diff_dst, SwitchesView<const std::byte, Cpu> switches,
              const MaxPool2dParams& params, OverlapRule overlap, TensorView<T, Cpu> diff_src) {
  const Window2d& w = params.window;
  for (Index i = 0; i < diff_src.count(); ++i) diff_src.data()[i] = T(0);
  for (Index n = 0; n < diff_dst[0]; ++n)
    for (Index c = 0; c < diff_dst[1]; ++c)
      for (Index p = 0; p < diff_dst[2]; ++p)
        for (Index q = 0; q < diff_dst[3]; ++q) {
          const Index tap = switches.at(n, c, p, q);
          const Index y = p * w.stride_y - w.padding.top + tap / w.kernel_x * w.dilation_y;
          const Index x = q * w.stride_x - w.padding.left + tap % w.kernel_x * w.dilation_x;
          if (y < 0 || y >= diff_src[2] || x < 0 || x >= diff_src[3]) continue;
          const T signal = diff_dst(n, c, p, q);
          diff_src(n, c, y, x) = overlap == OverlapRule::sum ? diff_src(n, c, y, x) + signal : signal;
        }
}

}  // namespace deconv::reference
