#include "resize_planes.cuh"

#include <algorithm>

#include "common/launch.cuh"
#include "deconv/ops/cuda/resize_planes.hpp"

namespace deconv::cuda {

template <class T>
void resize_planes(const Context<Cuda>& context, TensorView<const T, Cuda> src, TensorView<T, Cuda> dst) {
  constexpr unsigned threads = 256;
  constexpr Index most = Index{1} << 30;
  require<ShapeError>(src[1] * src[2] <= most && dst[1] * dst[2] <= most, "resize_planes: planes of ",
                      src.shape(), " and ", dst.shape(), " are too large for a GPU");
  const PlaneSizes sizes{static_cast<int>(src[1]), static_cast<int>(src[2]), static_cast<int>(dst[1]),
                         static_cast<int>(dst[2])};
  const dim3 grid(static_cast<unsigned>(parts_of<Index>(dst[1] * dst[2], threads)),
                  static_cast<unsigned>(std::min<Index>(dst[0], 65535)));
  launch(context, &resize_plane<T>, grid, threads, 0, src.data(), sizes, dst[0], dst.data());
}

#define DECONV_INSTANCE(T) \
  template void resize_planes<T>(const Context<Cuda>&, TensorView<const T, Cuda>, TensorView<T, Cuda>);
DECONV_INSTANCE(float)
DECONV_INSTANCE(half)
DECONV_INSTANCE(bfloat16)
#undef DECONV_INSTANCE

}  // namespace deconv::cuda
