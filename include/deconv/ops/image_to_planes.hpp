#pragma once

#include <cmath>

#include "deconv/core/context.hpp"
#include "deconv/ops/cuda/image_to_planes.hpp"
#include "deconv/ops/operands.hpp"
#include "deconv/ops/pixel_params.hpp"

namespace deconv {

namespace cpu {
template <class T>
void image_to_planes(const Context<Cpu>& context, TensorView<const std::uint8_t, Cpu> src,
                     const PixelParams& params, const deconv::detail::ByteTable& table,
                     TensorView<const float, Cpu> mean_image, TensorView<T, Cpu> dst);
}  // namespace cpu

namespace detail {

template <class T, Device D>
void check_image_to_planes(const TensorView<const std::uint8_t, D>& src, const PixelParams& params,
                           const TensorView<const float, D>& mean_image, const TensorView<T, D>& dst) {
  constexpr std::string_view what = "image_to_planes";
  require<ShapeError>(src.rank() == 4 && (src.layout() == Layout::nhwc || src[1] == 1) &&
                          (src[1] == 3 || (src[1] == 1 && params.order == PixelOrder::same)),
                      what, ": wants pictures of one or three bytes a pixel, nhwc, met ", src.shape(), " ",
                      name_of(src.layout()));
  check_shape(what, "dst", src.shape().with(1, params.order == PixelOrder::luma ? 1 : src[1]), dst.shape());
  for (const double deviation : params.deviation)
    require<ArgumentError>(deviation != 0 && std::isfinite(deviation), what,
                           ": a deviation other than 0 is wanted, met ", deviation);
  if (mean_image.empty()) return;
  require<ShapeError>(
      mean_image.rank() == 3 && mean_image[0] == dst[1] && params.mean_top >= 0 && params.mean_left >= 0 &&
          params.mean_top <= mean_image[1] - dst[2] && params.mean_left <= mean_image[2] - dst[3],
      what, ": a mean image of ", dst[1], " channels that holds ", dst[2], "x", dst[3], " pixels from ",
      params.mean_top, ",", params.mean_left, " on is wanted, met ", mean_image.shape());
}

}  // namespace detail

/// dst = (src * scale - mean) / deviation, channel by channel: pictures as they are stored become a network's
/// input. src: N pictures of H x W pixels, their bytes together (shape N x S x H x W, layout nhwc), S = 1 or
/// 3; dst: N x C x H x W in either layout, C = 1 for luma, else S. With a mean image [C, h, w] (float; empty:
/// none) its window from (mean_top, mean_left) stands in place of `mean`, and src * scale is rounded to float
/// first.
///
/// The 256 possible bytes of a channel are worked out in double and rounded to float once, so that the result
/// has the same bits on every device, and those of io::Preprocess. T is float, half, bfloat16 or, on the
/// host, double. Throws ShapeError, ArgumentError. Bytes: src and dst once.
template <class T, Device D>
void image_to_planes(const Context<D>& context, Source<std::uint8_t, D> src, const PixelParams& params,
                     Source<float, D> mean_image, TensorView<T, D> dst) {
  detail::check_image_to_planes(src, params, mean_image, dst);
  if (dst.count() == 0) return;
  // Here and not in the launcher: two compilers may round a product and a sum differently.
  const detail::ByteTable table(params, !mean_image.empty());
  if constexpr (std::same_as<D, Cpu>)
    cpu::image_to_planes<T>(context, src, params, table, mean_image, dst);
  else
    cuda::image_to_planes<T>(context, src, params, table, mean_image, dst);
}

}  // namespace deconv

#include "deconv/ops/cpu/image_to_planes.hpp"
