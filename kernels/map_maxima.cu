#include "map_maxima.cuh"

#include <algorithm>

#include "common/divide.cuh"
#include "common/launch.cuh"
#include "deconv/core/error.hpp"
#include "deconv/ops/cuda/map_maxima.hpp"

namespace deconv::cuda {
namespace {

/// Planes up to this many pixels get a warp each, larger ones a block.
constexpr Index small_plane = 1024;
/// Blocks that fill the largest GPU, and the least pixels that are worth a segment.
constexpr Index enough_blocks = 132 * 8, least_segment = 512;

}  // namespace

template <class T>
void map_maxima(const Context<Cuda>& context, TensorView<const T, Cuda> src, std::span<const Index> maps,
                TensorView<T, Cuda> values, TensorView<std::int32_t, Cuda> places) {
  const Index images = src[0], pixels = src.rank() == 4 ? src[2] * src[3] : 1;
  const bool woven = pixels == 1 || src.layout() == Layout::nhwc;
  const bool whole_block = pixels > small_plane;
  const Index maps_a_block = woven ? maxima_lanes : whole_block ? 1 : maxima_rows;
  const Index number = static_cast<Index>(maps.size());
  for (Index first = 0; first < number; first += ChosenMaps::most) {
    const Index here = std::min<Index>(ChosenMaps::most, number - first);
    ChosenMaps chosen{};
    for (Index k = 0; k < here; ++k)
      chosen.at[k] = static_cast<std::int32_t>(maps[static_cast<std::size_t>(first + k)]);
    const Index blocks = images * parts_of(here, maps_a_block);
    const Index segments = std::clamp<Index>(std::min(enough_blocks / blocks, pixels / least_segment), 1, 64);
    MaximaShape shape;
    shape.channels = src[1];
    shape.pixels = static_cast<std::int32_t>(pixels);
    shape.segment = static_cast<std::int32_t>(parts_of(pixels, segments));
    shape.segments = static_cast<std::int32_t>(parts_of<Index>(pixels, shape.segment));
    shape.maps = static_cast<std::int32_t>(number);
    shape.first_map = static_cast<std::int32_t>(first);
    shape.here = static_cast<std::int32_t>(here);
    require<ShapeError>(blocks * segments <= divider_limit, "map_maxima: ", here, " maps of ", images,
                        " images are too many for one launch on a GPU");
    auto partial = context.make<std::uint8_t>(
        {shape.segments > 1 ? images * shape.segments * number * static_cast<Index>(sizeof(Candidate)) : 0});
    auto* candidates = reinterpret_cast<Candidate*>(partial.data());
    launch(context,
           woven         ? &maxima_of_pixels<T>
           : whole_block ? &maxima_of_planes<T, maxima_rows>
                         : &maxima_of_planes<T, 1>,
           dim3(static_cast<unsigned>(blocks * shape.segments)), maxima_threads, 0, src.data(), chosen, shape,
           values.data(), places.data(), candidates);
    if (shape.segments > 1)
      launch(context, &best_of_segments<T>,
             dim3(static_cast<unsigned>(parts_of<Index>(images * here, maxima_threads))), maxima_threads, 0,
             candidates, chosen, shape, images, src.data(), woven ? src[1] : Index{1},
             woven ? Index{1} : pixels, values.data(), places.data());
  }
}

#define DECONV_INSTANCE(T)                                                                             \
  template void map_maxima<T>(const Context<Cuda>&, TensorView<const T, Cuda>, std::span<const Index>, \
                              TensorView<T, Cuda>, TensorView<std::int32_t, Cuda>);
DECONV_INSTANCE(float)
DECONV_INSTANCE(half)
DECONV_INSTANCE(bfloat16)
#undef DECONV_INSTANCE

}  // namespace deconv::cuda
