#include "fill_patches.cuh"

#include <algorithm>

#include "common/launch.cuh"
#include "deconv/core/error.hpp"
#include "deconv/ops/cuda/fill_patches.hpp"

namespace deconv::cuda {

template <class T>
void fill_patches(const Context<Cuda>& context, TensorView<const T, Cuda> src, const T* values,
                  const PatchGrid& grid, Index first, TensorView<T, Cuda> dst) {
  constexpr int width = vector_width<T>;
  constexpr unsigned threads = 256;
  const bool together = src.layout() == Layout::nhwc;
  const Index inner = together ? src[1] : 1, planes = together ? 1 : src[1], row = src[3] * inner;
  const Index image = planes * src[2] * row;
  require<ShapeError>(image <= divider_limit && grid.count() <= divider_limit, "fill_patches: images of ",
                      image, " elements at ", grid.count(), " places are too large for this op on a GPU");
  const bool wide = vector_aligned<width>(src.data(), row) && vector_aligned<width>(dst.data(), row);
  const Index unit = wide ? width : 1, image_units = image / unit, at_once = divider_limit / image_units;
  PatchRows rows;
  rows.by_row = Divider(row / unit);
  rows.by_height = Divider(src[2]);
  rows.by_planes = Divider(planes);
  rows.by_columns = Divider(grid.columns);
  rows.by_inner = Divider(inner);
  rows.image_units = static_cast<std::uint32_t>(image_units);
  rows.inner = static_cast<std::int32_t>(inner);
  for (Index begin = 0; begin < dst[0]; begin += at_once) {
    const Index units = std::min(at_once, dst[0] - begin) * image_units;
    rows.units = static_cast<std::uint32_t>(units);
    rows.first = static_cast<std::uint32_t>(first + begin);
    launch(context, wide ? &copy_with_patches<T, width> : &copy_with_patches<T, 1>,
           grid_for(parts_of<Index>(units, 2), threads), threads, 0, src.data(), values, grid,
           dst.data() + begin * image, rows);
  }
}

#define DECONV_INSTANCE(T)                                                                                   \
  template void fill_patches<T>(const Context<Cuda>&, TensorView<const T, Cuda>, const T*, const PatchGrid&, \
                                Index, TensorView<T, Cuda>);
DECONV_INSTANCE(float)
DECONV_INSTANCE(half)
DECONV_INSTANCE(bfloat16)
#undef DECONV_INSTANCE

}  // namespace deconv::cuda
