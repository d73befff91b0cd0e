#pragma once

#include "deconv/core/parallel.hpp"
#include "deconv/ops/image_to_planes.hpp"

namespace deconv::cpu {

template <class T>
void image_to_planes(const Context<Cpu>& context, TensorView<const std::uint8_t, Cpu> src,
                     const PixelParams& params, const deconv::detail::ByteTable& table,
                     TensorView<const float, Cpu> mean_image, TensorView<T, Cpu> dst) {
  const Index channels = dst[1], bytes = src[1], height = dst[2], width = dst[3];
  const Index step = dst.layout() == Layout::nhwc ? channels : 1;
  const auto body = [&](Index line) {
    const Index n = line / height, y = line % height;
    const std::uint8_t* from = src.data() + line * width * bytes;
    for (Index c = 0; c < channels; ++c) {
      const auto& values = table.value[static_cast<std::size_t>(c)];
      const double divisor = params.deviation[static_cast<std::size_t>(c)];
      T* to = dst.data() + dst.offset(n, c, y, 0);
      const std::uint8_t* byte = from + (params.order == PixelOrder::reversed ? bytes - 1 - c : c);
      const float* average =
          mean_image.empty() ? nullptr
                             : mean_image.data() + (c * mean_image[1] + params.mean_top + y) * mean_image[2] +
                                   params.mean_left;
      for (Index x = 0; x < width; ++x, byte += bytes) {
        float value =
            values[params.order == PixelOrder::luma ? deconv::detail::luma_of(byte[0], byte[1], byte[2])
                                                    : *byte];
        if (average != nullptr)
          value =
              static_cast<float>((static_cast<double>(value) - static_cast<double>(average[x])) / divisor);
        to[x * step] = static_cast<T>(value);
      }
    }
  };
  parallel_for(context, dst[0] * height, body, deconv::detail::row_grain(width * channels));
}

}  // namespace deconv::cpu
