#include "image_to_planes.cuh"

#include <algorithm>

#include "common/launch.cuh"
#include "deconv/core/error.hpp"
#include "deconv/ops/cuda/image_to_planes.hpp"

namespace deconv::cuda {
namespace {

/// Most blocks of a launch: enough for the largest GPU, so few that a block's tables serve many runs.
constexpr unsigned most_blocks = 132 * 8;

template <int S, int C, class T>
void run(const Context<Cuda>& context, TensorView<const std::uint8_t, Cuda> src, const PixelParams& params,
         const deconv::detail::ByteTable& table, TensorView<const float, Cuda> mean_image,
         TensorView<T, Cuda> dst) {
  PixelTables<C> tables{};
  for (int c = 0; c < C; ++c)
    for (int byte = 0; byte < 256; ++byte)
      tables.value[c * 256 + byte] = table.value[static_cast<std::size_t>(c)][static_cast<std::size_t>(byte)];
  MeanWindow mean;
  if (!mean_image.empty()) {
    mean.plane = mean_image[1] * mean_image[2];
    mean.row = mean_image[2];
    mean.data = mean_image.data() + params.mean_top * mean.row + params.mean_left;
    std::copy(params.deviation.begin(), params.deviation.end(), mean.divisors);
    mean.by_width = Divider(dst[3]);
  }
  const Index plane = dst[2] * dst[3];
  require<ShapeError>(plane <= divider_limit, "image_to_planes: pictures of ", dst[2], "x", dst[3],
                      " pixels are too large for this op on a GPU");
  const bool woven = dst.layout() == Layout::nhwc && C > 1;
  constexpr int width = 4;
  const Index at_once = (divider_limit - most_blocks * pixel_run) / plane;
  const Index images = std::max<Index>(1, at_once);
  for (Index first = 0; first < src[0]; first += images) {
    const Index pixels = std::min(images, src[0] - first) * plane;
    const std::uint8_t* from = src.data() + first * plane * S;
    T* to = dst.data() + first * plane * C;
    const bool wide_loads = vector_aligned<16>(from, 0);
    const bool wide_stores = vector_aligned<width>(to, woven ? 0 : plane);
    const dim3 grid = grid_for(pixels, pixel_run, most_blocks);
    const auto start = [&](auto* kernel) {
      launch(context, kernel, grid, pixel_threads, 0, from, wide_loads, params.order, tables, mean, to,
             static_cast<std::uint32_t>(pixels), static_cast<std::uint32_t>(plane), Divider(plane));
    };
    if constexpr (C > 1) {
      if (woven) {
        start(wide_stores ? &pixels_to_numbers<T, S, C, width, true> : &pixels_to_numbers<T, S, C, 1, true>);
        continue;
      }
    }
    start(wide_stores ? &pixels_to_numbers<T, S, C, width, false> : &pixels_to_numbers<T, S, C, 1, false>);
  }
}

}  // namespace

template <class T>
void image_to_planes(const Context<Cuda>& context, TensorView<const std::uint8_t, Cuda> src,
                     const PixelParams& params, const deconv::detail::ByteTable& table,
                     TensorView<const float, Cuda> mean_image, TensorView<T, Cuda> dst) {
  if (src[1] == 1)
    run<1, 1>(context, src, params, table, mean_image, dst);
  else if (dst[1] == 1)
    run<3, 1>(context, src, params, table, mean_image, dst);
  else
    run<3, 3>(context, src, params, table, mean_image, dst);
}

#define DECONV_INSTANCE(T)                                                                     \
  template void image_to_planes<T>(const Context<Cuda>&, TensorView<const std::uint8_t, Cuda>, \
                                   const PixelParams&, const deconv::detail::ByteTable&,       \
                                   TensorView<const float, Cuda>, TensorView<T, Cuda>);
DECONV_INSTANCE(float)
DECONV_INSTANCE(half)
DECONV_INSTANCE(bfloat16)
#undef DECONV_INSTANCE

}  // namespace deconv::cuda
