#pragma once

#include "deconv/ops/image_to_planes.hpp"

namespace deconv::reference {

/// As deconv::image_to_planes, straight from the formula in double.
template <class T>
void image_to_planes(Source<std::uint8_t, Cpu> src, const PixelParams& params, Source<float, Cpu> mean_image,
                     TensorView<T, Cpu> dst) {
  for (Index n = 0; n < dst[0]; ++n)
    for (Index c = 0; c < dst[1]; ++c)
      for (Index y = 0; y < dst[2]; ++y)
        for (Index x = 0; x < dst[3]; ++x) {
          const auto at = static_cast<std::size_t>(c);
          double byte = src(n, params.order == PixelOrder::reversed ? src[1] - 1 - c : c, y, x);
          if (params.order == PixelOrder::luma)
            byte = std::floor(
                (19595.0 * src(n, 0, y, x) + 38470.0 * src(n, 1, y, x) + 7471.0 * src(n, 2, y, x) + 32768.0) /
                65536.0);
          double mean = params.mean[at];
          if (!mean_image.empty())
            mean =
                mean_image
                    .data()[(c * mean_image[1] + params.mean_top + y) * mean_image[2] + params.mean_left + x];
          dst(n, c, y, x) = static_cast<T>((byte * params.scale - mean) / params.deviation[at]);
        }
}

}  // namespace deconv::reference
