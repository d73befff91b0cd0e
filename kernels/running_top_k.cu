#include "running_top_k.cuh"

#include <algorithm>
#include <limits>

#include "common/launch.cuh"
#include "deconv/core/error.hpp"
#include "deconv/ops/cuda/running_top_k.hpp"

namespace deconv::cuda {

template <class T>
void running_top_k(const Context<Cuda>& context, const T* values, const std::int32_t* places,
                   std::span<const std::int64_t> images, TopHits<T, Cuda>& hits) {
  constexpr Index threads = 128;
  const Index maps = hits.maps(), top = hits.top(), number = static_cast<Index>(images.size());
  require<ShapeError>(top <= std::numeric_limits<int>::max() / 2, "running_top_k: the ", top,
                      " strongest are too many for a GPU");
  Index held = hits.held;
  for (Index first = 0; first < number; first += ImageNumbers::most) {
    const Index here = std::min<Index>(ImageNumbers::most, number - first);
    ImageNumbers numbers{};
    std::copy_n(images.data() + first, here, numbers.at);
    launch(context, &take_in_hits<T>, dim3(static_cast<unsigned>(parts_of(maps, threads))),
           static_cast<unsigned>(threads), 0, values + first * maps, places + first * maps, numbers,
           static_cast<int>(here), maps, static_cast<int>(top), static_cast<int>(held), hits.values.data(),
           hits.images.data(), hits.places.data());
    held = std::min(top, held + here);
  }
}

#define DECONV_INSTANCE(T)                                                            \
  template void running_top_k<T>(const Context<Cuda>&, const T*, const std::int32_t*, \
                                 std::span<const std::int64_t>, TopHits<T, Cuda>&);
DECONV_INSTANCE(float)
DECONV_INSTANCE(half)
DECONV_INSTANCE(bfloat16)
#undef DECONV_INSTANCE

}  // namespace deconv::cuda
