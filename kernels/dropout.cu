#include "dropout.cuh"

#include <algorithm>

#include "common/launch.cuh"
#include "deconv/core/error.hpp"
#include "deconv/ops/cuda/dropout.hpp"

namespace deconv::cuda {
namespace {

constexpr unsigned threads = 256;

/// Whole images of channels x plane, as many at once as 31 bits count.
template <class T>
void drop_each(const Context<Cuda>& context, TensorView<const T, Cuda> src, float ratio, float scale,
               const Random& random, Index first, T* dst, std::uint8_t* mask, Index channels, Index plane) {
  const Index image = channels * plane, at_once = divider_limit / image * image;
  for (Index done = 0; done < src.count(); done += at_once) {
    const Index count = std::min(at_once, src.count() - done);
    launch(context, &drop_woven<T>, grid_for(count, threads), threads, 0, src.data() + done, ratio, scale,
           random, dst + done, mask == nullptr ? nullptr : mask + done, first + done, channels, plane,
           Divider(channels), Divider(plane), static_cast<std::uint32_t>(count));
  }
}

}  // namespace

template <class T>
void dropout_forward(const Context<Cuda>& context, TensorView<const T, Cuda> src, float ratio,
                     const Random& random, Index first, TensorView<T, Cuda> dst,
                     TensorView<std::uint8_t, Cuda> mask) {
  const float scale = 1.0f / (1.0f - ratio);
  if (!src.row_major()) {
    const Index plane = src[2] * src[3];
    require<ShapeError>(src[1] * plane <= divider_limit, "dropout: an image of ", src[1] * plane,
                        " elements is too large for this op on a GPU");
    return drop_each(context, src, ratio, scale, random, first, dst.data(), mask.data(), src[1], plane);
  }
  if (first % dropout_group != 0)
    return drop_each(context, src, ratio, scale, random, first, dst.data(), mask.data(), Index{1},
                     divider_limit);
  const bool wide = vector_aligned<dropout_group>(src.data(), 0) &&
                    vector_aligned<dropout_group>(dst.data(), 0) &&
                    vector_aligned<dropout_group>(mask.data(), 0);
  const dim3 grid = grid_for(parts_of<Index>(src.count(), dropout_group), threads);
  launch(context, wide ? &drop_row_major<T, true> : &drop_row_major<T, false>, grid, threads, 0, src.data(),
         ratio, scale, random, first / dropout_group, dst.data(), mask.data(), src.count());
}

template <class T>
void dropout_reverse(const Context<Cuda>& context, const T* diff_dst, const std::uint8_t* mask, float ratio,
                     T* diff_src, Index count) {
  if (count == 0) return;
  const float scale = 1.0f / (1.0f - ratio);
  constexpr int width = vector_width<T>;
  if (vector_aligned<width>(diff_dst, 0) && vector_aligned<width>(mask, 0) &&
      vector_aligned<width>(diff_src, 0))
    launch(context, &pass_kept<T, width>, grid_for(parts_of<Index>(count, width * loads_in_flight), threads),
           threads, 0, diff_dst, mask, scale, diff_src, count);
  else
    launch(context, &pass_kept<T, 1>, grid_for(parts_of<Index>(count, loads_in_flight), threads), threads, 0,
           diff_dst, mask, scale, diff_src, count);
}

#define DECONV_INSTANCE(T)                                                                                \
  template void dropout_forward<T>(const Context<Cuda>&, TensorView<const T, Cuda>, float, const Random&, \
                                   Index, TensorView<T, Cuda>, TensorView<std::uint8_t, Cuda>);           \
  template void dropout_reverse<T>(const Context<Cuda>&, const T*, const std::uint8_t*, float, T*, Index);
DECONV_INSTANCE(float)
DECONV_INSTANCE(half)
DECONV_INSTANCE(bfloat16)
#undef DECONV_INSTANCE

}  // namespace deconv::cuda
