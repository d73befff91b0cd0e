#include "convert.cuh"

#include <algorithm>

#include "common/launch.cuh"
#include "deconv/ops/cuda/convert.hpp"

namespace deconv::cuda {

template <class A, class B>
void convert(const Context<Cuda>& context, const A* src, B* dst, Index count) {
  if (count == 0) return;
  if constexpr (std::is_same_v<A, B>) {
    copy_on_device(context.device(), context.stream(), dst, src, static_cast<std::size_t>(count) * sizeof(B));
  } else {
    constexpr int width = std::min(vector_width<A>, vector_width<B>);
    constexpr unsigned threads = 256;
    if (vector_aligned<width>(src, 0) && vector_aligned<width>(dst, 0))
      launch(context, &convert_elements<A, B, width>,
             grid_for(parts_of<Index>(count, width * loads_in_flight), threads), threads, 0, src, dst, count);
    else
      launch(context, &convert_elements<A, B, 1>, grid_for(parts_of<Index>(count, loads_in_flight), threads),
             threads, 0, src, dst, count);
  }
}

#define DECONV_INSTANCE(A, B) template void convert<A, B>(const Context<Cuda>&, const A*, B*, Index);
#define DECONV_INSTANCES(A) \
  DECONV_INSTANCE(A, float) \
  DECONV_INSTANCE(A, half)  \
  DECONV_INSTANCE(A, bfloat16)
DECONV_INSTANCES(float)
DECONV_INSTANCES(half)
DECONV_INSTANCES(bfloat16)
#undef DECONV_INSTANCES
#undef DECONV_INSTANCE

}  // namespace deconv::cuda
