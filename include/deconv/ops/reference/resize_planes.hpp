#pragma once

#include <algorithm>
#include <cmath>

#include "deconv/ops/resize_planes.hpp"

namespace deconv::reference {

/// As deconv::resize_planes: each output the sum of all values, each by how near it is.
template <class T>
void resize_planes(Source<T, Cpu> src, TensorView<T, Cpu> dst) {
  const auto centre = [](Index at, Index source, Index target) {
    const double wanted =
        (static_cast<double>(at) + 0.5) * static_cast<double>(source) / static_cast<double>(target) - 0.5;
    return std::clamp(wanted, 0.0, static_cast<double>(source - 1));
  };
  const auto near = [](double centre_at, Index i) {
    return std::max(0.0, 1 - std::abs(centre_at - static_cast<double>(i)));
  };
  for (Index i = 0; i < dst.count(); ++i) {
    const Index n = i / (dst[1] * dst[2]);
    const double y = centre(i / dst[2] % dst[1], src[1], dst[1]), x = centre(i % dst[2], src[2], dst[2]);
    double sum = 0;
    for (Index r = 0; r < src[1]; ++r)
      for (Index c = 0; c < src[2]; ++c)
        sum += near(y, r) * near(x, c) * static_cast<double>(src.data()[(n * src[1] + r) * src[2] + c]);
    dst.data()[i] = static_cast<T>(sum);
  }
}

}  // namespace deconv::reference
