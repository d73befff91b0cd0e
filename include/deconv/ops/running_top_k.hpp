#pragma once

#include <cstdint>
#include <span>

#include "deconv/core/context.hpp"
#include "deconv/ops/cuda/running_top_k.hpp"
#include "deconv/ops/operands.hpp"
#include "deconv/ops/top_hits.hpp"

namespace deconv {

namespace cpu {
template <class T>
void running_top_k(const Context<Cpu>& context, TensorView<const T, Cpu> values,
                   TensorView<const std::int32_t, Cpu> places, std::span<const std::int64_t> images,
                   TopHits<T, Cpu>& hits);
}  // namespace cpu

/// Takes the strongest units of a batch (map_maxima's values and places, N x M, of the images with the given
/// numbers) into the strongest so far. They come in one after another, image by image, in the order of
/// analysis' Hit::before: a larger value first, of equals the smaller image number, NaN last (of NaNs the one
/// that came last stands first). What no longer fits falls out. On a GPU nothing waits.
///
/// Throws ShapeError when the numbers of images or maps differ. Bytes: values once, a map's hits once more
/// for each that comes in.
template <class T, Device D>
void running_top_k(const Context<D>& context, Source<T, D> values, Source<std::int32_t, D> places,
                   std::span<const std::int64_t> images, TopHits<T, D>& hits) {
  constexpr std::string_view what = "running_top_k";
  const Shape wanted{static_cast<Index>(images.size()), hits.maps()};
  detail::check_shape(what, "values", wanted, values.shape());
  detail::check_shape(what, "places", wanted, places.shape());
  if (wanted.count() > 0) {
    if constexpr (std::same_as<D, Cpu>)
      cpu::running_top_k<T>(context, values, places, images, hits);
    else
      cuda::running_top_k<T>(context, values.data(), places.data(), images, hits);
  }
  hits.held = std::min(hits.top(), hits.held + wanted[0]);
}

}  // namespace deconv

#include "deconv/ops/cpu/running_top_k.hpp"
