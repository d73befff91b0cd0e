#pragma once

#include <algorithm>
#include <atomic>

#include "deconv/core/parallel.hpp"
#include "deconv/ops/max_unpool2d.hpp"

namespace deconv::cpu {
namespace detail {

/// Throws FormatError on an index outside [0, count). Returns whether every index stays in the plane of its
/// own element.
inline bool check_indices(const Context<Cpu>& context, TensorView<const std::int64_t, Cpu> indices,
                          Index count, Index plane) {
  const bool woven = indices.layout() == Layout::nhwc;
  const Index channels = indices[1], pixels = indices[2] * indices[3];
  std::atomic<bool> own = true;
  parallel_ranges(context, indices.count(), 16384, [&](Index begin, Index end) {
    bool all_own = true;
    for (Index i = begin; i < end; ++i) {
      const std::int64_t index = indices.data()[i];
      require<FormatError>(index >= 0 && index < count, "max_unpool2d: index ", index,
                           " outside a tensor of ", count, " elements");
      const Index own_plane = woven ? i / (pixels * channels) * channels + i % channels : i / pixels;
      all_own &= index / plane == own_plane;
    }
    if (!all_own) own = false;
  });
  return own;
}

/// Where row-major element `index` of N,C,H,W lies in memory.
struct Placement {
  bool woven;
  Index channels, plane;
  Placement(const Shape& shape, Layout layout)
      : woven(layout == Layout::nhwc), channels(shape[1]), plane(shape[2] * shape[3]) {}
  [[nodiscard]] Index operator()(Index index) const noexcept {
    if (!woven) return index;
    const Index image = index / (plane * channels), inside = index % (plane * channels);
    return (image * plane + inside % plane) * channels + inside / plane;
  }
};

}  // namespace detail

template <class T>
void max_unpool2d(const Context<Cpu>& context, TensorView<const T, Cpu> src,
                  TensorView<const std::int64_t, Cpu> indices, TensorView<T, Cpu> dst) {
  const Index plane = dst[2] * dst[3], pooled = src[2] * src[3], channels = src[1];
  const bool own = detail::check_indices(context, indices, dst.count(), plane);
  parallel_ranges(context, dst.count(), 65536,
                  [&](Index begin, Index end) { std::fill(dst.data() + begin, dst.data() + end, T(0)); });
  const detail::Placement from(src.shape(), src.layout()), to(dst.shape(), dst.layout());
  const auto body = [&](Index part) {
    for (Index i = part * pooled; i < (part + 1) * pooled; ++i) {
      const Index at = from(i);
      dst.data()[to(indices.data()[at])] = src.data()[at];
    }
  };
  // Planes that only fill themselves may go to different threads; else the order of the writes matters.
  if (own)
    parallel_for(context, src[0] * channels, body, deconv::detail::row_grain(pooled));
  else
    for (Index part = 0; part < src[0] * channels; ++part) body(part);
}

template <class T>
void max_unpool2d_reverse(const Context<Cpu>& context, TensorView<const T, Cpu> diff_dst,
                          TensorView<const std::int64_t, Cpu> indices, TensorView<T, Cpu> diff_src) {
  detail::check_indices(context, indices, diff_dst.count(), std::max<Index>(1, diff_dst[2] * diff_dst[3]));
  const detail::Placement from(diff_dst.shape(), diff_dst.layout());
  parallel_ranges(context, diff_src.count(), 16384, [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) diff_src.data()[i] = diff_dst.data()[from(indices.data()[i])];
  });
}

}  // namespace deconv::cpu
