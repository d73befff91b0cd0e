#include "dropout.cuh"

#include <algorithm>

#include "common/launch.cuh"
#include "deconv/core/error.hpp"
#include "deconv/ops/cuda/dropout.hpp"

namespace deconv::cuda {
namespace {

constexpr unsigned threads = 256;

}  // namespace

template <class T>
void dropout_forward(const Context<Cuda>& context, TensorView<const T, Cuda> src, float ratio,
                     const Random& random, TensorView<T, Cuda> dst, TensorView<std::uint8_t, Cuda> mask) {
  const float scale = 1.0f / (1.0f - ratio);
  if (src.row_major()) {
    const bool wide = vector_aligned<dropout_group>(src.data(), 0) &&
                      vector_aligned<dropout_group>(dst.data(), 0) &&
                      vector_aligned<dropout_group>(mask.data(), 0);
    const dim3 grid = grid_for(parts_of<Index>(src.count(), dropout_group), threads);
    launch(context, wide ? &drop_row_major<T, true> : &drop_row_major<T, false>, grid, threads, 0, src.data(),
           ratio, scale, random, dst.data(), mask.data(), src.count());
    return;
  }
  const Index channels = src[1], plane = src[2] * src[3], image = channels * plane;
  require<ShapeError>(image <= divider_limit, "dropout: an image of ", image,
                      " elements is too large for this op on a GPU");
  const Index at_once = divider_limit / image;
  for (Index first = 0; first < src[0]; first += at_once) {
    const Index count = std::min(at_once, src[0] - first) * image, offset = first * image;
    launch(context, &drop_woven<T>, grid_for(count, threads), threads, 0, src.data() + offset, ratio, scale,
           random, dst.data() + offset, mask.data() + offset, first, channels, plane, Divider(channels),
           Divider(plane), static_cast<std::uint32_t>(count));
  }
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
                                   TensorView<T, Cuda>, TensorView<std::uint8_t, Cuda>);                  \
  template void dropout_reverse<T>(const Context<Cuda>&, const T*, const std::uint8_t*, float, T*, Index);
DECONV_INSTANCE(float)
DECONV_INSTANCE(half)
DECONV_INSTANCE(bfloat16)
#undef DECONV_INSTANCE

}  // namespace deconv::cuda
