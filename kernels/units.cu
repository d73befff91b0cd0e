#include "units.cuh"

#include <algorithm>

#include "common/launch.cuh"
#include "deconv/ops/cuda/units.hpp"

namespace deconv::cuda {

template <class T>
void read_elements(const Context<Cuda>& context, const T* src, std::span<const Index> offsets, T* dst) {
  for (std::size_t first = 0; first < offsets.size(); first += Places::most) {
    const std::size_t count = std::min<std::size_t>(Places::most, offsets.size() - first);
    Places places{};
    std::copy_n(offsets.data() + first, count, places.offsets);
    launch(context, &read_places<T>, 1, Places::most, 0, src, places, static_cast<int>(count), dst + first);
  }
}

template <class T>
void write_elements(const Context<Cuda>& context, std::span<const Index> offsets, std::span<const T> values,
                    T* dst) {
  using Placed = PlacedValues<T>;
  for (std::size_t first = 0; first < offsets.size(); first += Placed::most) {
    const std::size_t count = std::min<std::size_t>(Placed::most, offsets.size() - first);
    Placed placed{};
    std::copy_n(offsets.data() + first, count, placed.offsets);
    std::copy_n(values.data() + first, count, placed.values);
    launch(context, &write_places<T>, 1, Placed::most, 0, placed, static_cast<int>(count), dst);
  }
}

template <class T>
void scatter_elements(const Context<Cuda>& context, const T* src, std::span<const Index> offsets, T* dst) {
  for (std::size_t first = 0; first < offsets.size(); first += Places::most) {
    const std::size_t count = std::min<std::size_t>(Places::most, offsets.size() - first);
    Places places{};
    std::copy_n(offsets.data() + first, count, places.offsets);
    launch(context, &scatter_places<T>, 1, Places::most, 0, src + first, places, static_cast<int>(count),
           dst);
  }
}

#define DECONV_INSTANCE(T)                                                                       \
  template void read_elements<T>(const Context<Cuda>&, const T*, std::span<const Index>, T*);    \
  template void scatter_elements<T>(const Context<Cuda>&, const T*, std::span<const Index>, T*); \
  template void write_elements<T>(const Context<Cuda>&, std::span<const Index>, std::span<const T>, T*);
DECONV_INSTANCE(float)
DECONV_INSTANCE(half)
DECONV_INSTANCE(bfloat16)
#undef DECONV_INSTANCE

}  // namespace deconv::cuda
